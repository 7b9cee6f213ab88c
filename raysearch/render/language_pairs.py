"""How is the report on a corpus of language pairs shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from raysearch.corpora.absa.pairs import CorpusReport, LanguageReport
from raysearch.corpora.absa.views import PairReport

__all__ = ["languages_table", "pairs_tables"]


PER_TABLE = 4
"""Pairs that one table shows side by side."""


def languages_table(report: CorpusReport) -> Table:
    """The gold files of every language: sentences/aspects, and what stands twice.

    Args:
        report: The corpus.
    """
    table = Table(
        title=f"{report.name}: gold files, sentences/aspects",
        title_justify="left",
        caption="in train: sentences that train has word for word (kept, as published results "
        "do). mixed: aspects of mixed polarity. BIEOS: sentences read from such tags.",
        caption_justify="left",
    )
    table.add_column("lang.")
    for column in ("train", "dev", "test"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("dev in train", "test in train", "mixed", "BIEOS"):
        table.add_column(column, justify="right")
    for one in report.languages:
        sizes = [_size(one, role) for role in ("train", "dev", "test")]
        shared = [_count(one.in_train, role) for role in ("dev", "test")]
        table.add_row(one.language, *sizes, *shared, str(one.mixed), str(one.normalised))
    return table


def pairs_tables(report: CorpusReport) -> list[Table]:
    """The training files of every translated pair: what is used, mended and left out.

    Args:
        report: The corpus.

    Returns:
        A table for every `PER_TABLE` pairs, so that each fits a narrow terminal.
    """
    groups = [
        report.pairs[begin : begin + PER_TABLE] for begin in range(0, len(report.pairs), PER_TABLE)
    ]
    return [_pairs_table(report.name, group) for group in groups]


def _pairs_table(name: str, pairs: Sequence[PairReport]) -> Table:
    table = Table(
        title=f"{name}: translated pairs, rows or rows/aspects",
        title_justify="left",
        show_lines=False,
    )
    table.add_column("")
    for one in pairs:
        table.add_column(one.pair, justify="right", no_wrap=True)
    for what, cell in MEASURES.items():
        table.add_row(what, *[cell(one) for one in pairs])
    return table


def _with_line(lines: Sequence[int]) -> str:
    """How many, and where the first is."""
    return f"{len(lines)}\nline {lines[0]}" if lines else "0"


def _size(one: LanguageReport, role: str) -> str:
    return f"{one.rows[role]}/{one.aspects[role]}" if role in one.rows else "-"


def _count(counts: Mapping[str, int], role: str) -> str:
    return str(counts[role]) if role in counts else "-"


MEASURES: dict[str, Callable[[PairReport], str]] = {
    "translation": lambda one: f"{one.translated}/{one.translated_aspects}",
    "of a source sentence, with aspects": lambda one: f"{one.paired}/{one.paired_aspects}",
    "usable: all views agree": lambda one: f"{one.usable}/{one.usable_aspects}",
    "source without translation": lambda one: str(one.alone),
    "translation without source (dropped)": lambda one: _with_line(one.extra),
    "views differ in aspects (source kept)": lambda one: _with_line(one.unequal),
    "D_ST repeats the source (dropped)": lambda one: str(one.repeated),
    "BIEOS read as runs": lambda one: str(one.normalised),
    "aspects of mixed polarity": lambda one: str(one.mixed),
    "dev of the target in these (kept)": lambda one: _count(one.in_views, "dev"),
    "test of the target in these (kept)": lambda one: _count(one.in_views, "test"),
    "D_TS cut to first and last word": lambda one: f"{one.shortened}/{one.shortened_aspects}",
}
"""What is shown of a pair."""
