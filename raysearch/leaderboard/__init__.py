"""Rows of finished trials in Parquet, and their ranking.

`Store` writes and reads a sweep's rows, `rank` orders its configurations. Nothing here needs
torch or Ray.

The function `raysearch.leaderboard` (`raysearch.api`) has this package's name. Python binds that
name to the package as soon as it is imported, so the package itself can be called.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from raysearch.leaderboard.card import Mode, SweepCard
from raysearch.leaderboard.keys import Summary, encoder_name, rows_with, summarize
from raysearch.leaderboard.rank import Ranked, Ranking, RankStatus, rank, varying
from raysearch.leaderboard.store import Store, find_stores, load_card, load_goal
from raysearch.leaderboard.tasks import rank_tasks, same_settings

__all__ = [
    "Mode",
    "RankStatus",
    "Ranked",
    "Ranking",
    "Store",
    "Summary",
    "SweepCard",
    "encoder_name",
    "find_stores",
    "load_card",
    "load_goal",
    "rank",
    "rank_tasks",
    "rows_with",
    "same_settings",
    "summarize",
    "varying",
]


class _Callable(ModuleType):
    """A package that can be called like the function of its name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """See `raysearch.api.leaderboard`."""
        return import_module("raysearch.api").leaderboard(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
