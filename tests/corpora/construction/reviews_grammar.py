"""How does a sentence pattern become tagged words: articles, agreement, case.

In a pattern, with ``1`` for the first noun and its adjective: ``[1]`` noun with article,
``[1a]`` the same as an object (Russian accusative), ``[1t]`` with "their", ``[1b]`` bare;
``{1}`` adjective, ``{1i}`` Russian instrumental, ``{1x}`` Dutch adjective before a bare noun;
``{be1}`` and ``{is1}`` past and present of *to be*; ``<1:a/b>`` singular or plural, ``<1:a/b/c/d>``
masculine, feminine, masculine (Russian: neuter) plural, feminine plural (Russian: plural);
``{name}`` a text of the filling. Words and punctuation are separated by spaces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from corpora.construction.reviews_nouns import CATEGORIES, LANGUAGES, Noun, Word
from corpora.construction.reviews_opinions import FOOD, Opinion

__all__ = ["Frame", "Line", "Part", "Place", "read_frames", "render"]


_GROUPS = {
    "food": FOOD,
    "solid": FOOD - {"drink"},
    "things": frozenset(CATEGORIES) - {"price", "people"},
    "other": frozenset({"people", "service", "place", "mood", "price"}),
}


class Place(NamedTuple):
    """What may fill a place: the wanted polarity or relation, and the classes of its noun."""

    want: str
    kinds: frozenset[str]


class Frame(NamedTuple):
    """A sentence pattern: role, places, patterns by language."""

    role: str
    places: tuple[Place, ...]
    patterns: tuple[str, ...]


class Part(NamedTuple):
    """What fills one place of a pattern.

    Attributes:
        noun: Its noun.
        opinion: Its adjective; None where the pattern itself judges or nothing does.
        polarity: POS, NEG or NEU: the noun is an aspect of this polarity. O: it is none.
    """

    noun: Noun
    opinion: Opinion | None
    polarity: str


class Line(NamedTuple):
    """A word with its tag and the index of the aspect it belongs to, -1 outside aspects."""

    word: str
    tag: str
    part: int


FORMS = {
    "en": ("s", "p"),
    "es": ("m", "f", "mp", "fp"),
    "fr": ("m", "f", "mp", "fp"),
    "nl": ("c", "n", "p"),
    "ru": ("m", "f", "n", "p"),
}
PLURAL = ("p", "mp", "fp")
BE = {
    "en": "was/were",
    "fr": "était/étaient",
    "nl": "was/waren",
    "ru": "был/была/было/были",
    "es estar": "estaba/estaban",
    "es ser": "era/eran",
    "es people": "fue/fueron",
}
IS = {
    "en": "is/are",
    "fr": "est/sont",
    "nl": "is/zijn",
    "ru": "/",
    "es estar": "está/están",
    "es ser": "es/son",
    "es people": "es/son",
}
THEIR = {"en": "their/their", "es": "su/sus", "fr": "leur/leurs", "nl": "hun/hun", "ru": "их/их"}
ENDINGS = {
    "hard": {"nominative": "ый/ая/ое/ые", "instrumental": "ым/ой/ым/ыми"},
    "velar": {"nominative": "ий/ая/ое/ие", "instrumental": "им/ой/им/ими"},
    "hushing": {"nominative": "ий/ая/ее/ие", "instrumental": "им/ей/им/ими"},
    "soft": {"nominative": "ий/яя/ее/ие", "instrumental": "им/ей/им/ими"},
}
"""Russian adjectives by the end of the stem: hard; к, г, х; ж, ч, ш, щ; soft (средний)."""

PIECE = re.compile(r"\[(\d)(\w?)\]|\{(\d)(\w?)\}|\{(be|is)(\d)\}|<(\d):([^>]*)>|\{(\w+)\}|(\S+)")


def _place(text: str) -> Place:
    want, _, names = text.partition(":")
    kinds: set[str] = set()
    for name in names.split(",") if names else CATEGORIES:
        kinds |= _GROUPS.get(name, frozenset({name}))
    return Place(want, frozenset(kinds))


def read_frames(text: str) -> tuple[Frame, ...]:
    """The patterns of a text of blocks as the module describes it."""
    frames = []
    for block in text.strip().split("\n\n"):
        head, *patterns = block.split("\n")
        role, *places = head.split()
        frames.append(Frame(role, tuple(_place(place) for place in places), tuple(patterns)))
    return tuple(frames)


def render(
    pattern: str, language: str, parts: Sequence[Part], filling: Mapping[str, str]
) -> list[Line]:
    """The words of a pattern, the first one with a capital letter."""
    lines: list[Line] = []
    for match in PIECE.finditer(pattern):
        noun, case, adjective, kind, verb, of, one, options, name, word = match.groups()
        if noun:
            lines += _phrase(parts[int(noun) - 1], int(noun) - 1, language, case)
            continue
        if adjective:
            text = _adjective(parts[int(adjective) - 1], language, kind)
        elif verb:
            text = _copula(parts[int(of) - 1], language, verb)
        elif one:
            text = _agree(options, _word(parts[int(one) - 1], language), language)
        else:
            text = filling[name] if name else word
        lines += [Line(part, "O", -1) for part in text.split()]
    first = lines[0].word
    return [lines[0]._replace(word=first[0].upper() + first[1:]), *lines[1:]]


def _word(part: Part, language: str) -> Word:
    return part.noun.words[LANGUAGES.index(language)]


def _agree(options: str, word: Word, language: str) -> str:
    found = options.split("/")
    if len(found) == 2:
        return found[word.form in PLURAL]
    return found[FORMS[language].index(word.form)]


def _phrase(part: Part, index: int, language: str, case: str) -> list[Line]:
    word = _word(part, language)
    article = "" if case == "b" else word.article
    if case == "t":
        article = _agree(THEIR[language], word, language)
    tag = "O" if part.polarity == "O" else f"T-{part.polarity}"
    of = -1 if part.polarity == "O" else index
    noun = word.accusative if case == "a" else word.noun
    lines = [Line(article, "O", -1)] if article else []
    return [*lines, *(Line(piece, tag, of) for piece in noun.split())]


def _adjective(part: Part, language: str, kind: str) -> str:
    opinion = _opinion(part)
    text = opinion.words[LANGUAGES.index(language)]
    word = _word(part, language)
    if language == "en":
        return text
    if language == "nl":
        base, _, inflected = text.partition("/")
        return inflected if kind == "x" and word.form != "n" else base
    stem, _, endings = text.partition(":")[2 if ":" in text else 0].partition("+")
    if language == "ru":
        case = "instrumental" if kind == "i" else "nominative"
        endings = ENDINGS[_declension(stem, endings)][case]
    return stem + _agree(endings, word, language)


def _declension(stem: str, ending: str) -> str:
    if stem[-1] in "кгх":
        return "velar"
    if stem[-1] in "жчшщ":
        return "hushing"
    return "hard" if ending == "ый" else "soft"


def _copula(part: Part, language: str, verb: str) -> str:
    table = BE if verb == "be" else IS
    if language != "es":
        return _agree(table[language], _word(part, language), language)
    text = part.opinion.words[LANGUAGES.index("es")] if part.opinion is not None else ""
    asked = text.partition(":")[0] if ":" in text else ""
    kind = asked or ("estar" if part.noun.kind in FOOD else "ser")
    if kind == "ser" and part.noun.kind in ("people", "service"):
        kind = "people"
    return _agree(table[f"es {kind}"], _word(part, language), language)


def _opinion(part: Part) -> Opinion:
    if part.opinion is None:
        raise ValueError(f"`{{n}}` needs an adjective, but {part.noun.words[0].noun} has none")
    return part.opinion
