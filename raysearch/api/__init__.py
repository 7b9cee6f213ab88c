"""How are raysearch's parts used from Python: the commands as functions that return values.

Every option of a command is a keyword of the same name, is checked by the same code and has
the same default, so `raysearch sweep carl --trials 8 --set top_k=0.2` is::

    raysearch.sweep("carl", trials=8, settings={"top_k": 0.2})

A mistake raises the `RaysearchError` whose text the command would print. ``docs/python.md`` has
a whole session.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Unpack

from raysearch.api.messages import Messages
from raysearch.api.options import setting_text
from raysearch.cli.lasting_output import lasting_output
from raysearch.cli.output import hushed, safe_output
from raysearch.cli.sweep_arguments import Folder, SweepOptions
from raysearch.errors import ConfigError
from raysearch.printable import printable
from raysearch.run import Run

if TYPE_CHECKING:
    import pandas as pd

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
    from raysearch.api.experiment import Experiment
    from raysearch.api.export import Export, export
    from raysearch.api.leaderboard import leaderboard
    from raysearch.api.recover import Recovered, recover
    from raysearch.api.replay import replay
    from raysearch.api.report import ReportPage, report
    from raysearch.api.verify import verify
    from raysearch.summary import SweepSummary

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
    "compare",
    "dashboard",
    "data_check",
    "data_convert",
    "data_fetch",
    "data_list",
    "evaluate",
    "experiment",
    "export",
    "leaderboard",
    "recover",
    "replay",
    "report",
    "sweep",
    "train",
    "verify",
]


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended, or was interrupted.

    Attributes:
        folder: Folder or URI of its rows.
        summary: How it ended, its best configurations, the paper's own.
    """

    folder: str
    summary: SweepSummary

    def leaderboard(self) -> pd.DataFrame:
        """Its configurations, best first; see `leaderboard`."""
        from raysearch.api.leaderboard import leaderboard

        return leaderboard(self.folder)


def sweep(
    method: str, *, settings: Mapping[str, Any] | None = None, **options: Unpack[SweepOptions]
) -> Sweep:
    """Search a method's hyper-parameters; the same call again goes on where it ended.

    Args:
        method: For example ``carl``.
        settings: Settings of the method that are held at a value.
        **options: As in `SweepOptions`; those left out are the search space's.

    Returns:
        The sweep; after Ctrl-C, too, with ``summary.ending == "interrupted"``.

    Raises:
        RaysearchError: It cannot run, and why.

    >>> import raysearch
    >>> raysearch.sweep("carl", trials=0)
    Traceback (most recent call last):
    raysearch.errors.ConfigError: `--trials` must be an integer in [1, 1000000], but got 0
    """
    from raysearch.cli.sweep import search

    if "cluster" in options:
        raise ConfigError("a sweep with `cluster` must be started by the command: it is watched")
    args = _arguments("sweep", method, settings, options)
    with _output(args):
        plan, summary = search(args)
    return Sweep(plan.root, summary)


def train(
    method: str,
    *,
    settings: Mapping[str, Any] | None = None,
    config: Folder | None = None,
    task: str | None = None,
    seed: int | None = None,
    name: str | None = None,
    results: Folder = "results",
    data_dir: Folder | None = None,
    quiet: bool = False,
) -> Run:
    """One trial without a search, in this process; the finished row when it has run before.

    Args:
        method: For example ``carl``.
        settings: Settings of the method.
        config: File of an exported configuration: its settings, task and seed are those of the
            trial where nothing else is said.
        task: Which language pair, for a method over several.
        seed: The trial's seed; None for that of `config`, else 0.
        name: Folder below `results`; None for one named after the settings.
        results: Folder that holds a folder for each sweep.
        data_dir: Folder of the corpora.
        quiet: Whether the progress on standard error is left out.

    Raises:
        TrialError: The trial failed, and why.
        RaysearchError: It cannot run, and why.

    >>> import raysearch
    >>> tiny = {"encoder": "tiny", "epochs": 0.5, "batch_size": 16, "reports": 1}
    >>> trial = raysearch.train("carl", settings=tiny, name="one", quiet=True)
    >>> trial.state.value, trial.config["encoder"], "dev/va_pearson" in trial.metrics
    ('complete', 'tiny', True)
    """
    from raysearch.cli.train import trained

    options = {"task": task, "seed": seed, "name": name, "results": results, "data_dir": data_dir}
    options |= {"config": config, "quiet": quiet}
    args = _arguments("train", method, settings, options)
    with _output(args):
        return trained(args)[0]


def evaluate(
    sweep: Folder,
    *,
    trial: int | str | Sequence[int | str] | None = None,
    task: str | None = None,
    oracle: bool = False,
    metric: str | None = None,
    data_dir: Folder | None = None,
    quiet: bool = False,
) -> pd.DataFrame:
    """Read the test data, once for each selected trial, and record it.

    Args:
        sweep: Folder or URI of a sweep.
        trial: Number, ``best`` or ``all``, or several; None for ``best``, of an oracle ``all``.
        task: Only cells of this corpus or pair.
        oracle: Whether to read target dev, which no selection may see, instead.
        metric: What ``best`` means; None for the sweep's own goal.
        data_dir: Folder of the corpora.
        quiet: Whether the notes on standard error are left out: also those on earlier readings.

    Returns:
        A row for each cell: ``sweep``, ``trial``, ``task``, ``seed``, ``read`` (when),
        ``openings`` (how often the data was opened for it), ``metric/*``.

    Raises:
        RaysearchError: There is no such trial, or it does not give its numbers again.

    >>> import raysearch
    >>> found = raysearch.evaluate("results/one", trial=0, quiet=True)
    >>> found["metric/test/va_pearson"].between(-1, 1).all()
    np.True_
    """
    import pandas as pd

    from raysearch.cli.evaluate import reading_record
    from raysearch.cli.reading import readings

    trials = [trial] if isinstance(trial, int | str) else trial
    options: dict[str, Any] = {"trial": trials, "task": task, "oracle": oracle, "metric": metric}
    options |= {"data_dir": data_dir, "quiet": quiet}
    args = _arguments("evaluate", os.fspath(sweep), None, options)
    with _output(args):
        _, found = readings(args)
    return pd.DataFrame([reading_record(item) for item in found])


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
    with _output(args):
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


def _warn(text: str) -> None:
    warnings.warn(printable(text), stacklevel=2)


@contextlib.contextmanager
def _output(args: argparse.Namespace) -> Iterator[None]:
    """What is written inside is printable, and with ``quiet`` no progress; warnings stay."""
    args.warn = _warn
    args.messages = Messages(note=lambda text: sys.stderr.write(f"{text}\n"), warn=_warn)
    with hushed(args.quiet), lasting_output(), safe_output():
        yield


_LAZY: Mapping[str, str] = {
    "CheckedCorpora": "data",
    "CheckedFile": "check",
    "ConvertedCorpus": "data",
    "Export": "export",
    "ListedCorpora": "data",
    "Recovered": "recover",
    "ReportPage": "report",
    "check": "check",
    "compare": "compare",
    "dashboard": "dashboard",
    "data_check": "data",
    "data_convert": "data",
    "data_fetch": "data",
    "data_list": "data",
    "export": "export",
    "leaderboard": "leaderboard",
    "recover": "recover",
    "replay": "replay",
    "report": "report",
    "verify": "verify",
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
