"""Writes the report: one page for a browser on what sweeps found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from os import fspath
from pathlib import Path

import pyarrow as pa

from raysearch.analysis.history import best_so_far, spans
from raysearch.analysis.importance import agreement, importances
from raysearch.analysis.selection import regrets
from raysearch.api.leaderboard import left_out, papers_of
from raysearch.api.options import Folder
from raysearch.api.trials import card_of
from raysearch.errors import StoreError
from raysearch.findings.sweep import Regret, SweepFindings
from raysearch.leaderboard import Store, SweepCard, find_stores
from raysearch.leaderboard.openings import readings_of
from raysearch.methods import METHODS, config_type, notes_of
from raysearch.render.report import SweepRecord, SweepView, make_report, view_of
from raysearch.storage.uri import redacted
from raysearch.storage.whole import write_output

__all__ = ["ReportPage", "page_of", "report", "sweep_records"]


@dataclass(frozen=True, kw_only=True)
class ReportPage:
    """A page that was written.

    Attributes:
        path: The file.
        size: Its bytes.
        sweeps: Folders of the sweeps that are on it.
        problems: What could not be read, in sentences; the page says so, too.
    """

    path: Path
    size: int
    sweeps: tuple[str, ...]
    problems: tuple[str, ...] = ()


def report(
    sweeps: Sequence[Folder] = ("results",),
    *,
    output: Folder = Path("report.html"),
    metric: str | None = None,
) -> ReportPage:
    """Write one page on one or several sweeps.

    Args:
        sweeps: Sweeps' folders or URIs, or folders of sweeps.
        output: The page; what is there is replaced.
        metric: Rank by this metric, with ``:min`` where lower is better; None for each sweep's
            own goal.

    Raises:
        StoreError: No sweep has a row that can be read, or the page cannot be written.
    """
    target, folders = Path(output), [fspath(folder) for folder in sweeps]
    _check(target)
    records: list[SweepRecord] = []
    problems: list[str] = []
    for folder in folders:
        found, others = sweep_records(folder, metric)
        records += found
        problems += others
    if not records:
        none = (
            f"`{' '.join(map(redacted, folders))}` must have finished trials, but has none yet; "
            "make the report when the sweep has finished its first"
        )
        raise StoreError("\n".join(problems or [none]))
    page = page_of(records)
    write_output(target, page, "`--output`")
    return ReportPage(
        path=target,
        size=len(page.encode()),
        sweeps=tuple(record.folder for record in records),
        problems=(*problems, *(problem for record in records for problem in record.problems)),
    )


def page_of(records: Sequence[SweepRecord]) -> str:
    """The page of some sweeps, each with at least one row.

    Raises:
        ConfigError: A sweep's rows lack the metric that ranks them.
    """
    views = [view_of(record) for record in records]
    return make_report([(view, _findings(view)) for view in views])


def _findings(view: SweepView) -> SweepFindings:
    table, goal = view.record.table, view.card.goal
    found = {
        contest.name: importances(
            [item.config for item in contest.complete], view.losses(contest.complete), view.ranges
        )
        for contest in view.contests
    }
    alone = [contest.name for contest in view.per_task if found[contest.name].settings]
    return SweepFindings(
        importances=found,
        agreements={(a, b): agreement(found[a], found[b]) for a, b in combinations(alone, 2)},
        histories={
            contest.name: best_so_far(contest.items, table, goal)
            for contest in view.contests
            if contest.complete
        },
        spans=spans(table),
    )


def sweep_records(folder: str, metric: str | None) -> tuple[list[SweepRecord], list[str]]:
    """The readable sweeps in a folder, and why others are left out.

    Those without rows are left out, too.

    Raises:
        StoreError: There is one sweep, it has rows, and none can be read.
    """
    found: list[SweepRecord] = []
    problems: list[str] = []
    stores = find_stores(folder)
    for store in stores:
        with left_out(store, problems, alone=len(stores) == 1):
            contents = store.read()
            if contents.problems and not contents.table.num_rows:
                raise StoreError("\n".join(contents.problems))
            if contents.table.num_rows:
                found.append(_record(store, contents.table, contents.problems, metric))
    return found, problems


def _record(
    store: Store, table: pa.Table, problems: Sequence[str], metric: str | None
) -> SweepRecord:
    card = card_of(store, metric, table)
    role, found = _regrets(store, table, card)
    return SweepRecord(
        folder=redacted(store.folder),
        card=card,
        table=table,
        curves=store.curves(),
        papers=papers_of(table),
        test=readings_of(store.folder).table(),
        regrets=found,
        role=role,
        problems=problems,
        notes=notes_of(str(table.column("method")[0].as_py())),
    )


def _regrets(store: Store, table: pa.Table, card: SweepCard) -> tuple[str, Sequence[Regret]]:
    """The oracle's role and what selection lost; empty for a method without one."""
    method = str(table.column("method")[0].as_py())
    role = config_type(method).ORACLE if method in METHODS else ""
    if not role:
        return "", ()
    readings = readings_of(store.folder, "oracle").table()
    return role, regrets(table, readings, card, role) if readings.num_rows else ()


def _check(output: Path) -> None:
    """Check that the page can be written, before any work."""
    if output.is_dir():
        raise StoreError(f"`--output` must be a file, but {output} is a folder; name a file in it")
    if not output.absolute().parent.is_dir():
        raise StoreError(
            f"`--output` must be in a folder that exists, but {output.parent} does not; make it"
        )
