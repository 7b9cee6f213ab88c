"""How are the sample reviews constructed: 680 parallel sentences about restaurants.

Written for this project in en, es, fr, nl and ru from nouns, adjectives and sentence patterns
(`reviews_nouns`, `reviews_opinions`, `reviews_frames`, `reviews_plain`); no other corpus went into
them. Every sentence exists in all five languages, its k-th aspect being the same in each. 240
are train: gold in English, and as translation (``smt-XX``) and code-switched (``cs_XX-en``,
``cs_en-XX``) for the others, whose gold train files are 240 further sentences: the unlabelled
text. 80 are dev, 120 test. Three in ten hold no aspect, 45 % one, 20 % two, 5 % three.

About a third of the nouns and adjectives of test stand in test alone, as do most of its patterns,
so that a score tells whether more than words was learnt. The files in ``reviews`` are this
construction byte for byte (spec msmo.md §1.3 describes the format).
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from corpora.construction.reviews_frames import FRAMES
from corpora.construction.reviews_grammar import Frame, Line, Part, Place, render
from corpora.construction.reviews_nouns import CATEGORIES, LANGUAGES, NOUNS, Noun
from corpora.construction.reviews_opinions import OPINIONS, Opinion
from corpora.construction.reviews_plain import FILLINGS, PLAIN

__all__ = ["SIZES", "files", "sentences"]

SIZES: dict[str, tuple[int, int, int, int]] = {
    "train": (72, 108, 48, 12),
    "free": (72, 108, 48, 12),
    "dev": (24, 36, 16, 4),
    "test": (36, 54, 24, 6),
}
"""Sentences with none, one, two and three aspects; ``free`` is the unlabelled text."""

SEED = 16
POOLS = {
    "train": ("train",),
    "free": ("train", "dev"),
    "dev": ("train", "dev"),
    "test": ("train", "test"),
}
"""The roles whose nouns and adjectives a split uses."""

PATTERNS = {
    "train": ("all", "train"),
    "free": ("all", "train", "free"),
    "dev": ("all", "dev"),
    "test": ("all", "test"),
}
SHARES = {"POS": 0.45, "NEG": 0.38, "NEU": 0.17}
TURNED = {"POS": "NEG", "NEG": "POS"}
HELD = 0.35
"""How often a split reaches for a noun or adjective that train does not have."""
TRIES = 40

_Any = TypeVar("_Any")
_Entry = TypeVar("_Entry", Noun, Opinion)


class Sentence(NamedTuple):
    """One sentence: its nouns and its words by language."""

    parts: tuple[Part, ...]
    lines: Mapping[str, tuple[Line, ...]]

    @property
    def aspects(self) -> int:
        """How many of its nouns are aspects."""
        return sum(part.polarity != "O" for part in self.parts)


class _Drawer:
    """Draws the sentences of one split; nouns, adjectives and patterns take turns."""

    def __init__(self, role: str, seen: set[tuple[str, str]]) -> None:
        self.role = role
        self.seen = seen
        self.random = random.Random(f"{SEED} {role}")
        self.uses: Counter[object] = Counter()

    def sentences(self) -> list[Sentence]:
        """As many of each kind as `SIZES` says, shuffled."""
        made: list[Sentence] = []
        for aspects, size in enumerate(SIZES[self.role]):
            pool = [frame for frame in FRAMES + PLAIN if self._serves(frame, aspects)]
            for _ in range(size):
                made.append(self._next(pool))
        keyed = [(self.random.random(), number) for number in range(len(made))]
        return [made[number] for _, number in sorted(keyed)]

    def _serves(self, frame: Frame, aspects: int) -> bool:
        places = sum(place.want != "=O" for place in frame.places)
        return frame.role in PATTERNS[self.role] and places == aspects

    def _next(self, pool: list[Frame]) -> Sentence:
        """A new sentence of the least used pattern; a pattern without new ones leaves the pool."""
        while pool:
            frame = self._turn(pool)
            for _ in range(TRIES):
                sentence = self._sentence(frame)
                if sentence is None:
                    continue
                texts = {(code, _text(lines)) for code, lines in sentence.lines.items()}
                if self.seen.isdisjoint(texts):
                    self.seen |= texts
                    self.uses.update([frame, *_entries(sentence.parts)])
                    return sentence
            pool.remove(frame)
        raise ValueError(f"no pattern of {self.role} gives a sentence that is not there yet")

    def _turn(self, entries: Sequence[_Any]) -> _Any:
        """One of the least used, by lot."""
        least = min(self.uses[entry] for entry in entries)
        rest = [entry for entry in entries if self.uses[entry] == least]
        return rest[int(self.random.random() * len(rest))]

    def _sentence(self, frame: Frame) -> Sentence | None:
        parts: list[Part] = []
        for place in frame.places:
            part = self._part(place, parts)
            if part is None:
                return None
            parts.append(part)
        chosen = {}
        for name in dict.fromkeys(filling.name for filling in FILLINGS):
            named = [filling for filling in FILLINGS if filling.name == name]
            own = [filling for filling in named if filling.role == self.role]
            rest = own or [filling for filling in named if filling.role == "train"]
            chosen[name] = rest[int(self.random.random() * len(rest))].texts
        lines = {}
        for number, code in enumerate(LANGUAGES):
            filling = {name: texts[number] for name, texts in chosen.items()}
            lines[code] = tuple(render(frame.patterns[number], code, parts, filling))
        return Sentence(tuple(parts), lines)

    def _part(self, place: Place, earlier: Sequence[Part]) -> Part | None:
        """What fills a place, or None where nothing suits."""
        noun = self._noun(place, earlier)
        if noun is None or place.want.startswith("="):
            return noun and Part(noun, None, place.want[1:])
        before = earlier[-1].polarity if earlier else ""
        if place.want == "echo":
            return Part(noun, earlier[-1].opinion, before)
        if place.want in ("POS", "same"):
            marked = before or "POS"
        else:
            marked = self._due({before} if place.want == "opposite" else set(), place.want)
        said = TURNED[marked] if place.want == "flip" else marked
        opinion = self._held(
            OPINIONS,
            lambda o: (
                o.polarity == said
                and noun.kind in o.kinds
                and all(o != part.opinion for part in earlier)
                and (o.attributive or place.want not in ("attr", "flip"))
                and (o.deny or place.want != "flip" or said == "POS")
            ),
        )
        return opinion and Part(noun, opinion, marked)

    def _noun(self, place: Place, earlier: Sequence[Part]) -> Noun | None:
        kinds = {earlier[-1].noun.kind} if place.want == "echo" else place.kinds
        ordered = [kind for kind in CATEGORIES if kind in kinds]
        kind = ordered[int(self.random.random() * len(ordered))]
        return self._held(
            NOUNS,
            lambda n: (
                n.kind == kind
                and all(n != part.noun for part in earlier)
                # An adjective after a long Spanish or French noun seems to belong to its end.
                and (place.want != "attr" or max(len(w.noun.split()) for w in n.words) <= 3)
            ),
        )

    def _held(self, table: Sequence[_Entry], suits: Callable[[_Entry], bool]) -> _Entry | None:
        """A suiting entry, now and then one that train does not have."""
        lot = self.random.random() < HELD
        by_role = [
            [entry for entry in table if entry.role == role and suits(entry)]
            for role in POOLS[self.role]
        ]
        pools = [pool for pool in by_role if pool]
        return self._turn(pools[-1] if lot else pools[0]) if pools else None

    def _due(self, without: set[str], want: str) -> str:
        """The polarity that lags most behind its share."""
        names = SHARES if want not in ("strong", "flip") else TURNED
        return min(
            (name for name in names if name not in without),
            key=lambda name: self.uses[name] / SHARES[name],
        )


def _entries(parts: Sequence[Part]) -> list[object]:
    """What a sentence used, a polarity among it for each aspect."""
    return [entry for part in parts for entry in part if entry is not None]


def _text(lines: Sequence[Line]) -> str:
    return " ".join(line.word for line in lines).casefold()


@functools.cache
def sentences() -> Mapping[str, tuple[Sentence, ...]]:
    """The sentences by split, ``train``, ``free``, ``dev``, ``test``; none occurs twice."""
    seen: set[tuple[str, str]] = set()
    return {role: tuple(_Drawer(role, seen).sentences()) for role in SIZES}


def files() -> dict[str, str]:
    r"""Name of a file to its text; lines end in ``\n``, an empty line after each sentence."""
    made = sentences()
    texts = {}
    for code in LANGUAGES:
        train = made["train" if code == "en" else "free"]
        for name, listed in (("train", train), ("dev", made["dev"]), ("test", made["test"])):
            texts[f"gold-{code}-{name}.txt"] = "".join(
                _rows(one.lines[code], one.parts) for one in listed
            )
    for code in LANGUAGES[1:]:
        pairs = [(one.lines["en"], one.lines[code]) for one in made["train"]]
        texts[f"smt-{code}-train.txt"] = "".join(_rows(theirs) for _, theirs in pairs)
        texts[f"cs_en-{code}-train.txt"] = "".join(_rows(_swap(b, a)) for a, b in pairs)
        texts[f"cs_{code}-en-train.txt"] = "".join(_rows(_swap(a, b)) for a, b in pairs)
    return texts


def _rows(lines: Sequence[Line], parts: Sequence[Part] | None = None) -> str:
    rows = []
    for line in lines:
        category = "NONE-CATE"
        if parts is not None:
            category = "NIL" if line.part < 0 else CATEGORIES[parts[line.part].noun.kind]
        rows.append(f"{line.word}\t{line.tag}\t{category}\n")
    return "".join(rows) + "\n"


def _swap(sentence: Sequence[Line], other: Sequence[Line]) -> list[Line]:
    """The sentence with the aspect terms of the other, verbatim."""
    swapped: list[Line] = []
    last = -1
    for line in sentence:
        if line.part < 0:
            swapped.append(line)
        elif line.part != last:
            swapped += [term for term in other if term.part == line.part]
        last = line.part
    return swapped
