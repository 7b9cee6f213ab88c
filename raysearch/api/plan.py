"""Check the files of a sweep, and estimate its trials, hours and cost before it runs.

The estimate comes from earlier trials that are most like its own, and from the nodes' prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import Folder, SweepOptions, find_space, with_keywords
from raysearch.api.sweep_plan import plan_of
from raysearch.cluster.cost.prices import NodeType, PriceTable, known_prices, read_prices
from raysearch.cluster.remote.manifest import check_manifest, check_site
from raysearch.cores import usable_cores
from raysearch.devices import Kind, kind_of
from raysearch.errors import ConfigError, StoreError
from raysearch.estimates import Interval, MoneyTerms, PlaceEstimate, PriorRuns, SweepEstimate
from raysearch.leaderboard import find_stores
from raysearch.leaderboard.keys import encoder_name
from raysearch.methods import METHODS, notes_of, outside_methods
from raysearch.run import Run, RunState
from raysearch.search.estimate import Draws, Work, draw_sweeps, interval, simulate_stopping
from raysearch.search.plan import SweepPlan, check_room, reach_note
from raysearch.search.space.space import load_space
from raysearch.yaml_lines import read_located

__all__ = ["CheckedFile", "check", "estimate", "estimate_sweep", "pilots", "plan"]

_SEED = 0
"""Of the draws: the same rows give the same estimate."""
_ENOUGH = 3
"""With fewer configurations than this that are alike, those that are less alike count too."""


@with_keywords(SweepOptions)
def plan(options: SweepOptions) -> SweepEstimate:
    """What a sweep will take: trials, hours, money; runs nothing.

    Takes the keywords of `raysearch.api.options.SweepOptions`. The first argument may also be a
    search space's file, or the name of one that comes with raysearch. With ``cluster``, hardware
    that is left at its default is what the cluster file has for sweeps.

    Raises:
        ConfigError: Everything wrong with the space, the options or the cluster file.
    """
    given = {item.name for item in fields(options) if getattr(options, item.name) != item.default}
    with shown(options.quiet) as messages:
        return estimate_sweep(options, given, messages)


def estimate_sweep(
    options: SweepOptions, given: Collection[str], messages: Messages = QUIET
) -> SweepEstimate:
    """See `plan`; the cluster file changes none of the options that are `given`."""
    options, table = _with_cluster(options, given)
    options = _with_space(options)
    sweep = plan_of(options)
    if options.cluster is None and options.address is None:
        check_room(sweep, {"CPU": usable_cores()})
    prior = pilots(_earlier(str(options.results), messages), sweep)
    return estimate(sweep, table, prior, free=options.slots is None)


def _with_cluster(
    options: SweepOptions, given: Collection[str]
) -> tuple[SweepOptions, PriceTable | None]:
    """The options with what the cluster file has for sweeps; its prices and node types."""
    prices = None if options.prices is None else Path(options.prices)
    if options.cluster is None:
        return options, known_prices(prices)
    cluster = Path(options.cluster)
    check_manifest(cluster)  # what is still unset matters to `ray up` only
    its = check_site(*read_located(cluster))
    hardware = ("slots", "cpus_per_worker", "gpus_per_worker")
    taken = {name: its[name] for name in hardware if name in its and name not in given}
    return replace(options, **taken), read_prices(prices or cluster)


def _with_space(options: SweepOptions) -> SweepOptions:
    """The options with method and space apart, where the first argument is a space."""
    named = options.method
    if not Path(named).is_file() and (named in METHODS or named in outside_methods()):
        return options
    path = find_space("", named, said="SPACE")
    if options.space is not None:
        raise ConfigError(
            f"`--space` must be left out where SPACE is a search space, {path}, but got "
            f"{options.space}"
        )
    return replace(options, space=str(path), method=load_space(path).method)


def _earlier(results: str, messages: Messages) -> list[Run]:
    """The trials of all sweeps in a folder of results that can be read; none without a sweep."""
    try:
        stores = find_stores(results)
    except StoreError:  # nothing has run yet, which the estimate says in its own words
        return []
    trials: list[Run] = []
    for store in stores:
        try:
            found, problems = store.readable()
        except StoreError as error:
            found, problems = [], (str(error),)
        trials += found
        for text in problems:
            messages.warn(f"left out of the estimate: {text}")
    return trials


def estimate(
    plan: SweepPlan, table: PriceTable | None, prior: PriorRuns | None, *, free: bool
) -> SweepEstimate:
    """What a sweep is expected to take; `free` slots are as many as the cluster holds."""
    work = _work_of(plan)
    generator = np.random.default_rng(_SEED)
    survival = simulate_stopping(work, generator)
    found = SweepEstimate(
        name=plan.name,
        method=plan.space.method,
        source=plan.space.source,
        tasks=len(plan.tasks) if plan.space.mode == "per_task" else 0,
        configurations=work.configurations,
        cells=work.cells,
        pruner=work.pruner,
        kept=survival.expected(work.cells),
        device=_kind_wanted(plan),
    )
    if prior is None:
        return found
    draws = draw_sweeps(prior.seconds, work, survival, generator)
    each = np.array([sum(group) / len(group) for group in prior.seconds])
    places = tuple(_places(plan, table, draws, free=free))
    return replace(
        found,
        prior=prior,
        trial=interval(each, len(each)),
        total=draws.total(),
        hours=draws.total().scaled(_devices_of_a_trial(plan) / 3600),
        places=places,
        money=_terms(table, {place.name for place in places}),
        max_cost=plan.max_cost,
    )


def pilots(trials: Iterable[Run], plan: SweepPlan) -> PriorRuns | None:
    """The earlier trials that are most like the planned ones; None when there are none at all.

    Trials of the method count: first those with the same encoder on the same tasks and kind of
    device, then with the same encoder, then all. One that was stopped early counts as if it had
    gone on at its pace; else only the good would count, which may be the slow.
    """
    config, _ = plan.space.paper_first()
    known = [trial for trial in trials if trial.method == plan.space.method and _whole(trial)]
    if not known:
        return None
    chosen, alike = _most_alike(known, plan, encoder_name(config))
    searched = {item.name for item in plan.space.searched}
    work = [name for name in notes_of(plan.space.method).work if name in config]
    ratios = [_ratio(trial.config, config, work, searched) for trial in chosen]
    groups: dict[tuple[str, int], list[float]] = {}
    for trial, ratio in zip(chosen, ratios, strict=True):
        groups.setdefault((trial.sweep, trial.number), []).append(_whole(trial) * ratio)
    return PriorRuns(
        seconds=tuple(tuple(group) for group in groups.values()),
        rows=len(chosen),
        alike=alike,
        scaled=_scaled(ratios, work),
        devices=tuple(dict.fromkeys(trial.device for trial in chosen)),
    )


def _kind_wanted(plan: SweepPlan) -> Kind:
    """The kind of device that the planned trials ask for."""
    return "GPU" if plan.gpus_per_worker > 0 else "CPU"


def _whole(trial: Run) -> float:
    """Seconds of the whole trial; 0 where its row does not tell."""
    if trial.state is RunState.COMPLETE:
        return trial.seconds
    reports = trial.config.get("reports")
    if trial.state is not RunState.PRUNED or not trial.curve or not isinstance(reports, int):
        return 0.0
    return trial.seconds * reports / trial.curve[-1].rung


def _most_alike(trials: Sequence[Run], plan: SweepPlan, encoder: str) -> tuple[Sequence[Run], str]:
    wanted = _kind_wanted(plan)

    def same_encoder(trial: Run) -> bool:
        return encoder_name(trial.config) == encoder

    def same_device(trial: Run) -> bool:
        return kind_of(trial.device) == wanted

    tasks = set(plan.tasks)
    kinds: list[tuple[str, Callable[[Run], bool]]] = [
        (
            f"with {encoder} on the same data",
            lambda trial: same_encoder(trial) and same_device(trial) and trial.cell.task in tasks,
        ),
        (f"with {encoder}", lambda trial: same_encoder(trial) and same_device(trial)),
        (f"with {encoder} on another kind of device", same_encoder),
        ("with other encoders, which may be far off", lambda trial: True),
    ]
    found = [([trial for trial in trials if kind(trial)], words) for words, kind in kinds]
    for rows, words in found:
        if len({(trial.sweep, trial.number) for trial in rows}) >= _ENOUGH:
            return rows, words
    return next((rows, words) for rows, words in found if rows)


def _ratio(
    row: Mapping[str, Any], config: Mapping[str, Any], work: Sequence[str], searched: set[str]
) -> float:
    """How much more a planned trial has to do, as far as the settings of its length say."""
    ratio = 1.0
    for name in work:
        if name not in searched and row.get(name):
            ratio *= float(config[name]) / float(row[name])
    return ratio


def _scaled(ratios: Sequence[float], work: Sequence[str]) -> str:
    low, high = min(ratios), max(ratios)
    if low == high == 1.0:
        return ""
    factor = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return f"scaled by {' x '.join(work)}: times {factor}"


def _work_of(plan: SweepPlan) -> Work:
    """What the sweep may ask for, before early stopping."""
    config, _ = plan.space.paper_first()
    return Work(
        configurations=plan.configurations,
        cells=plan.cells_each,
        reports=int(config.get("reports", 1)),
        pruner=plan.space.pruner,
        reduction=plan.space.reduction,
    )


def _devices_of_a_trial(plan: SweepPlan) -> float:
    """GPUs that a trial holds, or CPUs where it holds no GPU."""
    each = plan.gpus_per_worker if plan.gpus_per_worker > 0 else plan.cpus_per_worker
    return each * plan.workers_per_trial


def _places(
    plan: SweepPlan, table: PriceTable | None, draws: Draws, *, free: bool
) -> Iterator[PlaceEstimate]:
    """The node types that can hold a trial; without a cluster, the slots of this machine."""
    if table is None or not (table.types or table.per_hour):
        wall = draws.wall(plan.slots)
        yield PlaceEstimate(
            name="this machine", nodes=1, slots=plan.slots, seconds=wall, money=None
        )
        return
    for item in table.worker_types():
        workers = _workers(plan, item)
        nodes = min(item.most, table.most)
        slots = nodes * workers // plan.workers_per_trial
        slots = min(slots if free else plan.slots, slots, plan.configurations * plan.cells_each)
        if slots > 0:
            needed = math.ceil(slots * plan.workers_per_trial / workers)
            wall = draws.wall(slots)
            yield PlaceEstimate(
                name=item.name,
                nodes=needed,
                slots=slots,
                seconds=wall,
                money=_money(table, item.name, needed, wall) if table.per_hour else None,
            )


def _workers(plan: SweepPlan, item: NodeType) -> int:
    """Workers of trials that fit on a node; one where its resources are not in the file."""
    if not item.resources:
        return 1
    wanted = plan.shape.resources_per_worker.items()
    return min(int(item.resources.get(name, 0) / each + 1e-9) for name, each in wanted)


def _money(table: PriceTable, node: str, nodes: int, wall: Interval) -> Interval:
    """Nodes and head for the time, and the nodes until they are found to be idle."""
    each = nodes * table.price(node)
    rate = (each + table.head_price()) / 3600
    tail = each * table.idle_seconds / 3600
    low, high = (None if end is None else end * rate + tail for end in (wall.low, wall.high))
    return Interval(wall.mean * rate + tail, low, high)


def _terms(table: PriceTable | None, fit: Set[str]) -> MoneyTerms | None:
    if table is None or not table.per_hour:
        return None
    return MoneyTerms(
        currency=table.currency,
        head=table.money(table.head_price()),
        idle_seconds=table.idle_seconds,
        unfit=tuple(item.name for item in table.worker_types() if item.name not in fit),
    )


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """What one file is found to be.

    Attributes:
        path: The file.
        notes: What is right in it and not yet as it should be, in sentences.
        problems: What is wrong in it, with lines; empty for a file that can be used.
    """

    path: Path
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check(paths: Sequence[Folder] = ()) -> list[CheckedFile]:
    """Check files, all problems of all of them at once.

    Args:
        paths: Files, or folders of YAML files; none for ``search_spaces/`` and ``cluster.yaml``
            here.

    Raises:
        ConfigError: There is no such file, or none at all.
    """
    found = [_checked(path) for path in list(_files([Path(path) for path in paths]))]
    if not found:
        raise ConfigError(
            "`check` must find files, but there is no search_spaces/ or cluster.yaml; name some"
        )
    return found


def _checked(path: Path) -> CheckedFile:
    try:
        if path.name.startswith("cluster"):
            open_points = check_manifest(path)
            return CheckedFile(path=path, notes=tuple(f"still to do: {t}" for t in open_points))
        note = reach_note(load_space(path))
        return CheckedFile(path=path, notes=(note,) if note else ())
    except ConfigError as error:
        return CheckedFile(path=path, problems=tuple(error.problems))


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths or [Path("search_spaces"), Path("cluster.yaml")]:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        elif paths:
            raise ConfigError(f"`check` must be given files that exist, but got {path}")
