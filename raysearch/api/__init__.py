"""The commands as functions that return values: how raysearch is used from Python.

Every option of a command is a keyword of the same name, is checked by the same code and has
the same default, so `raysearch sweep carl --trials 8 --set top_k=0.2` is::

    raysearch.sweep("carl", trials=8, settings={"top_k": 0.2})

A mistake raises the `RaysearchError` whose text the command would print. ``docs/python.md`` has
a whole session.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from raysearch.api.options import SweepOptions
from raysearch.cluster.ray_version import check_ray

if TYPE_CHECKING:
    from raysearch.api.answer import Experiment, experiments
    from raysearch.api.compare import compare
    from raysearch.api.data import (
        CheckedCorpora,
        ConvertedCorpus,
        ListedCorpora,
        data_check,
        data_convert,
        data_fetch,
        data_list,
    )
    from raysearch.api.evaluate import evaluate, read_trials, reading_record, readings_view
    from raysearch.api.experiment import experiment, run_experiment
    from raysearch.api.export import Export, export
    from raysearch.api.leaderboard import BoardOptions, boards, flat_records, leaderboard
    from raysearch.api.plan import CheckedFile, check, estimate_sweep, plan
    from raysearch.api.remote import check_cluster, latest_job, stop, submit
    from raysearch.api.replay import replay, verify
    from raysearch.api.report import ReportPage, report
    from raysearch.api.slurm import submit_to_slurm
    from raysearch.api.study import Recovered, dashboard, recover
    from raysearch.api.sweep import Sweep, ending_of, search, sweep
    from raysearch.api.train import train, train_trial
    from raysearch.api.watch import watch

__all__ = [
    "BoardOptions", "CheckedCorpora", "CheckedFile", "ConvertedCorpus", "Experiment", "Export",
    "ListedCorpora", "Recovered", "ReportPage", "Sweep", "SweepOptions", "boards", "check",
    "check_cluster", "compare", "dashboard", "data_check", "data_convert", "data_fetch",
    "data_list", "ending_of", "estimate_sweep", "evaluate", "experiment", "experiments", "export",
    "flat_records", "latest_job", "leaderboard", "plan", "read_trials", "reading_record",
    "readings_view", "recover", "replay", "report", "run_experiment", "search", "stop", "submit",
    "submit_to_slurm", "sweep", "train", "train_trial", "verify", "watch",
]  # fmt: skip

_LAZY: Mapping[str, str] = {
    name: module
    for module, names in {
        "answer": "Experiment experiments",
        "compare": "compare",
        "data": "CheckedCorpora ConvertedCorpus ListedCorpora "
        "data_check data_convert data_fetch data_list",
        "evaluate": "evaluate read_trials reading_record readings_view",
        "experiment": "experiment run_experiment",
        "export": "Export export",
        "leaderboard": "BoardOptions boards flat_records leaderboard",
        "plan": "CheckedFile check estimate_sweep plan",
        "remote": "check_cluster latest_job stop submit",
        "replay": "replay verify",
        "report": "ReportPage report",
        "slurm": "submit_to_slurm",
        "study": "Recovered dashboard recover",
        "sweep": "Sweep ending_of search sweep",
        "train": "train train_trial",
        "watch": "watch",
    }.items()
    for name in names.split()
}
"""Public name to its module below this package, which is loaded when the name is first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _module(name: str) -> ModuleType:
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "ray":
            check_ray()  # another version has other modules
        raise


class _Functions(ModuleType):
    """A package whose functions are not hidden by the modules of their names."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Functions
