"""Pairs the rows of a pair's training files into aligned views, and reports repairs.

A row whose views do not agree in number and polarity of aspects keeps only its source sentence,
since the wrong view is unknown (msmo.md §1.5.5). So do sentences without translation, which are
repeated at the end of D_ST.

The files of a pair have different numbers of rows: sentences whose aspects were lost in
translation are missing from the translation and come at the end of D_ST, and a translation may
have an extra row (msmo.md §1.5). Rows are paired by what swapping aspect terms does not change:
the words outside of aspects, searched forward, so that the order is kept. If several rows fit
("Great [food]!", "Great [service]!"), the first whose aspect terms are those of the other
code-switched sentence is taken, or else the first.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from raysearch.corpora.absa.code_switching import terms
from raysearch.corpora.absa.records import AlignedViews, TaggedSentence
from raysearch.corpora.absa.tagged import TaggedFile
from raysearch.corpora.source import Source
from raysearch.errors import DataError
from raysearch.printable import counted

__all__ = [
    "Link",
    "PairReport",
    "RowMap",
    "TrainFiles",
    "align",
    "map_rows",
    "mixed_runs",
    "polarities",
    "scan",
]

Key = tuple[str, ...]

MOST_UNEQUAL = 0.1
"""Fraction of rows that may disagree in their aspects before pairing by row is refused."""


@dataclass(frozen=True, kw_only=True)
class TrainFiles:
    """The training files of a pair; without ``st`` and ``ts``, or with both."""

    s: TaggedFile
    t: TaggedFile
    st: TaggedFile | None = None
    ts: TaggedFile | None = None


class Link(NamedTuple):
    """Rows that belong together, each from 0.

    Attributes:
        s: Row of the source file.
        t: Row of the translation.
        switched: Row of both code-switched files; -1 if there are none.
    """

    s: int
    t: int
    switched: int


@dataclass(frozen=True, kw_only=True)
class RowMap:
    """The rows of a pair.

    Attributes:
        links: In order of the source row.
        extra: Rows of the translation without a source sentence, from 0.
        repeated: Rows at the end of D_ST that repeat a source sentence.
    """

    links: tuple[Link, ...]
    extra: tuple[int, ...] = ()
    repeated: int = 0


def map_rows(source: Source, files: TrainFiles) -> RowMap:
    """Pair the rows of a pair's training files.

    With code-switched files by the words outside of aspects; otherwise row by row.

    Raises:
        DataError: A code-switched row has no counterpart, with its line; or, without
            code-switched files, source and translation differ in their numbers of rows, or
            in the aspects of more than `MOST_UNEQUAL` of them.
    """
    if files.st is None or files.ts is None:
        return _row_by_row(source, files.s, files.t)
    return _by_words(source, files, files.st, files.ts)


def _row_by_row(source: Source, s: TaggedFile, t: TaggedFile) -> RowMap:
    if len(s) != len(t):
        raise DataError(
            f"{source.folder / t.path}: a translation without its two code-switched files must "
            f"have a row for each of the {counted(len(s), 'row')} of {s.path}, but has {len(t)} "
            f"(the last begins at line {t.lines[-1]}); add the code-switched files, whose words "
            "tell which rows belong together, or the missing rows"
        )
    unequal = [
        row
        for row, (one, other) in enumerate(zip(s.sentences, t.sentences, strict=True))
        if polarities(one) != polarities(other)
    ]
    marked = sum(1 for sentence in s.sentences if sentence.aspects)
    if len(unequal) > MOST_UNEQUAL * max(marked, 1):
        raise DataError(
            f"{source.folder / t.path}: rows must be translations of the same rows of {s.path}, "
            f"but {len(unequal)} of them differ in number or polarity of aspects, the first at "
            f"line {t.lines[unequal[0]]}; bring the two files into one order"
        )
    return RowMap(links=tuple(Link(row, row, -1) for row in range(len(s))))


def _by_words(source: Source, files: TrainFiles, st: TaggedFile, ts: TaggedFile) -> RowMap:
    paired = len(ts)
    if len(st) < paired:
        raise DataError(
            f"{source.folder / st.path} must have at least the {counted(paired, 'row')} of "
            f"{ts.path}, but has {len(st)} (the last begins at line {st.lines[-1]}); "
            f"{source.cure()}"
        )
    to_s = _found(source, st, files.s, _ends(ts, paired), "source sentence")
    to_t = _found(source, ts, files.t, _ends(st, paired), "translation")
    known = set(files.s.sentences)
    for row in range(paired, len(st)):
        if st.sentences[row] not in known:
            rule = f"a row after the {paired} of {ts.path} must repeat a row of {files.s.path}"
            source.problem(st.path, st.lines[row], rule, _quoted(st.sentences[row]))
    source.finish()
    return RowMap(
        links=tuple(Link(to_s[row], to_t[row], row) for row in range(paired)),
        extra=tuple(sorted(set(range(len(files.t))) - set(to_t))),
        repeated=len(st) - paired,
    )


def _found(
    source: Source, switched: TaggedFile, among: TaggedFile, ends: list[Key], what: str
) -> list[int]:
    """Row of the counterpart of each of the first rows; -1, and a problem, if there is none."""
    keys = [_unmarked(sentence) for sentence in switched.sentences[: len(ends)]]
    entries = [_unmarked(sentence) for sentence in among.sentences]
    rows = scan(keys, entries, ends, _ends(among, len(among)))
    for row, found in enumerate(rows):
        if found < 0:
            rule = f"a row must be a {what} of {among.path} with other aspect terms, in its order"
            got = _quoted(switched.sentences[row])
            source.problem(switched.path, switched.lines[row], rule, got)
    return rows


def scan(
    keys: Sequence[Key],
    among: Sequence[Key],
    wanted: Sequence[Key],
    offered: Sequence[Key],
) -> list[int]:
    """For each key an equal entry after that of the key before it.

    Args:
        keys: What to find, in order.
        among: Where to search.
        wanted: For each key a further property to prefer.
        offered: For each entry its property.

    Returns:
        Increasing indices. If every key can be found: of the entries that leave one for every
        later key the first with the wanted property, or else the first. Otherwise the first
        entry each, and -1 if no entry is left.
    """
    first = _forward(keys, among)
    if -1 in first:
        return first
    latest = [len(among) - 1 - index for index in _forward(keys[::-1], among[::-1])][::-1]
    places = _places(among)
    chosen: list[int] = []
    for key, want, end in zip(keys, wanted, latest, strict=True):
        here = places[key]
        begin = bisect.bisect_right(here, chosen[-1] if chosen else -1)
        fitting = here[begin : bisect.bisect_right(here, end)]
        chosen.append(next((index for index in fitting if offered[index] == want), fitting[0]))
    return chosen


def _forward(keys: Sequence[Key], among: Sequence[Key]) -> list[int]:
    """For each key the first equal entry after that of the key before it, or -1."""
    places = _places(among)
    found = []
    last = -1
    for key in keys:
        here = places.get(key, [])
        begin = bisect.bisect_right(here, last)
        found.append(here[begin] if begin < len(here) else -1)
        last = max(last, found[-1])
    return found


def _places(among: Sequence[Key]) -> dict[Key, list[int]]:
    """Indices of each entry, increasing."""
    places: dict[Key, list[int]] = defaultdict(list)
    for index, entry in enumerate(among):
        places[entry].append(index)
    return places


def _ends(file: TaggedFile, count: int) -> list[Key]:
    """First and last word of every aspect of the first rows, all that D_TS may have."""
    return [
        tuple(word for a in one.aspects for word in (one.words[a.begin], one.words[a.end]))
        for one in file.sentences[:count]
    ]


def polarities(sentence: TaggedSentence) -> tuple[str, ...]:
    """The polarities of its aspects from left to right."""
    return tuple(aspect.polarity for aspect in sentence.aspects)


def _unmarked(sentence: TaggedSentence) -> Key:
    pairs = zip(sentence.words, sentence.tags, strict=True)
    return tuple(word for word, tag in pairs if tag == "O")


def _quoted(sentence: TaggedSentence) -> str:
    text = " ".join(sentence.words)
    return repr(text if len(text) <= 40 else text[:39] + "…")


SHORTENED = 3
"""Length in words from which source aspects lose their inner words in D_TS (msmo.md §1.5.6)."""


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """Report on the training files of a pair.

    Attributes:
        pair: For example ``en-es``.
        rows: Source sentences.
        translated: Rows of the translation file.
        translated_aspects: Aspects in it.
        paired: Rows of the translation with a source sentence and an aspect.
        paired_aspects: Aspects of these.
        usable: Rows with an aspect whose views agree: those of the consistency term.
        usable_aspects: Their aspects, as many in every view.
        extra: First lines of the rows in the translation that were dropped.
        unequal: Lines in the source file of rows whose views disagree.
        repeated: Rows at the end of D_ST that repeat source sentences and were dropped.
        normalised: Rows in BIEOS that were converted, in all files.
        mixed: Aspects of mixed polarity, in all files.
        shortened: Rows of D_TS with only the first and last word of a source aspect.
        shortened_aspects: Number of these aspects.
        in_views: Role of the target (dev, test) to gold sentences that the translation or a
            code-switched view has word for word. They are kept, as in published results.
    """

    pair: str
    rows: int
    translated: int
    translated_aspects: int
    paired: int
    paired_aspects: int
    usable: int
    usable_aspects: int
    extra: tuple[int, ...]
    unequal: tuple[int, ...]
    repeated: int
    normalised: int
    mixed: int
    shortened: int
    shortened_aspects: int
    in_views: Mapping[str, int] = field(default_factory=dict)

    @property
    def alone(self) -> int:
        """Source sentences without translation."""
        return self.rows - self.translated + len(self.extra)

    def notes(self) -> tuple[str, ...]:
        """What was repaired or left out, one sentence each."""
        notes = {
            f"{counted(self.alone, 'source sentence')} without translation": self.alone,
            f"{counted(self.repeated, 'row')} of D_ST dropped, repeating source sentences": (
                self.repeated
            ),
            f"{counted(self.normalised, 'row')} in BIEOS read as runs": self.normalised,
            f"{counted(len(self.extra), 'row')} of the translation dropped, belonging to no source "
            f"sentence (line {_lines(self.extra)})": len(self.extra),
            f"{counted(len(self.unequal), 'row')} used without its other views, which differ in "
            f"number or polarity of aspects (line {_lines(self.unequal)})": len(self.unequal),
            f"{counted(self.mixed, 'aspect')} of mixed polarity": self.mixed,
            f"{counted(self.shortened, 'row')} of D_TS with only first and last word of "
            f"{counted(self.shortened_aspects, 'longer source aspect')}": self.shortened,
        }
        return tuple(sentence for sentence, count in notes.items() if count)


def align(
    pair: str, files: TrainFiles, rows: RowMap
) -> tuple[tuple[AlignedViews, ...], PairReport]:
    """Views of every source sentence, and the report.

    Args:
        pair: For the report.
        files: The files as read.
        rows: The pairing of their rows.
    """
    views = []
    unequal = []
    links = {link.s: link for link in rows.links}
    for row, sentence in enumerate(files.s.sentences):
        view = AlignedViews(row=row, s=sentence)
        if row in links:
            full = _linked(files, links[row])
            if len({polarities(one) for one in _all(full)}) == 1:
                view = full
            else:
                unequal.append(files.s.lines[row])
        views.append(view)
    return tuple(views), _report(pair, files, rows, views, unequal)


def _linked(files: TrainFiles, link: Link) -> AlignedViews:
    st, ts = files.st, files.ts
    return AlignedViews(
        row=link.s,
        s=files.s.sentences[link.s],
        st=st.sentences[link.switched] if st else None,
        ts=ts.sentences[link.switched] if ts else None,
        t=files.t.sentences[link.t],
    )


def _all(view: AlignedViews) -> list[TaggedSentence]:
    return [one for one in (view.s, view.st, view.ts, view.t) if one is not None]


def _report(
    pair: str,
    files: TrainFiles,
    rows: RowMap,
    views: list[AlignedViews],
    unequal: list[int],
) -> PairReport:
    present = [file for file in (files.s, files.st, files.ts, files.t) if file is not None]
    paired = [len(files.t.sentences[link.t].aspects) for link in rows.links]
    usable = [len(view.s.aspects) for view in views if view.t is not None and view.s.aspects]
    short = [count for count in map(_shortened, views) if count]
    return PairReport(
        pair=pair,
        rows=len(files.s),
        translated=len(files.t),
        translated_aspects=sum(len(one.aspects) for one in files.t.sentences),
        paired=sum(1 for count in paired if count),
        paired_aspects=sum(paired),
        usable=len(usable),
        usable_aspects=sum(usable),
        extra=tuple(files.t.lines[row] for row in rows.extra),
        unequal=tuple(unequal),
        repeated=rows.repeated,
        normalised=sum(file.normalised for file in present),
        mixed=sum(mixed_runs(file.sentences) for file in present),
        shortened=len(short),
        shortened_aspects=sum(short),
    )


def _shortened(view: AlignedViews) -> int:
    """Number of source aspects of which D_TS has only the first and last word."""
    if view.ts is None:
        return 0
    pairs = zip(terms(view.s), terms(view.ts), strict=True)
    return sum(len(s) >= SHORTENED and ts == (s[0], s[-1]) for s, ts in pairs)


def mixed_runs(sentences: Iterable[TaggedSentence]) -> int:
    """The number of aspects whose words do not all have one polarity (msmo.md §1.2)."""
    return sum(
        len(set(sentence.tags[aspect.begin : aspect.end + 1])) > 1
        for sentence in sentences
        for aspect in sentence.aspects
    )


def _lines(lines: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, lines[:3]))
    return shown + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
