"""Exports a comparison for a paper (LaTeX) and for a script (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from raysearch.findings.comparison import Contrast, ExpectedBest, Side, TaskContrast, Tuned
from raysearch.render.comparison import Comparison, mean_and_sd, with_encoders
from raysearch.render.format import interval_record, json_number, score
from raysearch.render.table_export import escape, tabular
from raysearch.statistics.intervals import Interval
from raysearch.statistics.stochastic_order import StochasticOrder
from raysearch.statistics.tuning import ESTIMATORS

__all__ = ["comparison_latex", "comparison_record"]


def comparison_record(found: Comparison) -> dict[str, Any]:
    """All results as one JSON object; interval ends that are not finite are null."""
    return {
        "a": _side(found.first),
        "b": _side(found.second),
        "metrics": [_contrast(result, sentences) for result, sentences in found.contrasts],
        "expected_best": {
            name: [_effort(effort) for effort in efforts]
            for name, efforts in zip(("a", "b"), found.efforts, strict=True)
        },
        "expected_best_conclusions": list(found.effort_notes),
        "overtuning": [_tuned(item, sentence) for item, sentence in found.tuning],
    }


def comparison_latex(found: Comparison) -> str:
    """A table per metric and one of the budgets; the sentences precede them as comments."""
    parts = [
        _comment(f"{name}: {side.label}, trials {_numbers(side)}{with_encoders(side)}")
        for name, side in (("A", found.first), ("B", found.second))
    ]
    for result, sentences in found.contrasts:
        parts += ["", *map(_comment, sentences), _table(result)]
    for one in found.efforts[0]:
        for two in found.efforts[1]:
            if one.task == two.task:
                parts += ["", *map(_comment, found.effort_notes), _budgets(one, two)]
    parts += [_comment(sentence) for _, sentence in found.tuning]
    return "\n".join(parts) + "\n"


def _comment(sentence: str) -> str:
    return "% " + sentence.replace("\n", " ")


def _numbers(side: Side) -> str:
    return ", ".join(map(str, side.numbers))


def _table(result: Contrast) -> str:
    heads = ["task", "cells", "A", "B", "A − B", "ε A > B", "ε B > A"]
    rows = [_row(task) for task in result.tasks]
    interval = result.interval
    ends = f"{score(interval.low)} to {score(interval.high)}" if interval.bounded else "no interval"
    last = [
        f"{result.goal.name}, {'all' if result.aggregate == 'mean' else 'worst task'}",
        str(result.cells),
        "",
        "",
        f"{interval.value:+.4f} ({ends})",
        "",
        "",
    ]
    return tabular(heads, [*rows, last], rules_before=(len(rows),))


def _row(task: TaskContrast) -> list[str]:
    differences = sum(task.differences) / len(task.differences)
    bounds = ["–" if order is None else f"{order.bound:.2f}" for order in (task.over, task.under)]
    return [
        task.task,
        str(len(task.first)),
        mean_and_sd(task.first),
        mean_and_sd(task.second),
        f"{differences:+.4f}",
        *bounds,
    ]


def _budgets(first: ExpectedBest, second: ExpectedBest) -> str:
    heads = ["n", *(f"{side} {name}" for side in "AB" for name in ESTIMATORS)]
    rows = []
    for budget in sorted({*first.points, *second.points}):
        cells = [
            score(point[name]) if (point := effort.points.get(budget)) else "–"
            for effort in (first, second)
            for name in ESTIMATORS
        ]
        rows.append([str(budget), *cells])
    title = f"% {escape(first.task)}\n" if first.task else ""
    return title + tabular(heads, rows, left=0)


def _side(side: Side) -> dict[str, Any]:
    return {
        "label": side.label,
        "trials": list(side.numbers),
        "cells": len(side.cells),
        "encoders": list(side.encoders),
        "selected_among": side.among,
    }


def _contrast(result: Contrast, sentences: Sequence[str]) -> dict[str, Any]:
    interval = result.interval
    return {
        "metric": result.goal.name,
        "direction": result.goal.direction,
        "aggregate": result.aggregate,
        "a": json_number(result.values[0]),
        "b": json_number(result.values[1]),
        "cells": result.cells,
        "left_out": {"a": result.alone[0], "b": result.alone[1]},
        "a_better_on": result.ahead,
        "difference": _interval(interval),
        "tasks": [
            {
                "task": task.task,
                "a": list(task.first),
                "b": list(task.second),
                "a_over_b": _order(task.over),
                "b_over_a": _order(task.under),
            }
            for task in result.tasks
        ],
        "differing_sources": list(result.sources),
        "conclusions": list(sentences),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {**interval_record(interval), "count": interval.count}


def _order(order: StochasticOrder | None) -> dict[str, Any] | None:
    if order is None:
        return None
    return {
        "epsilon_min": json_number(order.bound),
        "violation_ratio": order.ratio,
        "p_value": order.p_value,
        "level": order.level,
        "comparisons": order.comparisons,
    }


def _tuned(item: Tuned, sentence: str) -> dict[str, Any]:
    result, interval = item.found, item.interval
    return {
        "task": item.task,
        "default": item.default,
        "chosen": item.chosen,
        "incumbents": list(item.incumbents),
        "gains": {n: json_number(v) for n, v in asdict(result).items()} if result else None,
        "test_difference": (_interval(interval) if interval else None),
        "conclusion": sentence,
    }


def _effort(effort: ExpectedBest) -> dict[str, Any]:
    return {**asdict(effort), "points": [{"n": n, **p} for n, p in effort.points.items()]}
