"""Compares a row with a repetition of its run, and names what may explain a difference.

A row is a function of its settings, its cell, the code, the data and the encoder: equal inputs
yield equal numbers bit for bit on the same kind of processor with the same versions. Other
hardware or versions round differently, which explains small differences only. Other code, data
or another encoder explain any difference, so such a row gets no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from raysearch.findings.audit import Outcome, Replay
from raysearch.run import Run
from raysearch.sources import SOURCES

__all__ = ["TOLERANCE", "compare_replay"]

TOLERANCE = 0.01
"""Largest difference, relative to values above 1, explained by another machine or version."""

_IDENTITY = ("code",)
"""Together with every digest: the inputs of a row's number."""
_MACHINE = (
    *("cpu", "platform", "workers", "precision", "tf32", "fused", "pinned"),
    *("python", "torch", "transformers", "tokenizers", "scikit-learn", "numpy"),
)
"""What rounding depends on, beside the device."""


def compare_replay(row: Run, again: Run, *, tolerance: float = TOLERANCE) -> Replay:
    """Compare every number of a row and its curve with those of its repetition.

    Args:
        row: The row, with its curve.
        again: The repetition, as far as the row went.
        tolerance: Difference that another machine or version may explain.
    """
    compared = unequal = 0
    largest, where = 0.0, ""
    for name, first, second in _pairs(row, again):
        compared += 1
        gap = _gap(first, second)
        unequal += gap > 0
        if gap > largest:
            largest, where = gap, name
    otherwise = _otherwise(row, again)
    if otherwise:
        largest, where = math.inf, otherwise
    identity = _differing(row, again, (*_IDENTITY, *_digests(row), *_digests(again)))
    if SOURCES not in row.provenance:  # its encoder digest covers fewer files
        identity.pop("encoder_digest", None)
    machine = _differing(row, again, _MACHINE)
    if row.device != again.device:
        machine = {"device": (row.device, again.device), **machine}
    if largest == 0:
        outcome = Outcome.EQUAL
    elif identity:
        outcome = Outcome.OTHER
    else:
        outcome = Outcome.CLOSE if machine and largest <= tolerance else Outcome.DIFFERS
    return Replay(
        row=row,
        again=dict(again.metrics),
        outcome=outcome,
        compared=compared,
        unequal=unequal,
        largest=largest,
        where=where,
        identity=identity,
        machine=machine,
        commits=(row.provenance.get("commit", ""), again.provenance.get("commit", "")),
    )


def _pairs(row: Run, again: Run) -> Iterable[tuple[str, float | None, float | None]]:
    """Every number by its name, of the row and of the repetition; None if one lacks it."""
    sides = [(f" at report {report.rung}", report.metrics) for report in row.curve]
    repeated = {report.rung: report.metrics for report in again.curve}
    others = [repeated.get(report.rung, {}) for report in row.curve]
    for (suffix, metrics), other in zip(
        [*sides, ("", row.metrics)], [*others, again.metrics], strict=True
    ):
        for name in dict.fromkeys((*metrics, *other)):
            yield name + suffix, metrics.get(name), other.get(name)


def _gap(first: float | None, second: float | None) -> float:
    if first is None or second is None:
        return math.inf
    if first == second or (math.isnan(first) and math.isnan(second)):
        return 0.0
    gap = abs(first - second) / max(1.0, abs(first))
    return gap if math.isfinite(gap) else math.inf


def _otherwise(row: Run, again: Run) -> str:
    """Differences beside the metrics: final state, steps."""
    if row.state is not again.state:
        why = f" ({again.reason})" if again.reason else ""
        return f"the row is {row.state}, here it is {again.state}{why}"
    if row.reason != again.reason:
        return f"the row failed with {row.reason!r}, here with {again.reason!r}"
    first, second = ([(r.rung, r.step) for r in trial.curve] for trial in (row, again))
    if first != second:
        return f"the row's reports are at steps {first}, here at {second}"
    return ""


def _digests(trial: Run) -> list[str]:
    return [name for name in trial.provenance if name.endswith("_digest")]


def _differing(row: Run, again: Run, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The entries of provenance that differ, or that one side lacks."""
    pairs = {n: (row.provenance.get(n, ""), again.provenance.get(n, "")) for n in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
