"""Reads SemEval XML files as sentences with marked aspects.

The schema of 2015 and 2016 (tasks 12 and 5) is ``Reviews/Review/sentences/sentence`` with ``text``
and ``Opinions/Opinion``, each opinion with ``target``, ``category``, ``polarity``, ``from`` and
``to`` (character offsets in the text, ``to`` exclusive); of 2014 (task 4) ``sentences/sentence``
with ``text`` and ``aspectTerms/aspectTerm``, each with ``term``, ``polarity``, ``from`` and ``to``.
The rules:

* A token is a maximal run of letters, marks and digits, or any other single character that is
  neither white space nor a control character. A letter of a script that is written without spaces
  is a token of its own, with its marks. Targets have no say in this: a border that only gold knows
  would tell a tagger where the aspects of test are.
* A target marks every token that it has a part of. Those that begin inside of a token are counted.
* An opinion without target (``NULL``) marks nothing. Opinions on the same span are one aspect.
* A term of 2014 with the polarity ``conflict`` marks nothing, as there is no such tag.
* Several polarities on the same span: the most frequent; of equally frequent ones the first.
* Targets that overlap, or have no token that another has not: the longest is marked; of equally
  long ones the first.
* A target that is not at its offsets but occurs exactly once in the text is marked there.
* Targets that touch are one aspect in word-tag files (`records`), with the first's polarity.

A file with a DOCTYPE is refused: entities can blow up or read other files. So is one in which
nothing is marked, such as those with categories only: it would teach that there are no aspects.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from xml.parsers import expat

from raysearch.corpora.absa.records import TaggedSentence
from raysearch.corpora.source import SHOWN, Source
from raysearch.errors import DataError
from raysearch.printable import counted

__all__ = ["SemevalFile", "read_semeval", "tokens"]

POLARITY = {"positive": "POS", "negative": "NEG", "neutral": "NEU"}
NO_TARGET = "NULL"
CONFLICT = "conflict"
MOST_DIGITS = 18
"""Most digits of an offset: Python refuses to parse thousands."""
SPACELESS = (
    *("CJK ", "IDEOGRAPHIC ", "HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA", "BOPOMOFO "),
    *("THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN "),
)
"""Beginnings of Unicode names of letters whose scripts have no spaces between words."""
TARGETS = {"Opinion": "target", "aspectTerm": "term"}
"""Elements that may mark an aspect, and the attribute with its words."""


@dataclass(frozen=True, kw_only=True)
class SemevalFile:
    """The content of a file.

    Attributes:
        sentences: Its sentences in order; those without a token are left out.
        counts: How often each rule applied: ``blank`` sentences, opinions ``without target``,
            terms in ``conflict``, spans with ``several polarities``, ``overlapping`` targets
            left out, targets ``moved`` to their occurrence, pairs of ``touching`` targets, targets
            that ``begin inside of a token``.
    """

    sentences: tuple[TaggedSentence, ...]
    counts: dict[str, int]


@dataclass
class _Opinion:
    begin: int
    end: int
    polarity: str


@dataclass
class _Sentence:
    """One sentence of the file."""

    line: int
    text: str = ""
    opinions: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read_semeval(source: Source, path: str) -> SemevalFile:
    """Read one file; reports all its problems together.

    Args:
        source: The folder.
        path: The file, relative to it; UTF-8.

    Raises:
        DataError: Missing, not XML, with a DOCTYPE, without sentences or aspects, or with
            opinions that have an invalid polarity or target.
    """
    counts: Counter[str] = Counter()
    sentences = []
    read = _parse(source, path)
    if not read:
        source.problem(path, 1, "a file must have `sentence` elements", "none")
    for sentence in read:
        opinions = _opinions(source, path, sentence, counts)
        tagged = _tagged(sentence.text, _apart(opinions, counts), counts)
        counts["blank"] += tagged is None
        if tagged is not None:
            sentences.append(tagged)
    source.finish()
    if not any(one.aspects for one in sentences):
        rule = "a file must mark aspects (`Opinion` with `target`, or `aspectTerm` with `term`)"
        source.problem(path, read[0].line, rule, _contents(read, counts))
    source.finish()
    return SemevalFile(sentences=tuple(sentences), counts={k: n for k, n in counts.items() if n})


def _parse(source: Source, path: str) -> list[_Sentence]:
    """The sentences as the file has them, with lines."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    found: list[_Sentence] = []
    inside: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        inside.append(name)
        if name == "sentence":
            found.append(_Sentence(parser.CurrentLineNumber))
        elif name in TARGETS and "sentence" in inside:
            found[-1].opinions.append((parser.CurrentLineNumber, name, attributes))
        elif "sentence" in inside:
            found[-1].others.append(name)

    def text(data: str) -> None:
        if inside[-2:] == ["sentence", "text"]:
            found[-1].text += data

    def doctype(*_: object) -> None:
        raise DataError(
            f"`{path}` must have no DOCTYPE, for entities are not read, but got one "
            f"({source.folder / path}:{parser.CurrentLineNumber}); delete it"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: inside.pop()
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(source.text(path).removeprefix("\ufeff"), True)
    except expat.ExpatError as error:
        raise DataError(
            f"`{path}` must be XML, but got: {expat.ErrorString(error.code)} "
            f"({source.folder / path}:{error.lineno})"
        ) from None
    return found


def _contents(read: list[_Sentence], counts: Counter[str]) -> str:
    """Description of a file's content that marks no aspect."""
    others = Counter(name for sentence in read for name in sentence.others if name != "text")
    parts = [f"{counts[rule]} {rule}" for rule in ("without target", CONFLICT) if counts[rule]]
    parts += [f"{count} `{name}`" for name, count in others.most_common(SHOWN)]
    return f"{counted(len(read), 'sentence')} with " + (", ".join(parts) or "`text` alone")


def _opinions(
    source: Source, path: str, sentence: _Sentence, counts: Counter[str]
) -> list[_Opinion]:
    """The opinions with a target, one per span, in order of the file."""
    spans: dict[tuple[int, int], Counter[str]] = {}
    for line, name, attributes in sentence.opinions:
        if name == "aspectTerm" and attributes.get("polarity") == CONFLICT:
            counts[CONFLICT] += 1
            continue
        polarity = POLARITY.get(attributes.get("polarity", ""))
        if polarity is None:
            rule = f"`polarity` must be {', '.join(POLARITY)}"
            source.problem(path, line, rule, repr(attributes.get("polarity")))
        target = attributes.get(TARGETS[name], NO_TARGET if name == "Opinion" else "")
        if target == NO_TARGET:
            counts["without target"] += 1
            continue
        span = _place(sentence.text, target, attributes, counts)
        if span is None:
            rule = f"`{TARGETS[name]}` must stand in the text at `from` to `to`, or exactly once"
            source.problem(path, line, rule, repr(target))
        elif polarity is not None:
            spans.setdefault(span, Counter())[polarity] += 1
    counts["several polarities"] += sum(len(votes) > 1 for votes in spans.values())
    # most_common keeps the order of first appearance among equals
    return [_Opinion(*span, votes.most_common(1)[0][0]) for span, votes in spans.items()]


def _place(
    text: str, target: str, attributes: dict[str, str], counts: Counter[str]
) -> tuple[int, int] | None:
    """Begin and end of the target in the text, or None."""
    if not target.strip():
        return None
    begin, end = attributes.get("from", ""), attributes.get("to", "")
    offsets = begin.isdecimal() and end.isdecimal() and len(begin + end) <= MOST_DIGITS
    if offsets and text[int(begin) : int(end)] == target:
        return int(begin), int(end)
    if text.count(target) != 1:
        return None
    counts["moved"] += 1
    return text.index(target), text.index(target) + len(target)


def _apart(opinions: list[_Opinion], counts: Counter[str]) -> list[_Opinion]:
    """Opinions that do not overlap, from left to right."""
    kept: list[_Opinion] = []
    for one in sorted(opinions, key=lambda opinion: opinion.begin - opinion.end):
        if all(one.end <= other.begin or other.end <= one.begin for other in kept):
            kept.append(one)
        else:
            counts["overlapping"] += 1
    return sorted(kept, key=lambda opinion: opinion.begin)


def _tagged(text: str, opinions: list[_Opinion], counts: Counter[str]) -> TaggedSentence | None:
    """The sentence in tokens; None if it has none."""
    places = _places(text)
    tags = ["O"] * len(places)
    for opinion in opinions:
        own = [at for at, (begin, end) in enumerate(places) if _meets(opinion, begin, end)]
        fresh = [at for at in own if tags[at] == "O"]
        if not fresh:
            counts["overlapping"] += bool(own)
            continue
        counts["begin inside of a token"] += places[own[0]][0] < opinion.begin
        counts["touching"] += fresh[0] > 0 and tags[fresh[0] - 1] != "O"
        for at in fresh:
            tags[at] = f"T-{opinion.polarity}"
    words = tuple(text[begin:end] for begin, end in places)
    return TaggedSentence(words, tuple(tags)) if words else None


def _meets(opinion: _Opinion, begin: int, end: int) -> bool:
    return opinion.begin < end and begin < opinion.end


def tokens(text: str) -> list[str]:
    """The tokens of a text by the rule of this file."""
    return [text[begin:end] for begin, end in _places(text)]


def _places(text: str) -> list[tuple[int, int]]:
    """Begin and end of every token."""
    found: list[tuple[int, int]] = []
    grows = carries = False
    """Whether the last token takes a further letter or digit, and a further mark."""
    for at, character in enumerate(text):
        kind = unicodedata.category(character)[0]
        alone = kind == "L" and unicodedata.name(character, "").startswith(SPACELESS)
        more = (grows or carries) if kind == "M" else kind in "LN" and grows and not alone
        if more:
            found[-1] = (found[-1][0], at + 1)
        elif kind not in "ZC":
            found.append((at, at + 1))
        if kind != "M":
            grows, carries = kind in "LN" and not alone, alone
        elif not more:
            grows = True
    return found
