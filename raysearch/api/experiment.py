"""Runs an experiment: trains its arms, evaluates and measures them, and writes the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysearch import corpora
from raysearch.api.answer import (
    MEASURED,
    Experiment,
    experiment_arms,
    find_experiment,
    kept_measures,
    measure_of,
    read_experiment,
)
from raysearch.api.evaluate import alone, read_trials
from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import (
    EvaluateOptions,
    ExperimentOptions,
    HardwareOptions,
    SweepOptions,
    setting_text,
    with_keywords,
)
from raysearch.api.report import page_of, sweep_records
from raysearch.api.sweep import search
from raysearch.api.train import restored
from raysearch.api.trials import settings_of
from raysearch.config import read_config
from raysearch.errors import ConfigError, RunError
from raysearch.leaderboard import Store
from raysearch.leaderboard.openings import Opening, readings_of
from raysearch.leaderboard.part_file import encode
from raysearch.methods import get_method
from raysearch.printable import counted
from raysearch.run import Run, RunState
from raysearch.search.space.space import SearchSpace
from raysearch.storage import write_files
from raysearch.summary import Ending
from raysearch.training.again import read_as

__all__ = ["SweepRuns", "experiment", "run_experiment", "sweep_options"]

_OF = "raysearch.measure"
"""Key of the file's metadata: the measure, and the rows that it is of."""


@with_keywords(ExperimentOptions)
def experiment(options: ExperimentOptions) -> Experiment | None:
    """Answer one of the papers' own questions; the same call again continues where it ended.

    Takes the keywords of `raysearch.api.options.ExperimentOptions`.

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
    with shown(options.quiet) as messages:
        found = run_experiment(options, messages)
    return None if found is None else found[1]


def run_experiment(
    options: ExperimentOptions, messages: Messages = QUIET, *, command: str = ""
) -> tuple[str, Experiment] | None:
    """Train all arms, evaluate and measure what the answer needs, and write its page.

    Page, figure and the sweep's report are written into the sweep's folder. The same call goes
    on where it ended.

    Args:
        options: Which experiment, and where it runs.
        messages: Where to say what is read and measured.
        command: What makes it again, as the page has it; empty for the experiment by its name.

    Returns:
        The sweep's folder and the experiment; None when it was interrupted.

    Raises:
        ConfigError: There is no such experiment, or it cannot run as asked.
        RunError: It ran out of money before all arms were trained.
    """
    path, space = find_experiment(options.name)
    if options.cluster is not None or options.slurm is not None:
        raise ConfigError(
            "`--cluster` and `--slurm` must be left out of an experiment, which reads test data "
            "where its weights are; run it on the cluster's head with --address auto and --storage"
        )
    plan, summary = search(sweep_options(options, path, space), messages.view(), messages)
    if summary.ending is Ending.INTERRUPTED:
        return None
    if summary.ending is not Ending.DONE:
        raise RunError(
            f"an experiment must have all its arms, but its sweep ended by {summary.ending} with "
            f"{summary.unfinished} of {counted(summary.asked, 'configuration')} open; the same "
            "command with a higher limit continues"
        )
    assert space.question is not None
    wanted = (space.question.goal.name, *space.question.beside)
    if any(name.startswith("test/") for name in wanted):
        _read_test(plan.root, space, options, messages)
    if space.question.measure:
        _measure(plan.root, space, str(corpora.data_dir(options.data_dir)), messages)
    found = read_experiment(plan.root, space, path.stem, small=options.scale == "small")
    found = replace(found, command=command or found.command)
    _write(plan.root, found)
    return plan.root, found


def sweep_options(options: ExperimentOptions, path: Path, space: SearchSpace) -> SweepOptions:
    """The options of the experiment's sweep; the scale's settings come before the user's."""
    assert space.question is not None
    settings, seeds, name = dict(options.settings or {}), options.seeds, path.stem
    if options.scale == "paper":
        own = {key: setting_text(value) for key, value in space.question.paper.items()}
        settings = {**own, **settings}
        seeds = space.question.paper_seeds if seeds is None else seeds
        name = f"{name}-paper"
    hardware = {**options.of(HardwareOptions), "settings": settings}
    return SweepOptions(
        space.method, space=str(path), name=name, keep="all", seeds=seeds, **hardware
    )


def _read_test(
    folder: str, space: SearchSpace, options: ExperimentOptions, messages: Messages
) -> None:
    """Evaluate test for every complete cell of the arms that has no evaluation."""
    arms = experiment_arms(Store(folder).trials(), space)
    complete = {trial.key: trial.number for arm in arms for trial in arm.cells.values()}
    if complete.keys() - readings_of(folder).keys():
        numbers = sorted(set(complete.values()))
        read_trials(EvaluateOptions(folder, trial=numbers, data_dir=options.data_dir), messages)


def _write(folder: str, found: Experiment) -> None:
    """Write page, figure and report into the sweep's folder."""
    texts = {
        "study.svg": found.figure(),
        "study.md": found.page("study.svg"),
        "report.html": page_of(sweep_records(folder, None)[0]),
    }
    write_files(folder, {name: text.encode() for name, text in texts.items()})


def _measure(folder: str, space: SearchSpace, data_dir: str, messages: Messages) -> None:
    """Measure what an experiment needs beyond its rows, once for the same rows, and store it."""
    assert space.question is not None
    what = space.question.measure
    taken = measure_of(space.method, what)
    trials = [t for t in Store(folder).trials() if t.state is RunState.COMPLETE]
    mark = {_OF.encode(): " ".join([what, *(trial.id for trial in trials)]).encode()}
    kept = kept_measures(folder)
    if kept is not None and mark.items() <= (kept.schema.metadata or {}).items():
        return
    messages.note(f"measuring the {what}")
    records = pa.Table.from_pylist(taken.take(SweepRuns(folder, trials, data_dir, messages)))
    write_files(folder, {MEASURED: bytes(encode(records, metadata=mark))})


class SweepRuns:
    """The complete runs of a sweep: `raysearch.methods.description.FinishedRuns`."""

    def __init__(
        self, folder: str, runs: Sequence[Run], data_dir: str, messages: Messages = QUIET
    ) -> None:
        self._folder, self.data_dir, self._messages = folder, data_dir, messages
        self.runs: Sequence[Run] = sorted(runs, key=lambda run: (run.number, run.cell))

    def config(self, run: Run) -> Any:
        """See `FinishedRuns.config`."""
        settings = settings_of(run.method, run.config)
        return read_config(get_method(run.method).config_type, settings, where=f"trial {run.id}")

    def restored(self, runs: Iterable[Run], role: str, what: str) -> Iterator[tuple[Run, Any]]:
        """See `FinishedRuns.restored`."""
        with alone(self._folder, role, messages=self._messages) as openings:
            for run in runs:
                opened: list[Opening] = []

                def begin(weights: str, run: Run = run, opened: list[Opening] = opened) -> None:
                    opened.append(openings.begin(run, role, what=what, weights=weights))

                method = restored(
                    run, self._folder, self.data_dir, role, before=begin, messages=self._messages
                )
                with read_as(run):
                    yield run, method
                openings.finish(opened[0])
