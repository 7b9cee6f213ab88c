"""The HTML report of a sweep: figures, tables, and findings in words with their certainty."""

from __future__ import annotations

from collections.abc import Sequence

from raysearch.findings.sweep import SweepFindings
from raysearch.leaderboard.keys import summarize
from raysearch.printable import counted
from raysearch.render.format import duration
from raysearch.render.report.best import best_section, selection_section, trials_section
from raysearch.render.report.figure import Section, listed
from raysearch.render.report.health import endings_section, health_section
from raysearch.render.report.learning import learning_section
from raysearch.render.report.origin import origin_section
from raysearch.render.report.overview import fronts_section, parallel_section
from raysearch.render.report.page import SweepPart, assemble
from raysearch.render.report.progress import progress_section, timeline_section
from raysearch.render.report.slices import correlations, slices_section
from raysearch.render.report.sweep import SweepRecord, SweepView, view_of
from raysearch.render.report.weights import importance_section

__all__ = ["SweepRecord", "SweepView", "make_report", "view_of"]


def make_report(sweeps: Sequence[tuple[SweepView, SweepFindings]]) -> str:
    """The page of some sweeps, each with at least one row, and their findings."""
    parts = [
        SweepPart(
            title=view.name,
            origin=_origin(view),
            sections=_sections(view, found),
            problems=view.record.problems,
        )
        for view, found in sweeps
    ]
    names = listed([view.name for view, _ in sweeps], 3)
    return assemble(f"raysearch report: {names}", parts)


def _sections(view: SweepView, found: SweepFindings) -> list[Section]:
    """Sections in order of interest: the best, its certainty, the reasons, and failures."""
    return [
        best_section(view),
        progress_section(view, found.histories),
        learning_section(view),
        importance_section(view, found),
        slices_section(view, correlations(view)),
        parallel_section(view),
        fronts_section(view),
        selection_section(view),
        endings_section(view),
        health_section(view),
        timeline_section(found.spans),
        trials_section(view),
        origin_section(view),
    ]


def _origin(view: SweepView) -> str:
    summary = summarize(view.record.table)
    better = "higher" if view.higher else "lower"
    sampler = f", proposed by {view.card.sampler}" if view.card.sampler else ""
    pruner = (
        f", stopped early by {view.card.pruner}" if view.card.pruner not in ("", "none") else ""
    )
    encoders = listed(summary.encoders) or "an encoder that is not recorded"
    return (
        f"{view.method} on {listed(summary.tasks)} with {encoders}. "
        f"{counted(summary.configurations, 'trial')}{sampler}{pruner}; "
        f"{counted(summary.rows, 'row')} (a row is a trial on one cell: pair × seed); "
        f"{duration(summary.seconds)} of training. Ranked by {view.metric}, {better} is better."
    )
