"""How is the polarity sample constructed: 200 opinions, 100 of each polarity.

80 opinions (40 good, 40 bad) written for this project about inns, tools, films, shops and
trains. Each is told plainly (same polarity); each dominates a contrast with an opinion of the
other polarity (same polarity, though words of both occur); every second one is denied (the
other polarity). Of each polarity the first 24 opinions are for train, the next 8 for dev and
the last 8 for test, and frames belong to one split each but for the bare opinion: 120, 40 and
40 sentences.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from raysearch.corpora.records import Row

__all__ = ["sentences"]

GOOD = (
    "the rooms were bright and spotless",
    "the staff went out of their way for us",
    "the battery lasted for the whole journey",
    "the ending moved me to tears of joy",
    "the soup was the best that I have had in years",
    "the screws fitted at the first try",
    "the guide knew a good story for every corner",
    "the seats were soft and had plenty of room",
    "the songs stayed in my head for days",
    "the paint dried quickly and without a streak",
    "the actors played with wit and warmth",
    "the refund was on my account within a day",
    "the view from the terrace was superb",
    "the handle sat perfectly in my hand",
    "the lessons were clear and great fun",
    "the cheese was ripe and full of flavour",
    "the picture was sharp down to the edges",
    "the owner welcomed us like old friends",
    "the boots kept my feet dry in deep snow",
    "the train arrived to the minute",
    "the garden was a delight to sit in",
    "the print was crisp and easy to read",
    "the dialogue sparkled from start to finish",
    "the price was more than fair",
    "the bed was heavenly after the long walk",
    "the waiter recommended exactly the right wine",
    "the lamp gave a warm and steady light",
    "the plot kept me guessing until the last page",
    "the tent went up in three easy minutes",
    "the museum thrilled even our youngest",
    "the driver was careful and kind",
    "the engine purred from the first day",
    "the pastries were light and buttery",
    "the manual explained every step beautifully",
    "the pool was clean and wonderfully warm",
    "the camera work was breathtaking",
    "the repair was done free of charge",
    "the coat still looks new after ten winters",
    "the choir sang like angels",
    "the support team solved it in one call",
)
BAD = (
    "the sheets were stained and damp",
    "the receptionist was rude to everybody",
    "the screen cracked on the second day",
    "the jokes were stale and mean",
    "the fish smelled as if it had lain there for a week",
    "the zip broke before we had even left",
    "the tour was a waste of a good morning",
    "the carriage was filthy and overcrowded",
    "the sound was tinny and full of hiss",
    "the glue let go after an hour",
    "the hero was as wooden as the scenery",
    "the parcel came late and badly dented",
    "the window looked out on a rubbish heap",
    "the blade was blunt out of the box",
    "the course taught me nothing at all",
    "the coffee was bitter and lukewarm",
    "the colours faded in the first wash",
    "the landlord cheated us over the deposit",
    "the roof leaked onto our suitcases",
    "the connection failed every few minutes",
    "the chairs wobbled dangerously",
    "the app lost all my photos",
    "the story dragged on without a point",
    "the bill was an outrage",
    "the mattress sagged like a hammock",
    "the salad came with a slug in it",
    "the torch died in the middle of the cave",
    "the sequel ruined everything that I had liked",
    "the assembly drove us to despair",
    "the exhibition was dusty and dull",
    "the pilot left us without a word for hours",
    "the brakes squealed from the first mile",
    "the cake was dry and tasted of soap",
    "the instructions were hopelessly wrong",
    "the beach was strewn with broken glass",
    "the singing was painfully out of tune",
    "the mechanic made the fault even worse",
    "the fabric scratched and fell to pieces",
    "the lecture sent half of the hall to sleep",
    "the hotline kept me waiting and then hung up",
)
SHARES = {"train": slice(0, 24), "dev": slice(24, 32), "test": slice(32, 40)}

# {a} is the opinion that is held, {b} one of the other polarity, {A} is {a} with a capital.
PLAIN = {
    "train": ("{A}.", "I have to say that {a}.", "As far as I can judge, {a}."),
    "dev": ("{A}.", "We all agreed that {a}."),
    "test": ("{A}.", "Let me tell you that {a}."),
}
CONTRAST = {
    "train": (
        "It is true that {b}, but what counts for me is that {a}.",
        "Although {b}, I am going to remember that {a}.",
        "{A}, and next to that it means little that {b}.",
    ),
    "dev": ("Granted, {b}; far more important is that {a}.", "{A}, and I forget that {b}."),
    "test": ("Never mind that {b}: in the end {a}.", "{A}, which far outweighs that {b}."),
}
DENIED = {
    "train": ("Nobody could claim that {a}.", "I read that {a}; it was not so at all."),
    "dev": ("It is simply wrong that {a}.",),
    "test": ("The advertisement lied when it said that {a}.",),
}


def sentences() -> Iterator[Row]:
    """The 200 sentences; label 0 is negative, 1 positive."""
    for role, share in SHARES.items():
        plain, contrast, denied = (itertools.cycle(f[role]) for f in (PLAIN, CONTRAST, DENIED))
        number = itertools.count(1)
        for place, pair in enumerate(zip(GOOD[share], BAD[share], strict=True)):
            for label, opinion, other in ((1, *pair), (0, *pair[::-1])):
                told = [(next(plain), label), (next(contrast), label)]
                if place % 2 == 0:
                    told.append((next(denied), 1 - label))
                for frame, polarity in told:
                    text = frame.format(a=opinion, A=opinion[0].upper() + opinion[1:], b=other)
                    yield Row(f"polarity-{role}-{next(number):03d}", role, text, polarity)
