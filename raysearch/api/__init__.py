"""The commands as functions that return values: how raysearch is used from Python.

Every option of a command is a keyword of the same name, is checked by the same code and has
the same default, so `raysearch sweep carl --trials 8 --set top_k=0.2` is::

    raysearch.sweep("carl", trials=8, settings={"top_k": 0.2})

A mistake raises the `RaysearchError` whose text the command would print. ``docs/python.md`` has
a whole session.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from raysearch.api.messages import shown
from raysearch.api.options import Folder, SweepOptions, setting_text

if TYPE_CHECKING:
    from raysearch.api.check import CheckedFile, check
    from raysearch.api.compare import compare
    from raysearch.api.dashboard import dashboard
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
    from raysearch.api.experiment import Experiment
    from raysearch.api.export import Export, export
    from raysearch.api.leaderboard import leaderboard
    from raysearch.api.plan import plan
    from raysearch.api.recover import Recovered, recover
    from raysearch.api.remote import check_cluster, latest_job, stop, submit
    from raysearch.api.replay import replay
    from raysearch.api.report import ReportPage, report
    from raysearch.api.sweep import Sweep, ending_of, search, sweep
    from raysearch.api.train import train, train_trial
    from raysearch.api.verify import verify
    from raysearch.api.watch import watch

__all__ = [
    "CheckedCorpora",
    "CheckedFile",
    "ConvertedCorpus",
    "Export",
    "ListedCorpora",
    "Recovered",
    "ReportPage",
    "Sweep",
    "SweepOptions",
    "check",
    "check_cluster",
    "compare",
    "dashboard",
    "data_check",
    "data_convert",
    "data_fetch",
    "data_list",
    "ending_of",
    "evaluate",
    "experiment",
    "export",
    "latest_job",
    "leaderboard",
    "plan",
    "read_trials",
    "reading_record",
    "readings_view",
    "recover",
    "replay",
    "report",
    "search",
    "stop",
    "submit",
    "sweep",
    "train",
    "train_trial",
    "verify",
    "watch",
]


def experiment(
    name: str,
    *,
    scale: Literal["small", "paper"] = "small",
    seeds: int | None = None,
    settings: Mapping[str, Any] | None = None,
    slots: int | None = None,
    gpus_per_worker: float | None = None,
    results: Folder = "results",
    data_dir: Folder | None = None,
    quiet: bool = False,
) -> Experiment | None:
    """Answer one of the papers' own questions; the same call again goes on where it ended.

    Args:
        name: For example ``carl-ablation``, or a space file with a section ``study``.
        scale: ``small`` for two CPU cores, ``paper`` for a GPU.
        seeds: Cells of each arm and task; None for the experiment's own.
        settings: Settings of the method that are held at a value.
        slots: Trials at once; None for as many as the CPUs hold.
        gpus_per_worker: Fractions share a GPU.
        results: Folder that holds a folder for each sweep.
        data_dir: Folder of the corpora.
        quiet: Whether the progress is left out.

    Returns:
        The experiment: ``sentences`` say the answer, ``answer.results`` has every arm, ``page`` and
        ``figure`` are what was written; None after Ctrl-C.

    Raises:
        RaysearchError: It cannot run, and why.

    >>> import raysearch
    >>> raysearch.experiment("carl-ablation", seeds=0)
    Traceback (most recent call last):
    raysearch.errors.ConfigError: `--seeds` must be an integer in [1, 10000], but got 0
    """
    from raysearch.cli.experiment import run_experiment

    options: dict[str, Any] = {"scale": scale, "seeds": seeds, "slots": slots, "results": results}
    options |= {"gpus_per_worker": gpus_per_worker, "data_dir": data_dir, "quiet": quiet}
    args = _arguments("experiment", name, settings, options)
    with shown(args.quiet) as messages:
        args.messages, args.warn = messages, messages.warn
        found = run_experiment(args)
    return None if found is None else found[1]


def _arguments(
    command: str,
    first: str,
    settings: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> argparse.Namespace:
    """What the command line would have made of it, checked as it checks.

    Raises:
        ConfigError: An option is unknown or its value cannot be used.
    """
    from raysearch.cli import parser

    words = [command, first]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            several = value if isinstance(value, list | tuple) else [value]
            words += [f"{option}={item}" for item in several]
    for name, value in (settings or {}).items():
        words += ["--set", f"{name}={setting_text(value)}"]
    args = parser().parse_args(words)
    args.words = words
    return args


_LAZY: Mapping[str, str] = {
    "CheckedCorpora": "data",
    "CheckedFile": "check",
    "ConvertedCorpus": "data",
    "Export": "export",
    "ListedCorpora": "data",
    "Recovered": "recover",
    "ReportPage": "report",
    "Sweep": "sweep",
    "check": "check",
    "check_cluster": "remote",
    "compare": "compare",
    "dashboard": "dashboard",
    "data_check": "data",
    "data_convert": "data",
    "data_fetch": "data",
    "data_list": "data",
    "ending_of": "sweep",
    "evaluate": "evaluate",
    "export": "export",
    "latest_job": "remote",
    "leaderboard": "leaderboard",
    "plan": "plan",
    "read_trials": "evaluate",
    "reading_record": "evaluate",
    "readings_view": "evaluate",
    "recover": "recover",
    "replay": "replay",
    "report": "report",
    "search": "sweep",
    "stop": "remote",
    "submit": "remote",
    "sweep": "sweep",
    "train": "train",
    "train_trial": "train",
    "verify": "verify",
    "watch": "watch",
}
"""Public name to its module below this package, which is loaded when the name is first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Functions(ModuleType):
    """A package whose functions are not hidden by the modules of their names."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Functions
