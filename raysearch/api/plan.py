"""Checks the files of a sweep, and estimates its trials, hours and cost.

The estimate comes from earlier trials that are most like its own, and from the nodes' prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from raysearch import corpora
from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import Folder, SweepOptions, find_space, with_keywords
from raysearch.api.slurm import with_slurm_site
from raysearch.api.sweep_plan import check_encoders, check_held, check_inputs, plan_of
from raysearch.cluster.capacity import workers_held
from raysearch.cluster.prices import PriceTable, known_prices, of_gpu_types, read_prices
from raysearch.cluster.remote.manifest import check_manifest, check_site, is_manifest
from raysearch.cluster.slurm.site import check_slurm_file, is_slurm_file, read_slurm_site
from raysearch.cores import usable_cores
from raysearch.devices import Kind, kind_of
from raysearch.errors import ConfigError, MissingDataError, StoreError
from raysearch.estimates import Interval, MoneyTerms, PlaceEstimate, PriorRuns, SweepEstimate
from raysearch.leaderboard import find_stores
from raysearch.leaderboard.first_trial import beside_text
from raysearch.leaderboard.keys import encoder_name
from raysearch.methods import METHODS, notes_of, outside_methods
from raysearch.run import Run, RunState
from raysearch.search.estimate import Draws, Work, draw_sweeps, interval, simulate_stopping
from raysearch.search.plan import SweepPlan, check_room, reach_note
from raysearch.search.space.effect import inert_notes
from raysearch.search.space.space import load_space
from raysearch.yaml_lines import read_located

__all__ = ["CheckedFile", "check", "estimate", "estimate_sweep", "pilots", "plan"]

_SEED = 0
"""Of the draws: the same rows give the same estimate."""
_ENOUGH = 3
"""With fewer configurations than this that are alike, those that are less alike count too."""


@with_keywords(SweepOptions)
def plan(options: SweepOptions) -> SweepEstimate:
    """Estimate the trials, hours and cost of a sweep; runs nothing.

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
    if table is not None:
        check_held(sweep, table, slots=1 if options.slots is None else sweep.slots)
    if options.cluster is None and options.slurm is None and options.address is None:
        check_room(sweep, {"CPU": usable_cores()})
        _check_here(sweep, messages)
    prior = pilots(_earlier(str(options.results), messages), sweep)
    return estimate(sweep, table, prior, free=options.slots is None)


def _check_here(sweep: SweepPlan, messages: Messages) -> None:
    """See that the sweep could run on this machine; what can still be had is only a warning."""
    try:
        check_inputs(sweep)
    except MissingDataError as error:
        messages.warn(f"the sweep cannot run here yet: {error}")
    check_encoders(sweep, ask=False)


def _with_cluster(
    options: SweepOptions, given: Collection[str]
) -> tuple[SweepOptions, PriceTable | None]:
    """The options completed from the cluster file; its prices and node types."""
    if options.slurm is not None:
        site = read_slurm_site(Path(options.slurm))
        free = options.slots is None and "slots" not in site.options
        options = with_slurm_site(options, given, site)
        return replace(options, slots=None if free else options.slots), site.price_table()
    prices = None if options.prices is None else Path(options.prices)
    if options.cluster is None:
        return options, known_prices(prices)
    cluster = Path(options.cluster)
    check_manifest(cluster)  # what is still unset matters to `ray up` only
    its = check_site(*read_located(cluster))
    hardware = ("slots", "cpus_per_worker", "gpus_per_worker", "gpu_types")
    taken = {name: its[name] for name in hardware if name in its and name not in given}
    return replace(options, **taken), read_prices(prices or cluster)


def _with_space(options: SweepOptions) -> SweepOptions:
    """The options with method and space separated, if the first argument is a space."""
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
    """The readable trials of all sweeps in a folder of results."""
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
    """The estimate of a sweep; `free` means as many slots as the cluster holds."""
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
        beside=beside_text(
            "", plan.space.paper_beside(plan.tasks[0] if plan.space.mode == "per_task" else "")
        ),
    )
    if prior is None:
        return found
    draws = draw_sweeps(prior.seconds, work, survival, generator)
    each = np.array([sum(group) / len(group) for group in prior.seconds])
    if table is not None:  # a type that is not asked for is no type that is too small
        table = of_gpu_types(table, plan.gpu_types)
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
    """The earlier trials most like the planned ones; None without any.

    Trials of the method count: first those with the same encoder on the same tasks and kind of
    device, then with the same encoder, then all. One that was stopped early counts as if it had
    gone on at its pace; else only the good would count, which may be the slow.
    """
    config, _ = plan.space.paper_first()
    known = [trial for trial in trials if trial.method == plan.space.method and _whole(trial)]
    if not known:
        return None
    chosen, alike, same_kind = _most_alike(known, plan, encoder_name(config))
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
        same_kind=same_kind,
        scaled=_scaled(ratios, work),
        devices=tuple(dict.fromkeys(trial.device for trial in chosen)),
    )


def _kind_wanted(plan: SweepPlan) -> Kind:
    """The kind of device that the planned trials need."""
    return "GPU" if plan.gpus_per_worker > 0 else "CPU"


def _whole(trial: Run) -> float:
    """Seconds of the whole trial; 0 if its row does not record them."""
    if trial.state is RunState.COMPLETE:
        return trial.seconds
    reports = trial.config.get("reports")
    if trial.state is not RunState.PRUNED or not trial.curve or not isinstance(reports, int):
        return 0.0
    return trial.seconds * reports / trial.curve[-1].rung


def _most_alike(
    trials: Sequence[Run], plan: SweepPlan, encoder: str
) -> tuple[Sequence[Run], str, bool]:
    """These trials, what they have in common with the plan, and whether that is everything."""
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
        (
            f"with {encoder}, on other data too, which may be far off",
            lambda trial: same_encoder(trial) and same_device(trial),
        ),
        (f"with {encoder} on another kind of device", same_encoder),
        ("with other encoders, which may be far off", lambda trial: True),
    ]
    found = [
        ([trial for trial in trials if kind(trial)], words, place == 0)
        for place, (words, kind) in enumerate(kinds)
    ]
    for rows, words, same_kind in found:
        if len({(trial.sweep, trial.number) for trial in rows}) >= _ENOUGH:
            return rows, words, same_kind
    return next(item for item in found if item[0])


def _ratio(
    row: Mapping[str, Any], config: Mapping[str, Any], work: Sequence[str], searched: set[str]
) -> float:
    """Length of a planned trial relative to an earlier one, by the settings of length."""
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
    """The sweep's largest budget, before early stopping."""
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
        workers = workers_held(plan.shape.resources_per_worker, item)
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
    """Result of checking one file.

    Attributes:
        path: The file.
        notes: What is right in it and not yet as it should be, in sentences.
        problems: What is wrong in it, with lines; empty for a file that can be used.
    """

    path: Path
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def check(
    paths: Sequence[Folder] = (),
    *,
    train: bool = False,
    settings: Mapping[str, str] | None = None,
    data_dir: Folder | None = None,
    quiet: bool = False,
) -> list[CheckedFile]:
    """Check files; reports all problems of all of them.

    Args:
        paths: Files, or folders of YAML files; none for ``search_spaces/`` and ``cluster.yaml``
            here.
        train: Whether to train short trials, too, and note the searched settings whose values
            make the same trial.
        settings: Held fixed in these trials, as in `sweep`.
        data_dir: Folder of the corpora.
        quiet: Whether the progress of the trials is not shown.

    Raises:
        ConfigError: There is no such file, or none at all; `train` without `paths`, or `settings`
            without `train`.
    """
    if train and not paths:
        raise ConfigError("`--train` must be given the search spaces to try: name some files")
    if settings and not train:
        raise ConfigError("`--set` must come with `--train`: it is for the trials of that")
    found = [_checked(path) for path in list(_files([Path(path) for path in paths]))]
    if not found:
        raise ConfigError(
            "`check` must find files, but there is no search_spaces/ or cluster.yaml; name some"
        )
    if not train:
        return found
    with shown(quiet) as messages:
        return [
            _tried(file, settings or {}, str(corpora.data_dir(data_dir)), messages)
            for file in found
        ]


def _checked(path: Path) -> CheckedFile:
    try:
        if is_slurm_file(path):
            return CheckedFile(path=path, notes=_to_do(check_slurm_file(path)))
        if is_manifest(path):
            open_points = check_manifest(path)
            return CheckedFile(path=path, notes=_to_do(open_points))
        space = load_space(path)
        note = reach_note(space)
        return CheckedFile(path=path, notes=(*([note] if note else []), *inert_notes(space)))
    except ConfigError as error:
        return CheckedFile(path=path, problems=tuple(error.problems))


def _to_do(unset: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"still to do: {text}" for text in unset)


def _tried(
    file: CheckedFile, settings: Mapping[str, str], data_dir: str, messages: Messages
) -> CheckedFile:
    """A checked space with what its short trials tell."""
    from raysearch.api.effect import without_effect  # torch takes seconds to import

    if file.problems or is_manifest(file.path) or is_slurm_file(file.path):
        return file
    space = load_space(file.path).with_overrides(settings)
    return replace(file, notes=(*file.notes, *without_effect(space, data_dir, messages)))


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths or [Path("search_spaces"), Path("cluster.yaml")]:
        if path.is_dir():
            yield from sorted(path.rglob("*.yaml"))
        elif path.is_file():
            yield path
        elif paths:
            raise ConfigError(f"`check` must be given files that exist, but got {path}")
