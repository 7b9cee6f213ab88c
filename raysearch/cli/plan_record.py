"""What does `raysearch plan --format json` write: the estimate as one record for a program."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from raysearch.cli.plan_text import SEED, money_of, places_of, work_of

if TYPE_CHECKING:
    from raysearch.cli.plan_rows import Pilots
    from raysearch.cluster.prices import PriceTable
    from raysearch.search.plan import SweepPlan

__all__ = ["plan_record"]


def plan_record(
    plan: SweepPlan, table: PriceTable | None, pilots: Pilots | None, *, free: bool
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
