"""Shows corpora, their checks and downloads, and the report on language pairs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from raysearch.corpora import CheckResult, CorpusInfo
from raysearch.corpora.absa import POLARITIES
from raysearch.corpora.absa.pairs import CorpusReport, LanguageReport
from raysearch.corpora.absa.views import PairReport
from raysearch.corpora.records import ROLES, Removal
from raysearch.corpora.splits import SplitReport
from raysearch.render.terminal import Terminal

__all__ = [
    "checks_table",
    "corpora_table",
    "corpus_card",
    "download_progress",
    "languages_table",
    "pairs_tables",
    "splits_table",
]


def corpora_table(
    corpora: Mapping[str, CorpusInfo], checks: Sequence[CheckResult], folder: Path
) -> Table:
    """Every corpus: whether it is present, its content, its licence.

    Args:
        corpora: The registry.
        checks: The state of every file.
        folder: The data folder.
    """
    table = Table(title=f"data folder: {folder}", title_justify="left", show_lines=False)
    table.add_column("corpus", no_wrap=True)
    table.add_column("here", no_wrap=True)
    table.add_column("task", no_wrap=True)
    table.add_column("what it holds", ratio=2)
    table.add_column("licence", ratio=1)
    for name, info in corpora.items():
        states = {check.state for check in checks if name in check.corpora}
        table.add_row(name, _presence(info, states), info.task, info.title, info.licence)
    return table


def _presence(info: CorpusInfo, states: Collection[str]) -> str:
    if info.origin == "bundled":
        return "bundled"
    if "damaged" in states:
        return "damaged"
    if "missing" in states:
        return "no" if info.origin == "download" else "no (yours)"
    return "yes" if states == {"ok"} else "unpinned"


def corpus_card(info: CorpusInfo, pairs: Sequence[str] = ()) -> str:
    """The registry's facts on one corpus, one per line.

    Args:
        info: The corpus.
        pairs: Its present translated language pairs; for task ``absa``.
    """
    labels = (
        f"labels {', '.join(info.label_names)}, scale {info.scale[0]:g} to {info.scale[1]:g}"
        if info.task != "absa"
        else f"aspects {', '.join(POLARITIES)}; translated pairs here: {', '.join(pairs) or 'none'}"
    )
    lines = [
        f"{info.name}: {info.title}",
        f"  task      {info.task}, {labels}",
        f"  licence   {info.licence}",
        f"  cite      {info.citation}",
    ]
    if info.repository:
        lines.append(f"  source    {info.repository} at {info.commit}")
    for file in info.files:
        lines.append(f"  file      {file.path}  sha256 {file.sha256 or 'not known'}")
        if info.origin != "own":
            lines.append(f"            {info.url(file)}")
    return "\n".join(lines)


def checks_table(checks: Sequence[CheckResult], folder: Path) -> Table:
    """Every file and whether its digest is the pinned one."""
    table = Table(title=f"data folder: {folder}", title_justify="left")
    for column in ("file", "corpora", "state"):
        table.add_column(column)
    table.add_column("SHA-256 found", overflow="fold")
    for check in checks:
        found = check.found or ""
        digest = found if check.state in ("damaged", "unpinned") else found[:12]
        table.add_row(check.path, ", ".join(check.corpora), check.state, digest)
    return table


@contextmanager
def download_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar per file on standard error; yields the function that updates it."""
    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console) as bars:
        tasks: dict[str, object] = {}

        def move(path: str, done: int, total: int | None) -> None:
            if path not in tasks:
                tasks[path] = bars.add_task(path)
            bars.update(tasks[path], completed=done, total=total)  # type: ignore[arg-type]

        yield move


def splits_table(reports: Sequence[SplitReport]) -> Table:
    """The splits of corpora of sentences, what was left out of them, and what they share.

    Args:
        reports: The corpora.
    """
    table = Table(
        title="labelled sentences",
        title_justify="left",
        caption="left out: rows whose text is in a later split, and those that a loader does not "
        "use. same words: rows of dev, test that differ from one of train in punctuation only "
        "(kept, as the corpus's split has them).",
        caption_justify="left",
    )
    table.add_column("corpus", no_wrap=True)
    for role in ROLES:
        table.add_column(role, justify="right", no_wrap=True)
    table.add_column("left out")
    table.add_column("same words", justify="right")
    for report in reports:
        removed = ", ".join(_removal(one) for one in report.removed)
        same = f"{report.same_words['dev']}, {report.same_words['test']}"
        table.add_row(
            report.name, *(str(report.rows[role]) for role in ROLES), removed or "–", same
        )
    return table


def _removal(one: Removal) -> str:
    return (
        f"{one.rows} {one.reason}" if one.role == "all" else f"{one.role} {one.rows} {one.reason}"
    )


PER_TABLE = 4
"""Pairs that one table shows side by side."""


def languages_table(report: CorpusReport) -> Table:
    """The gold files of every language: sentences/aspects, and duplicates.

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
    """The training files of every translated pair: what is used, repaired and left out.

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
    """A count, and the line of the first."""
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
"""Columns of the report on a pair."""
