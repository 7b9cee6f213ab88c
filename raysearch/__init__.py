"""raysearch: hyper-parameter search for MSMO and CARL whose numbers can be believed.

The path of a run: the study samples a search space (`search_spaces/*.yaml`; `search`), a slot
runs the configuration (`cluster`), the one training loop (`training`) performs the updates of a
method (`methods`), and the result is a frozen `Run` (`run`) in the Parquet leaderboard
(`leaderboard`), which is evaluated (`analysis`) and shown (`render`). `api` has what the commands
do; `cli` asks and prints.

Every command is a function here, but `attach`, which draws on a terminal. The functions are loaded
on first use, so that importing this package costs nothing; the types of what they take and return
are in `raysearch.api`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from raysearch.account import complete_account
from raysearch.version import __version__

if TYPE_CHECKING:
    from raysearch.api import (
        Sweep,
        check,
        compare,
        dashboard,
        data_check,
        data_convert,
        data_fetch,
        data_list,
        evaluate,
        experiment,
        experiments,
        export,
        leaderboard,
        plan,
        recover,
        replay,
        report,
        stop,
        sweep,
        train,
        verify,
    )

__all__ = [
    "Sweep", "__version__", "check", "compare", "dashboard", "data_check", "data_convert",
    "data_fetch", "data_list", "evaluate", "experiment", "experiments", "export", "leaderboard",
    "plan", "recover", "replay", "report", "stop", "sweep", "train", "verify",
]  # fmt: skip

complete_account()


def __getattr__(name: str) -> Any:
    """The functions of `raysearch.api`; the package `leaderboard` is callable itself."""
    if name == "leaderboard":
        return import_module("raysearch.leaderboard")
    if name in __all__:
        return getattr(import_module("raysearch.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
