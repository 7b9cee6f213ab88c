"""How is the valence-arousal sample constructed, and why are its labels what they are.

480 English sentences from 180 clauses (`va_phrases`), so that a label depends on how a
sentence is put together and not on one word. A clause with valence v and arousal a becomes:

========== ====================================== ======================= ===================
operation  meaning                                valence                 arousal
========== ====================================== ======================= ===================
plain      it is told                             v                       a
excite     it shakes the teller                   5 + 1.2 (v - 5)         a + 1
deepen     it touches the teller                  5 + 1.3 (v - 5)         a + 0.5
downtone   nobody cares much                      5 + 0.5 (v - 5)         2.5 + 0.6 (a - 2.5)
distance   it is long ago                         5 + 0.7 (v - 5)         2.5 + 0.5 (a - 2.5)
negate     it is not so                           5 - 0.4 (v - 5)         3.5 + 0.4 (a - 3.5)
contrast   two clauses, one of them dominates     0.3 v' + 0.7 v          0.35 min + 0.65 max
replace    the first is not so, the second is     0.15 v' + 0.85 v        0.15 a' + 0.85 a
========== ====================================== ======================= ===================

where v', a' are those of the other clause (for ``replace``: of its negation); the result is
clipped to [1, 9] and rounded to two places. Every clause is told plainly and under one operation
that suits its region. Two of three dominate a contrast as well, or (one in four of these)
replace another clause.

Clauses and frames belong to one split each: nothing but the bare clause (the frame ``{A}.``)
is a frame of two splits. 320 sentences are train, 80 dev, 80 test. Scale 1 to 9.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from corpora.construction.va_phrases import REGIONS, Clause

from raysearch.corpora.records import Row

__all__ = ["sentences"]

SHARES = {"train": slice(0, 20), "dev": slice(20, 25), "test": slice(25, 30)}
"""Which clauses of a region belong to which split."""

# {A} is the clause with a capital letter, {a} without, {b} the other clause. In a contrast
# clause a dominates; in a replacement a is what is true.
FRAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {
        "plain": ("{A}.", "My cousin told me that {a}.", "{A}.", "I was there when {a}."),
        "excite": (
            "My heart was pounding, because {a}.",
            "{A}, and my hands would not stop trembling.",
            "I can think of nothing else now, for {a}!",
        ),
        "deepen": (
            "Nothing in years has touched me as much as this: {a}.",
            "{A}, and I felt it to the bone.",
            "More than anything else that year, I remember that {a}.",
        ),
        "downtone": (
            "{A}, although it hardly mattered to any of us.",
            "It was of little interest to me that {a}.",
            "I noticed only in passing that {a}.",
        ),
        "distance": (
            "Many years ago {a}.",
            "The old diary says that {a}.",
            "{A}, but all of that was very long ago.",
        ),
        "negate": (
            "It was only a rumour that {a}.",
            "For a moment we believed that {a}, but it was a mistake.",
            "They had told us that {a}, yet none of it was true.",
        ),
        "contrast": (
            "That week {b}, but then {a}.",
            "{A}, even though on the very same day {b}.",
            "Although {b}, I remember that summer because {a}.",
        ),
        "replace": (
            "We had expected to hear that {b}; instead, {a}.",
            "It was not so that {b}, but it was so that {a}.",
        ),
    },
    "dev": {
        "plain": ("{A}.", "You should know that {a}."),
        "excite": ("I jumped to my feet at the news that {a}.", "Before our very eyes {a}!"),
        "deepen": ("I felt it deep inside that {a}.", "What stays with me above all is that {a}."),
        "downtone": (
            "{A}, which left me more or less indifferent.",
            "Somebody mentioned, half yawning, that {a}.",
        ),
        "distance": ("Half a lifetime ago {a}.", "On page ninety of my memoirs I wrote that {a}."),
        "negate": (
            "I dreamt that {a}, and then I woke up.",
            "Nobody could confirm that {a}, and in the end it proved false.",
        ),
        "contrast": (
            "Within a single month {b}, and yet {a}.",
            "{A}, notwithstanding that {b}.",
        ),
        "replace": ("The report that {b} was false, for in fact {a}.",),
    },
    "test": {
        "plain": ("{A}.", "We learned on Thursday that {a}."),
        "excite": (
            "It struck me like lightning that {a}.",
            "{A}, and nobody could keep still for hours.",
        ),
        "deepen": (
            "It moved me more than I can say that {a}.",
            "{A}, and I have carried that with me ever since.",
        ),
        "downtone": (
            "{A}, but that made no great difference to anyone.",
            "I shrugged when they let me know that {a}.",
        ),
        "distance": (
            "Decades back, as the notes recall, {a}.",
            "{A}, but time has worn the memory thin.",
        ),
        "negate": (
            "The message that {a} was sent to us in error.",
            "We had been sure that {a}, until it turned out that we were wrong.",
        ),
        "contrast": (
            "For all that {b}, people talk of nothing but that {a}.",
            "{A}, in spite of the fact that {b}.",
        ),
        "replace": ("Everyone had assured us that {b}, when in truth {a}.",),
    },
}

OPERATIONS = {
    "elated": ("excite", "downtone", "negate", "distance"),
    "alarmed": ("negate", "excite", "distance", "downtone"),
    "tense": ("distance", "negate", "excite", "downtone"),
    "content": ("downtone", "deepen", "negate", "distance"),
    "dejected": ("deepen", "negate", "distance", "downtone"),
    "matter of fact": ("distance", "downtone", "negate", "distance"),
}
"""Which operations a region's clauses go through, in turn."""

PARTNERS = {
    "elated": ("dejected", "alarmed"),
    "alarmed": ("content", "elated"),
    "tense": ("content", "dejected", "matter of fact"),
    "content": ("alarmed", "tense"),
    "dejected": ("elated", "content"),
    "matter of fact": ("tense", "matter of fact"),
}
"""With which regions they are contrasted, in turn."""

RULES: dict[str, Callable[[float, float], tuple[float, float]]] = {
    "plain": lambda v, a: (v, a),
    "excite": lambda v, a: (5 + 1.2 * (v - 5), a + 1),
    "deepen": lambda v, a: (5 + 1.3 * (v - 5), a + 0.5),
    "downtone": lambda v, a: (5 + 0.5 * (v - 5), 2.5 + 0.6 * (a - 2.5)),
    "distance": lambda v, a: (5 + 0.7 * (v - 5), 2.5 + 0.5 * (a - 2.5)),
    "negate": lambda v, a: (5 - 0.4 * (v - 5), 3.5 + 0.4 * (a - 3.5)),
}


def sentences() -> Iterator[Row]:
    """The 480 sentences with valence and arousal from 1 to 9, train before dev before test."""
    for role in SHARES:
        made = _made(role)
        for number, (text, valence, arousal) in enumerate(made, start=1):
            label = (_on_scale(valence), _on_scale(arousal))
            yield Row(f"va-{role}-{number:03d}", role, text, label)


def _made(role: str) -> Iterator[Clause]:
    frames = {name: itertools.cycle(texts) for name, texts in FRAMES[role].items()}
    clauses = {region: listed[SHARES[role]] for region, listed in REGIONS.items()}
    position, pairs = itertools.count(), itertools.count()
    for region, listed in clauses.items():
        for number, clause in enumerate(listed):
            operation = OPERATIONS[region][number % len(OPERATIONS[region])]
            for name in ("plain", operation):
                yield _fill(next(frames[name]), clause[0]), *RULES[name](*clause[1:])
            if next(position) % 3 == 2:
                continue
            partners = [clauses[name] for name in PARTNERS[region]]
            other = partners[number % len(partners)][(number + 1) % len(listed)]
            name, rule = ("replace", _replace) if next(pairs) % 4 == 3 else ("contrast", _contrast)
            yield _fill(next(frames[name]), clause[0], other[0]), *rule(clause, other)


def _contrast(main: Clause, other: Clause) -> tuple[float, float]:
    low, high = sorted((main[2], other[2]))
    return 0.7 * main[1] + 0.3 * other[1], 0.35 * low + 0.65 * high


def _replace(main: Clause, other: Clause) -> tuple[float, float]:
    valence, arousal = RULES["negate"](*other[1:])
    return 0.85 * main[1] + 0.15 * valence, 0.85 * main[2] + 0.15 * arousal


def _fill(frame: str, text: str, other: str = "") -> str:
    return frame.format(a=text, A=text[0].upper() + text[1:], b=other)


def _on_scale(value: float) -> float:
    return round(min(max(value, 1.0), 9.0), 2)
