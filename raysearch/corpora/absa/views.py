"""How do the training files of a pair become aligned views, and what was mended on the way.

A row whose views do not agree in number and polarity of aspects keeps its source sentence
alone: which of its views is wrong cannot be told (msmo.md §1.5.5). Sentences without
translation, which stand once more at the end of D_ST, are source sentences alone too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from raysearch.corpora.absa.code_switching import terms
from raysearch.corpora.absa.records import AlignedViews, TaggedSentence
from raysearch.corpora.absa.rowmap import Link, RowMap, TrainFiles, polarities

__all__ = ["PairReport", "align", "mixed_runs"]

SHORTENED = 3
"""Source aspects of this many words and more lose their inner words in D_TS (msmo.md §1.5.6)."""


@dataclass(frozen=True, kw_only=True)
class PairReport:
    """What was found in the training files of a pair.

    Attributes:
        pair: For example ``en-es``.
        rows: Source sentences.
        translated: Rows of the translation file.
        translated_aspects: Aspects in it.
        paired: Rows of the translation that belong to a source sentence and have an aspect.
        paired_aspects: Aspects of these.
        usable: Rows with an aspect whose views agree: those of the consistency term.
        usable_aspects: Their aspects, which are as many in every view.
        extra: Lines in the translation where rows begin that were dropped.
        unequal: Lines in the source file of rows whose views disagree.
        repeated: Rows at the end of D_ST that repeat source sentences and were dropped.
        normalised: Rows in BIEOS that were read as the other tags, in all files.
        mixed: Aspects of mixed polarity, in all files.
        shortened: Rows of D_TS that hold only first and last word of a source aspect.
        shortened_aspects: Aspects of which this is true.
        in_views: Role of the target (dev, test) to sentences of its gold that the translation or
            a code-switched view has word for word. They are kept, as published results have them.
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
        """What was mended or left out, one sentence each."""
        counted = {
            f"{_many(self.alone, 'source sentence')} without translation": self.alone,
            f"{_many(self.repeated, 'row')} of D_ST dropped, repeating source sentences": (
                self.repeated
            ),
            f"{_many(self.normalised, 'row')} in BIEOS read as runs": self.normalised,
            f"{_many(len(self.extra), 'row')} of the translation dropped, belonging to no source "
            f"sentence (line {_lines(self.extra)})": len(self.extra),
            f"{_many(len(self.unequal), 'row')} used without its other views, which differ in "
            f"number or polarity of aspects (line {_lines(self.unequal)})": len(self.unequal),
            f"{_many(self.mixed, 'aspect')} of mixed polarity": self.mixed,
            f"{_many(self.shortened, 'row')} of D_TS with only first and last word of "
            f"{_many(self.shortened_aspects, 'longer source aspect')}": self.shortened,
        }
        return tuple(sentence for sentence, count in counted.items() if count)


def align(
    pair: str, files: TrainFiles, rows: RowMap
) -> tuple[tuple[AlignedViews, ...], PairReport]:
    """Views of every source sentence, and the report.

    Args:
        pair: For the report.
        files: The files as read.
        rows: Which of their rows belong together.
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
    """How many source aspects stand in D_TS with their first and last word alone."""
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


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _lines(lines: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, lines[:3]))
    return shown + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
