"""A sweep's plan, and the checks made before anything runs.

The checks: do the slots fit the resources, do trials have the metrics that the space asks for (a
misspelt objective would otherwise train every trial to its end and rank none), and does the budget
reach the model of its sampler.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from raysearch.cluster.driver_code import DriverCode
from raysearch.cluster.prices import PriceTable
from raysearch.cluster.worker import Runner, SlotShape, TrainingRunner
from raysearch.config import SEED, TrainingConfig, check_value, read_config
from raysearch.errors import ConfigError, quoted, unknown_name
from raysearch.methods import get_method
from raysearch.methods.description import Reported
from raysearch.printable import counted, plural
from raysearch.run import Cell, tasks_of
from raysearch.search.hang_detection import HANG_SECONDS
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.connection import file_url
from raysearch.search.suggest.samplers import MODELS, startup_trials
from raysearch.search.suggest.task_search import checked_config
from raysearch.storage.uri import absolute, join

__all__ = [
    "MOST",
    "SweepPlan",
    "check_metrics",
    "check_room",
    "known_metrics",
    "method_cells",
    "reach_note",
    "reach_notes",
    "unknown_metric",
]

MOST = 10_000
"""Upper bound for slots, workers, CPUs and GPUs: no machine or cluster has more."""
LEAST = 1e-4
"""Smallest share of a CPU; Ray counts ten-thousandths."""

CellsOf = Callable[[Mapping[str, Any]], Sequence[Cell]]


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """The settings that the driver of a sweep needs.

    Attributes:
        name: The sweep's name; running the same name again continues it.
        folder: The driver's own folder; it holds the study and the lock.
        space: What is searched, with its budget.
        cells: The cells of a config, the one for early stopping first; `method_cells` for the
            methods of this package.
        slots: Trials that run at once; at least 1.
        workers_per_trial: Processes that share a trial; at least 1.
        cpus_per_worker: CPUs of each worker; may be fractional.
        gpus_per_worker: GPUs of each worker; fractions share a GPU.
        gpu_types: Ray's names of the types of GPUs that trials may have, in the order in which they
            are asked for; empty for any.
        study_url: SQLAlchemy URL of the study; empty for ``study.db`` in `folder`.
        data_dir: Folder of the corpora, on every node.
        storage: Folder or URI that holds the rest of the sweep, under its name; empty for `folder`.
        stages: Folder or URI of the stages that trials share; empty for ``stages`` in `root`.
        stages_limit: Size limit of these in bytes; None for half of the free disk.
        quota: Bytes that the runs' files and the sweep's own stages may take together, of which
            the stages take at most half; None for no limit.
        runner: What runs a run; None for real training.
        keep: Whose final weights stay: those of the best configuration, of all, or none.
        address: Ray cluster to join; None starts a Ray on this machine.
        seed: Seed of the sampler.
        prices: Prices of the cluster's nodes; None when they are unknown.
        max_cost: Cost limit over all sessions of the sweep, in the currency of `prices`; None
            for no limit. See `raysearch.cluster.node_watch.NodeWatch` for what counts.
        hang_seconds: Silence after which a worker is replaced, unless the sweep's trials
            had pauses that are not much shorter (`raysearch.search.hang_detection`).
        annotations: Columns about the set-up for every row, for example how GPUs are shared.
        metrics: Names of the metrics that the method's trials can have on dev; empty where it
            declares none.
        sources: Name to SHA-256 of the sources that the driver found
            (`raysearch.training.origin.sources_now`); every trial of the sweep must match it.
        code: What every node of a cluster must have in common with the driver; None on one
            machine.
    """

    name: str
    folder: Path
    space: SearchSpace
    cells: CellsOf
    slots: int = 1
    workers_per_trial: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float = 0.0
    gpu_types: tuple[str, ...] = ()
    study_url: str = ""
    data_dir: str = ""
    storage: str = ""
    stages: str = ""
    stages_limit: int | None = None
    quota: int | None = None
    runner: Runner | str | None = None
    keep: Literal["best", "all", "none"] = "best"
    address: str | None = None
    seed: int = 0
    prices: PriceTable | None = None
    max_cost: float | None = None
    hang_seconds: float = HANG_SECONDS
    annotations: Mapping[str, str] = field(default_factory=dict)
    metrics: Collection[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    code: DriverCode | None = None

    def __post_init__(self) -> None:
        problems = [
            f"`{name}` must be {rule}, but got {quoted(getattr(self, name))}"
            for name, rule, holds in (
                ("slots", f"in [1, {MOST}]", 1 <= self.slots <= MOST),
                ("workers_per_trial", f"in [1, {MOST}]", 1 <= self.workers_per_trial <= MOST),
                ("cpus_per_worker", f"in [{LEAST}, {MOST}]", LEAST <= self.cpus_per_worker <= MOST),
                ("gpus_per_worker", f"in [0, 1] or whole, up to {MOST}", _is_share(self)),
                ("seed", SEED.describe(), not check_value(SEED, self.seed)[1]),
                ("stages_limit", "> 0", self.stages_limit is None or self.stages_limit > 0),
                ("quota", "> 0", self.quota is None or self.quota > 0),
                ("max_cost", "> 0", self.max_cost is None or self.max_cost > 0),
            )
            if not holds
        ]
        if self.gpu_types and self.gpus_per_worker == 0:
            problems.append(
                f"`gpu_types` {','.join(self.gpu_types)} must go with GPUs, but "
                "`gpus_per_worker` is 0; give `--gpus-per-worker 1`"
            )
        if self.max_cost is not None and self.prices is None:
            problems.append(
                f"`max_cost` {self.max_cost:g} must go with prices, but none are known: name a "
                "cluster file that has `provider.raysearch.prices`, as cluster.yaml does"
            )
        if problems:
            raise ConfigError(problems)

    @property
    def paper_cells(self) -> Sequence[Cell]:
        """The cells of the paper's own setting, over all tasks."""
        return self.cells(self.space.paper_first()[0])

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks of the sweep, in order."""
        return tasks_of(self.paper_cells)

    @property
    def cells_each(self) -> int:
        """Cells of one configuration; in ``mode: per_task`` those of a single task."""
        tasks = len(self.tasks) if self.space.mode == "per_task" else 1
        return len(self.paper_cells) // tasks

    @property
    def configurations(self) -> int:
        """Configurations that the sweep may ask for, over all tasks."""
        return self.space.trials * (len(self.tasks) if self.space.mode == "per_task" else 1)

    @property
    def url(self) -> str:
        """The study's URL."""
        return self.study_url or file_url(self.folder / "study.db")

    @property
    def root(self) -> str:
        """Folder or URI of rows, runs, stages and ``sweep.json``."""
        return join(self.storage, self.name) if self.storage else str(self.folder)

    @property
    def runs(self) -> str:
        """Folder (by its full path) or URI that holds one folder per run."""
        return join(absolute(self.root), "leases")

    @property
    def stages_folder(self) -> str:
        """Folder (by its full path) or URI of the stages that are the sweep's own."""
        return join(absolute(self.root), "stages")

    @property
    def shape(self) -> SlotShape:
        """Resources of a slot."""
        limit = self.stages_limit
        if self.quota is not None and not self.stages:
            limit = min(self.quota // 2, self.quota if limit is None else limit)
        stages = self.stages or self.stages_folder
        training = TrainingRunner(self.data_dir, stages, limit, self.annotations)
        return SlotShape(
            runner=training if self.runner is None else self.runner,
            workers=self.workers_per_trial,
            cpus_per_worker=self.cpus_per_worker,
            gpus_per_worker=self.gpus_per_worker,
            gpu_types=self.gpu_types,
            code=self.code,
            directory=os.getcwd(),
        )


def _is_share(plan: SweepPlan) -> bool:
    """Whether a worker's GPUs are some that Ray can give: a part of one, or whole ones."""
    gpus = plan.gpus_per_worker
    return 0 <= gpus <= 1 or (gpus <= MOST and gpus == int(gpus))


def check_room(plan: SweepPlan, there: Mapping[str, float]) -> None:
    """Check that all slots fit at once.

    Args:
        plan: The sweep.
        there: Available resources, by the names of `SlotShape.resources_per_worker`; others are
            ignored.

    Raises:
        ConfigError: They do not fit: the slots would wait for ever.
    """
    problems = [
        f"slots x workers_per_trial x {name}s per worker must be at most the {there[name]:g} "
        f"{plural(there[name], name)} that this process may use, but got {plan.slots} x "
        f"{plan.workers_per_trial} x {each:g}; take fewer, or join a cluster with `--address`"
        for name, each in plan.shape.resources_per_worker.items()
        if name in there and each * plan.slots * plan.workers_per_trial > there[name] + 1e-6
    ]
    if problems:
        raise ConfigError(problems)


def method_cells(space: SearchSpace) -> CellsOf:
    """Every task of the space's method, `space.seeds` times: seeds outermost, from 0.

    Raises:
        ConfigError: On a call: two tasks have names that differ only in case.
    """
    tasks = get_method(space.method).tasks

    def cells(config: Mapping[str, Any]) -> tuple[Cell, ...]:
        names = tasks(read_config(space.config_type, config, where=space.source))
        if len({name.casefold() for name in names}) < len(set(names)):
            raise ConfigError(
                f"tasks must differ in more than upper and lower case, since files are named after "
                f"them, but got {', '.join(names)}; rename one"
            )
        return tuple(Cell(name, seed) for seed in range(space.seeds) for name in names)

    return cells


def reach_note(space: SearchSpace, task: str = "", *, at_once: int = 1) -> str:
    """One sentence if the budget never reaches the sampler's model; otherwise empty.

    Args:
        space: What is searched.
        task: One of its tasks in ``mode: per_task``; empty for all together.
        at_once: Configurations of the task that are asked for before the first one ends.
    """
    if space.sampler not in MODELS or _modelled(space, space.trials, task, at_once) > 0:
        return ""
    enough = space.trials
    while _modelled(space, enough, task, at_once) <= 0:
        enough += 1
    each = " of each task" if space.mode == "per_task" else ""
    return (
        f"the model of the sampler `{space.sampler}` cannot choose any of "
        f"{counted(space.trials, 'configuration')}{each}: all are drawn at random, as the first "
        f"ones are, or run at the same time; it can from --trials {enough} on"
    )


def reach_notes(plan: SweepPlan) -> tuple[str, ...]:
    """`reach_note` for a sweep with its slots; one sentence or none."""
    space, alone = plan.space, plan.space.mode == "per_task"
    # Early stopping runs the first cell of a configuration alone.
    cells = plan.cells_each if space.pruner == "none" else 1
    tracks = len(plan.tasks) if alone and not space.warm_start else 1
    at_once = math.ceil(plan.slots / (cells * tracks))
    note = reach_note(space, plan.tasks[0] if alone else "", at_once=at_once)
    return (note,) if note else ()


def _modelled(space: SearchSpace, trials: int, task: str, at_once: int) -> int:
    """How many of the configurations a model may choose at most."""
    config, params = space.paper_first(task)
    literal = checked_config(space, params)[0] != config  # then no model learns from it
    return trials - max(literal + startup_trials(trials), at_once)


def known_metrics(space: SearchSpace, role: str, data_dir: str) -> frozenset[str]:
    """Names of the metrics that trials of the space can have on a role.

    Args:
        space: What is searched.
        role: ``dev`` or ``test``.
        data_dir: Folder of the corpora.

    Returns:
        Every name ``{role}/…``; empty for a method that declares none.

    Raises:
        RaysearchError: No trial of the space could run, and why.
    """
    loader = get_method(space.method)
    if not isinstance(loader, Reported):
        return frozenset()
    found: set[str] = set()
    for config in _variety(space):
        found.update(loader.metrics(config, role=role, data_dir=data_dir))
    return frozenset(found)


def _variety(space: SearchSpace) -> list[TrainingConfig]:
    """The paper's own setting, and each variation of it by one choice of a searched setting."""
    paper, _ = space.paper_first()
    changes = [{item.name: choice} for item in space.searched for choice in item.choices]
    found = [space.read(paper)]
    for change in changes:
        try:
            found.append(space.read({**paper, **change}))
        except ConfigError:
            continue  # valid only together with other settings
    return found


def check_metrics(space: SearchSpace, data_dir: str) -> None:
    """Check that trials have the metrics that the space ranks by and its experiment asks for.

    Names of roles other than dev and test (``train/…``) are known only after a report.

    Raises:
        ConfigError: One sentence for every metric that no trial can have.
        RaysearchError: No trial of the space could run, and why.
    """
    asked = {"metric": space.goal.name}
    if space.question is not None:
        asked["study.metric"] = space.question.goal.name
        asked |= {
            f"study.beside[{setting}]": name for setting, name in enumerate(space.question.beside)
        }
        if space.question.figure == "curves":
            asked["study.y"] = space.question.y
    known = {role: known_metrics(space, role, data_dir) for role in ("dev", "test")}
    problems = [
        unknown_metric(setting, name, known[role])
        for setting, name in asked.items()
        for role in known
        if name.startswith(f"{role}/") and known[role] and name not in known[role]
    ]
    if problems:
        raise ConfigError([f"{problem} ({space.source})" for problem in problems])


def unknown_metric(setting: str, name: str, known: Collection[str]) -> str:
    """One sentence for an unknown metric, with the nearest known one.

    Args:
        setting: The setting that asks for it.
        name: The metric.
        known: The known metrics.
    """
    hint = unknown_name("metric", name, sorted(known))
    return f"`{setting}` must be a metric that trials report, but is an {hint}"
