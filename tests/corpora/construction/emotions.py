"""How is the emotion sample constructed: 240 sentences, 40 of each of six emotions.

120 events written for this project, 20 for each emotion, most of them without the name of an
emotion. Each is told in two of the frames of its split; frames say nothing about the emotion.
Of each emotion the first 12 events are for train, the next 4 for dev and the last 4 for test:
144, 48 and 48 sentences.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from raysearch.corpora.records import Row

__all__ = ["sentences"]

EVENTS: dict[str, tuple[str, ...]] = {
    "anger": (
        "he parked across my drive again and laughed about it",
        "they charged me twice and refused to pay it back",
        "my colleague took all the credit for my work",
        "the neighbours drilled until two in the morning once more",
        "she broke her promise and blamed me for it",
        "someone kicked in the door of my new car",
        "the clerk kept us waiting while he chatted on the phone",
        "they cut down the old oak without asking anybody",
        "he interrupted me every time that I opened my mouth",
        "the airline lost my bag and told me to stop complaining",
        "my brother sold my bicycle behind my back",
        "the minister lied to our faces and smirked",
        "they let the bully go without so much as a warning",
        "he threw my papers on the floor on purpose",
        "the firm sacked her for telling the truth",
        "she called my mother stupid in front of the guests",
        "the driver cut me off and then shook his fist",
        "my flatmate ate my food and denied it again",
        "the bank raised its fees for the third time and shrugged",
        "they mocked the new boy for his accent",
    ),
    "disgust": (
        "there was a hair in the butter and something moved in it",
        "the drain coughed up a grey and slimy mass",
        "he spat on the kitchen floor and wiped it with his sleeve",
        "maggots were crawling out of the bread bin",
        "the toilet had not been cleaned for months",
        "she found a used plaster in her soup",
        "the milk came out of the carton in sour lumps",
        "the whole cellar stank of rotting meat",
        "my hand sank into something warm and sticky under the seat",
        "the cat brought up a half chewed mouse on the rug",
        "he clipped his toenails at the dinner table",
        "a cockroach ran out of the sugar bowl",
        "the towel was stiff with other people's dirt",
        "green mould had grown over the sausages",
        "the bucket was full of old vomit",
        "he licked the knife and put it back into the jam",
        "the pond was thick with dead and bloated fish",
        "I bit into the apple and saw half a worm",
        "the bus seat was smeared with chewed gum and spit",
        "the sink was blocked with greasy hair",
    ),
    "fear": (
        "footsteps came closer and closer behind me in the dark",
        "the rope began to tear while I hung over the gorge",
        "something large was breathing right outside the tent",
        "the doctor looked at the picture and stopped smiling",
        "the wave rose higher than our mast",
        "I could not find my little girl anywhere in the crowd",
        "the floorboards creaked although I was alone in the house",
        "a shark's fin circled our tiny raft",
        "the plane dropped and the masks fell down",
        "the soldiers were searching the house next door",
        "a bear stood up between me and the path",
        "the bridge swayed and one of the planks gave way",
        "the handle of my bedroom door turned slowly at midnight",
        "the snake slid over my foot and I did not dare to move",
        "a voice on the phone knew where my children played",
        "the ground opened a hand's breadth from my boots",
        "the mob was pounding on the gate with iron bars",
        "I lost the path in the fog beside the cliff",
        "the lump under my arm had grown overnight",
        "the water in the cave kept rising to our chins",
    ),
    "joy": (
        "my granddaughter ran into my arms at the station",
        "we had passed every exam and sang all the way home",
        "the first strawberries of the year were ripe and sweet",
        "they told us that it was going to be twins",
        "our little choir won the gold medal",
        "the sun came out and the whole family danced on the lawn",
        "my old friends had come all that way for my birthday",
        "she said yes and we could not stop laughing",
        "the puppy licked my nose and wagged its whole body",
        "we got the keys to our very own house",
        "the children cheered as the snowman put on his hat",
        "our son took his first steps across the carpet",
        "the village celebrated the harvest with music and pies",
        "I held my first printed book in my hands",
        "the fireworks lit up our wedding night",
        "he came home from the sea safe and tanned",
        "our team lifted the cup and the stadium sang",
        "my mother beat the illness and baked us a cake",
        "we slid down the hill again and again shouting with glee",
        "the job that I had always dreamed of was mine",
    ),
    "sadness": (
        "we buried our old dog under the pear tree",
        "her chair at the table has been empty since March",
        "my best friend moved away and stopped writing",
        "he folded the clothes of his late wife for the last time",
        "the nursing home rang to say that she had slipped away",
        "I found the ring that he never had the time to give me",
        "the children waited at the window for a father who never came",
        "our orchard was felled and only stumps are left",
        "she wept quietly over the old photographs",
        "they closed the school where I had spent my best years",
        "the baby's room stayed empty after all",
        "nobody remembered his name at the reunion",
        "the letter came back with the word deceased on it",
        "my grandfather cried as he sold the last cow",
        "the divorce papers lay on the table beside our wedding picture",
        "the little bird in the shoe box died before dawn",
        "I said goodbye to my sister at the border for good",
        "he plays the song that she used to sing and turns away",
        "the bench where we used to meet is gone and so is she",
        "the last speaker of the language spoke only to her cat",
    ),
    "surprise": (
        "the statue in the park sneezed and walked away",
        "the quiet boy from the back row turned out to be a champion",
        "I opened the cupboard and out stepped my cousin from Peru",
        "the old lamp from the attic was worth a fortune",
        "it snowed in the middle of July",
        "the letter had taken forty years to reach us",
        "a peacock was sitting on the bonnet of my car",
        "the mayor arrived at the meeting on a unicycle",
        "my twin, of whom nobody had ever told me, rang the bell",
        "the egg that I cracked held three yolks",
        "the stranger knew my name and my favourite song",
        "the whole street had been painted pink overnight",
        "our cat came out of the washing basket with six kittens",
        "the shy librarian won the wrestling match",
        "the number on the ticket was the very one that I had dreamt",
        "a trapdoor opened under the carpet of our new flat",
        "the tortoise had crossed the river on its own",
        "my teacher pulled off his wig and was somebody else",
        "out of nowhere a piano stood on the empty beach",
        "the phone in the museum rang and it was for me",
    ),
}
SHARES = {"train": slice(0, 12), "dev": slice(12, 16), "test": slice(16, 20)}
FRAMES = {
    "train": ("{A}.", "Last week {a}.", "She wrote to me that {a}.", "Just imagine: {a}."),
    "dev": ("{A}.", "As I told you on Monday, {a}."),
    "test": ("{A}.", "Then, a little before noon, {a}."),
}


def sentences() -> Iterator[Row]:
    """The 240 sentences; the label is the emotion's place in alphabetical order."""
    for role, share in SHARES.items():
        number = itertools.count(1)
        for label, emotion in enumerate(sorted(EVENTS)):
            frames = itertools.cycle(FRAMES[role])
            for event in EVENTS[emotion][share]:
                for frame in itertools.islice(frames, 2):
                    text = frame.format(a=event, A=event[0].upper() + event[1:])
                    yield Row(f"emotion-{role}-{next(number):03d}", role, text, label)
