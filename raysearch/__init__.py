"""raysearch: hyper-parameter search for MSMO and CARL whose numbers can be believed.

One way for a trial: a search space (`search_spaces/*.yaml`) is sampled by the study
(`search`), runs on a slot (`cluster`), is trained by the one loop (`training`) that performs
the updates of a method (`methods`), and ends as a frozen `Trial` (`trial`) in the Parquet
leaderboard (`leaderboard`), which the terminal shows (`render`). `cli` composes the parts.

`sweep`, `train`, `leaderboard` and `evaluate` are the commands as functions (`raysearch.api`); they
are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raysearch.account import complete_account
from raysearch.version import __version__

if TYPE_CHECKING:
    from raysearch.api.evaluate import evaluate
    from raysearch.api.experiment import experiment
    from raysearch.api.leaderboard import leaderboard
    from raysearch.api.sweep import Sweep, sweep
    from raysearch.api.train import train

__all__ = ["Sweep", "__version__", "evaluate", "experiment", "leaderboard", "sweep", "train"]

complete_account()


def __getattr__(name: str) -> Any:
    """The functions of `raysearch.api`; the package `leaderboard` can be called as its own."""
    if name == "leaderboard":
        return import_module("raysearch.leaderboard")
    if name in __all__:
        return getattr(import_module("raysearch.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
