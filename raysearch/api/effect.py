"""Train short trials that differ in one searched setting, and tell the settings that change none.

A trial ends at its first report. Two values of a setting are alike if no number of that report
differs by more than rounding.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from raysearch.api.messages import QUIET, Messages
from raysearch.cores import usable_cores
from raysearch.methods import get_method
from raysearch.run import Cell, Report, RunSpec, Scalar
from raysearch.search.space.effect import Branch, branches, points
from raysearch.search.space.space import SearchSpace
from raysearch.training.hardware import torch_threads
from raysearch.training.progress import Listener, NullListener
from raysearch.training.run import execute_run

__all__ = ["ROUNDING", "without_effect"]

ROUNDING = 1e-3
"""Largest relative difference of numbers that count as alike."""

Numbers = Mapping[str, float]


def without_effect(
    space: SearchSpace, data_dir: str, messages: Messages = QUIET
) -> tuple[str, ...]:
    """Sentences on searched settings whose values make the same short trial.

    Every setting is tried at both ends and in the middle of its range, or at each choice, with the
    other ranges in their middle, under each choice of the space.

    Args:
        space: The search space; its first task and seed 0 are trained.
        data_dir: Folder of the corpora.
        messages: Shows the progress of the trials.

    Raises:
        RaysearchError: No trial of the space could run.
    """
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        trials = _Trials(space, data_dir, Path(folder), messages)
        for branch in branches(space):
            for item in branch.active:
                if branch.where and item.kind == "choice":
                    continue  # two choices at once
                found += _alike(trials, branch, item.name, points(item))
    return tuple(found)


def _alike(trials: _Trials, branch: Branch, name: str, values: tuple[Scalar, ...]) -> Iterator[str]:
    """Sentences on neighbouring values of a setting that make the same trial."""
    place = "".join(f" where `{other}` is {value}" for other, value in branch.where.items())
    numbers = [trials.numbers({**branch.params, name: value}) for value in values]
    for index in range(len(values) - 1):
        if (numbers[index] is None) != (numbers[index + 1] is None):
            continue  # one of them fails, which is an effect
        moved = _moved(numbers[index] or {}, numbers[index + 1] or {})
        ends = f"`{name}` {_said(values[index])} and {_said(values[index + 1])}"
        if not moved:
            yield f"{ends} make the same trial{place}: no number differs by more than rounding"
        elif not any(metric.startswith("dev/") for metric in moved):
            shown = ", ".join(moved[:4]) + (", …" if len(moved) > 4 else "")
            yield f"{ends} change no score on dev{place}, only {shown}"


def _moved(one: Numbers, other: Numbers) -> list[str]:
    return [
        name
        for name in one.keys() | other.keys()
        if name not in one
        or name not in other
        or not math.isclose(one[name], other[name], rel_tol=ROUNDING, abs_tol=1e-12)
    ]


def _said(value: Scalar) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass
class _First(NullListener):
    """Ends a trial at its first report, and shows its progress to another listener."""

    shown: Listener
    found: Report | None = None

    def progress(self, step: int, total: int) -> None:
        self.shown.progress(step, total)

    def report(self, report: Report) -> None:
        self.found = self.found or report

    def stopped(self) -> bool:
        return self.found is not None


class _Trials:
    """The first report of trials of a space, each trained once, with shared stages.

    Args:
        space: The space.
        data_dir: Folder of the corpora.
        folder: An empty folder, for stages and checkpoints.
        messages: Shows the progress.
    """

    def __init__(self, space: SearchSpace, data_dir: str, folder: Path, messages: Messages) -> None:
        self._space, self._data_dir = space, data_dir
        self._folder, self._messages = folder, messages
        self._known: dict[tuple[tuple[str, Scalar], ...], Numbers | None] = {}

    def numbers(self, params: Mapping[str, Scalar]) -> Numbers | None:
        """Metrics of the first report; None where the trial fails before it."""
        key = tuple(sorted(params.items()))
        if key not in self._known:
            self._known[key] = self._trained(params)
        return self._known[key]

    def _trained(self, params: Mapping[str, Scalar]) -> Numbers | None:
        number, space = len(self._known), self._space
        task = get_method(space.method).tasks(space.read(params))[0]
        spec = RunSpec(
            sweep="check",
            number=number,
            cell=Cell(task, 0),
            method=space.method,
            config=space.config_for(params),
            folder=str(self._folder / "runs" / str(number)),
        )
        threads = min(torch.get_num_threads(), usable_cores())
        with torch_threads(threads), self._messages.training(f"trial {number}") as shown:
            first = _First(shown)
            execute_run(spec, first, data_dir=self._data_dir, stages=str(self._folder / "stages"))
        return None if first.found is None else first.found.metrics
