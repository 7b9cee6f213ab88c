"""Builds rich renderables and texts from records, for the terminal and for files; prints nothing.

The names that the command line uses are exported here and loaded on first use, so that help opens
at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysearch.render.audit import AuditBoard, replay_record, replay_sentences
    from raysearch.render.comparison import ComparisonBoard
    from raysearch.render.comparison_export import comparison_latex, comparison_record
    from raysearch.render.corpora import (
        checks_table,
        corpora_table,
        corpus_card,
        download_progress,
        languages_table,
        pairs_tables,
        splits_table,
    )
    from raysearch.render.experiment.page import StudyBoard, answer_record
    from raysearch.render.live import LiveView
    from raysearch.render.plan import plan_record, plan_text
    from raysearch.render.progress import TrialProgress
    from raysearch.render.readings import readings_table
    from raysearch.render.table import bare_table
    from raysearch.render.table_export import spreadsheet_cell
    from raysearch.render.terminal import PIPED, Terminal

__all__ = [
    "AuditBoard",
    "ComparisonBoard",
    "LiveView",
    "PIPED",
    "StudyBoard",
    "Terminal",
    "TrialProgress",
    "answer_record",
    "bare_table",
    "checks_table",
    "comparison_latex",
    "comparison_record",
    "corpora_table",
    "corpus_card",
    "download_progress",
    "languages_table",
    "pairs_tables",
    "plan_record",
    "plan_text",
    "readings_table",
    "replay_record",
    "replay_sentences",
    "spreadsheet_cell",
    "splits_table",
]

_LAZY = {
    "AuditBoard": "audit",
    "ComparisonBoard": "comparison",
    "LiveView": "live",
    "PIPED": "terminal",
    "StudyBoard": "experiment.page",
    "Terminal": "terminal",
    "TrialProgress": "progress",
    "answer_record": "experiment.page",
    "bare_table": "table",
    "checks_table": "corpora",
    "comparison_latex": "comparison_export",
    "comparison_record": "comparison_export",
    "corpora_table": "corpora",
    "corpus_card": "corpora",
    "download_progress": "corpora",
    "languages_table": "corpora",
    "pairs_tables": "corpora",
    "plan_record": "plan",
    "plan_text": "plan",
    "readings_table": "readings",
    "replay_record": "audit",
    "replay_sentences": "audit",
    "spreadsheet_cell": "table_export",
    "splits_table": "corpora",
}
"""Exported name to its module."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
