"""Shows the result of `raysearch plan`: the trials, the hours, and a line per kind of node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from textwrap import wrap
from typing import Any

from raysearch.devices import kinds_of
from raysearch.estimates import Interval, MoneyTerms, PriorRuns, SweepEstimate
from raysearch.printable import counted
from raysearch.render.format import duration

__all__ = ["plan_record", "plan_text"]

_INDENT = " " * 12


def plan_text(found: SweepEstimate) -> str:
    """The estimate, at most 80 columns wide."""
    lines = _trials(found)
    if found.prior is None or found.trial is None or found.hours is None:
        return "\n".join([*lines, *_unknown(found)]) + "\n"
    lines += [*_rows(found, found.prior, found.trial), _hours(found, found.prior, found.hours)]
    if found.places:
        lines += ["", *_table(found)]
    if found.money is not None:
        lines += _money_notes(found, found.money)
    return "\n".join(lines) + "\n"


def plan_record(found: SweepEstimate) -> dict[str, Any]:
    """The estimate as values for JSON.

    Returns:
        Seconds and money are ``{"mean", "low", "high"}``: 9 of 10 cases are between the last two,
        if ``from.same_kind``, and else only the spread of the earlier trials is known. The two are
        None if only one earlier configuration is known. ``seconds`` is None if none is.
    """
    prior, currency = found.prior, found.money.currency if found.money else None
    return {
        "name": found.name,
        "method": found.method,
        "space": found.source,
        "configurations": found.configurations,
        "cells": found.cells,
        "trials": found.configurations * found.cells,
        "beside": found.beside,
        "from": prior
        and {
            "trials": prior.rows,
            "devices": list(prior.devices),
            "same_kind": prior.same_kind,
        },
        "seconds": found.total and dataclasses.asdict(found.total),
        "on": [
            {
                "node": place.name,
                "nodes": place.nodes,
                "slots": place.slots,
                "seconds": dataclasses.asdict(place.seconds),
                "money": place.money and dataclasses.asdict(place.money),
                "currency": currency if place.money else None,
            }
            for place in found.places
        ],
    }


def _trials(found: SweepEstimate) -> list[str]:
    each = found.configurations // max(1, found.tasks)
    per = f" ({each} for each of {counted(found.tasks, 'task')})" if found.tasks else ""
    lines = [
        f"plan of {found.name}: {found.method}, {found.source}",
        f"  trials    {found.configurations * found.cells} = "
        f"{counted(found.configurations, 'configuration')}{per} x "
        f"{counted(found.cells, 'cell')}",
    ]
    if found.pruner != "none":
        lines.append(
            f"            early stopping ({found.pruner}) should leave {found.kept:.0%} "
            "of the reports"
        )
    return lines + wrap(found.beside, 80, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _unknown(found: SweepEstimate) -> list[str]:
    own = found.source.endswith(f"search_spaces/{found.method}.yaml")
    return [
        "  hours     cannot be known: --results has no trial of this method yet",
        "            A short run tells: the same with a few configurations, on the node",
        "            that you mean to use; then `plan` again with its --results:",
        f"    python -m raysearch sweep {found.method} --trials 4"
        + ("" if own else f" --space {found.source}"),
    ]


def _rows(found: SweepEstimate, prior: PriorRuns, trial: Interval) -> list[str]:
    configurations = len(prior.seconds)
    devices = ", ".join(device or "unknown" for device in prior.devices)
    lines = [
        f"  a trial   {duration(trial.mean)} when it is whole, from "
        f"{counted(prior.rows, 'earlier trial')} of {counted(configurations, 'configuration')}",
        f"            {prior.alike}; on {devices}",
    ]
    if prior.scaled:
        lines.append(f"            {prior.scaled}")
    if found.device not in kinds_of(prior.devices):
        lines.append("            the sweep asks for another device than these had")
    if configurations > 1 and not prior.same_kind:
        lines.append("            the brackets have only the spread of these trials")
    if 1 < configurations < 5:
        lines.append("            so few are often too alike: the intervals may be too narrow")
    return lines


def _hours(found: SweepEstimate, prior: PriorRuns, hours: Interval) -> str:
    text = f"  {found.device} hours {_spread(hours, lambda value: f'{value:.3g}')}"
    told = hours.low is not None and prior.same_kind
    return f"{text}; in 9 of 10 cases inside the brackets" if told else text


def _table(found: SweepEstimate) -> list[str]:
    currency = (found.money.currency or "money") if found.money else ""
    rows = [("all trials on", "nodes", "slots", "time", currency)]
    for place in found.places:
        money = _spread(place.money, lambda value: f"{value:,.2f}") if place.money else ""
        time = _spread(place.seconds, duration)
        rows.append((place.name, str(place.nodes), str(place.slots), time, money))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    right = (False, True, True, False, False)
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if ends else cell.ljust(width)
            for cell, width, ends in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _money_notes(found: SweepEstimate, money: MoneyTerms) -> list[str]:
    lines = [
        f"  with the head, {money.head} an hour, and {duration(money.idle_seconds)} until idle "
        "nodes are gone;",
        "  the start of nodes, before they join, comes on top",
    ]
    if money.unfit:
        lines.append(f"  no trial of this shape fits on {', '.join(money.unfit)}")
    cap = found.max_cost
    if cap is None:
        return lines
    verdicts = [(place.name, _verdict(place.money, cap)) for place in found.places if place.money]
    return lines + [f"  --max-cost {cap:g} on {name}: {verdict}" for name, verdict in verdicts]


def _verdict(cost: Interval, cap: float) -> str:
    if cost.low is None or cost.high is None:
        return "would end the sweep early" if cost.mean > cap else "is above what is expected"
    if cost.low > cap:
        return "would end the sweep early"
    return "may end the sweep early" if cost.high > cap else "would not be reached"


def _spread(found: Interval, shown: Callable[[float], str]) -> str:
    if found.low is None or found.high is None:
        return shown(found.mean)
    return f"{shown(found.mean)} ({shown(found.low)}-{shown(found.high)})"
