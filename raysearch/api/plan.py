"""Which earlier trials tell how long those of a planned sweep take, and how are they scaled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysearch.devices import Kind, kind_of
from raysearch.leaderboard.keys import encoder_name
from raysearch.methods import notes_of
from raysearch.render.plan import SEED, money_of, places_of, work_of
from raysearch.run import Run, RunState

if TYPE_CHECKING:
    from raysearch.search.plan import SweepPlan
if TYPE_CHECKING:
    from raysearch.cluster.cost.prices import PriceTable
    from raysearch.search.plan import SweepPlan


__all__ = ["PriorRuns", "kind_wanted", "pilots", "plan_record"]

_ENOUGH = 3
"""With fewer configurations than this that are alike, those that are less alike count too."""


@dataclass(frozen=True, kw_only=True)
class PriorRuns:
    """The seconds of earlier trials, as a planned sweep's would take.

    Attributes:
        seconds: Of each earlier configuration the seconds of its trials, as whole ones.
        rows: Trials in all.
        alike: What they have in common with the plan, in words.
        scaled: By what they were scaled, in words; empty when by nothing.
        devices: What they ran on, as their rows say it.
    """

    seconds: tuple[tuple[float, ...], ...]
    rows: int
    alike: str
    scaled: str
    devices: tuple[str, ...]


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


def kind_wanted(plan: SweepPlan) -> Kind:
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
    wanted = kind_wanted(plan)

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


def plan_record(
    plan: SweepPlan, table: PriceTable | None, pilots: PriorRuns | None, *, free: bool
) -> dict[str, Any]:
    """The figures of `plan_text.plan_text`, from the same draws; see there for the arguments.

    Returns:
        Seconds and money are ``{"mean", "low", "high"}``: 9 of 10 cases lie between the last two,
        which are None where one earlier configuration is known. ``seconds`` is None without any.
    """
    import numpy as np

    from raysearch.search.estimate import draw_sweeps, simulate_stopping

    work = work_of(plan)
    generator = np.random.default_rng(SEED)
    survival = simulate_stopping(work, generator)
    record: dict[str, Any] = {
        "name": plan.name,
        "method": plan.space.method,
        "space": plan.space.source,
        "configurations": work.configurations,
        "cells": work.cells,
        "trials": work.configurations * work.cells,
        "from": None,
        "seconds": None,
        "on": [],
    }
    if pilots is None:
        return record
    draws = draw_sweeps(pilots.seconds, work, survival, generator)
    record["from"] = {"trials": pilots.rows, "devices": list(pilots.devices)}
    record["seconds"] = dataclasses.asdict(draws.total())
    for place in places_of(plan, table, free=free):
        wall = draws.wall(place.slots)
        money = None
        if table is not None and place.price is not None:
            money = dataclasses.asdict(money_of(table, place, wall))
        found = {"node": place.name, "nodes": place.nodes, "slots": place.slots}
        currency = table.currency if table is not None and money else None
        seconds = dataclasses.asdict(wall)
        record["on"].append({**found, "seconds": seconds, "money": money, "currency": currency})
    return record
