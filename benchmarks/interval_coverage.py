"""How often do intervals of a mean contain it: the one of this package, and two that it is not?

    python benchmarks/interval_coverage.py [--cases 2000] [--json PATH]

Draws cells of a known distribution again and again. Coverage: the share of 95 % intervals of
the mean that contain the true one: Student's over tasks, which reports, comparisons and experiments
use; the studentized bootstrap's (Efron and Tibshirani 1993, eq. 12.22; cells are resampled within
their task); the percentile interval's of the same resamples.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raysearch.statistics.intervals import Interval, mean_interval
from raysearch.training.provenance import provenance

SHAPES = {
    "3": (3,),
    "4": (4,),
    "5": (5,),
    "8": (8,),
    "10": (10,),
    "20": (20,),
    "2 tasks x 3": (3, 3),
    "4 tasks x 3": (3,) * 4,
    "4 tasks x 5": (5,) * 4,
}
DRAWS = 1000


def distributions(random: np.random.Generator) -> dict[str, Callable[[int], Any]]:
    """Each with mean 0."""
    return {
        "normal": lambda size: random.normal(size=size),
        "uniform": lambda size: random.uniform(-1, 1, size=size),
        "exponential": lambda size: random.exponential(size=size) - 1,
        "t, 3 df": lambda size: random.standard_t(3, size=size),
    }


def bootstrap_interval(strata: Sequence[Any], seed: int) -> Interval:
    """The studentized bootstrap's; a resample without spread counts as infinitely far off."""
    random = np.random.default_rng(seed)
    mean = float(np.mean([values.mean() for values in strata]))
    drawn = [values[random.integers(len(values), size=(DRAWS, len(values)))] for values in strata]
    shift = np.mean([values.mean(axis=1) for values in drawn], axis=0) - mean
    error = standard_error(drawn)
    # Without spread the sum of equal numbers may leave a rest of 1e-17 for an error.
    bare = error <= 1e-12 * np.maximum(np.abs(shift), abs(mean))
    far = np.where(shift == 0, 0.0, np.copysign(np.inf, shift))
    ratios = np.sort(np.where(bare, far, shift / np.where(bare, 1.0, error)))
    # The outer neighbour of each quantile: rather too long than too short.
    lowest, highest = (
        ratios[math.floor(0.025 * (DRAWS - 1))],
        ratios[math.ceil(0.975 * (DRAWS - 1))],
    )
    own = standard_error([values[None] for values in strata])[0]
    count = sum(map(len, strata))
    return Interval(value=mean, low=mean - highest * own, high=mean - lowest * own, count=count)


def standard_error(samples: Sequence[Any]) -> Any:
    """Of the mean over strata of their means; samples (draws, n) each, result (draws,)."""
    squares = [values.var(axis=1, ddof=1) / values.shape[1] for values in samples]
    return np.sqrt(np.sum(squares, axis=0)) / len(samples)


def percentile_holds(strata: list[Any], random: np.random.Generator) -> bool:
    """Whether the percentile interval of the mean over strata holds 0."""
    means = np.mean(
        [s[random.integers(len(s), size=(DRAWS, len(s)))].mean(axis=1) for s in strata], axis=0
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return bool(low <= 0 <= high)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate; gives what is printed and written."""
    random = np.random.default_rng(arguments.seed)
    rows = []
    for shape, sizes in SHAPES.items():
        row: dict[str, Any] = {"cells": shape}
        for name, draw in distributions(random).items():
            held = bounded = percentile = student = 0
            for case in range(arguments.cases):
                strata = [draw(size) for size in sizes]
                found = bootstrap_interval(strata, seed=case)
                held += found.low <= 0 <= found.high
                bounded += found.bounded
                percentile += percentile_holds(strata, random)
                simple = mean_interval(strata)
                student += simple.low <= 0 <= simple.high
            row[name] = held / arguments.cases
            row[f"{name}, percentile"] = percentile / arguments.cases
            row[f"{name}, student"] = student / arguments.cases
            row["bounded"] = bounded / arguments.cases
        rows.append(row)
    where = provenance()
    return {
        "benchmark": "interval_coverage",
        "cases": arguments.cases,
        "level": 0.95,
        "intervals": rows,
        "commit": where["commit"],
        "dirty": where["dirty"],
    }


def show(result: dict[str, Any]) -> None:
    """Print the table as Markdown."""
    names = ("normal", "uniform", "exponential", "t, 3 df")
    print(f"| cells | has ends | {' | '.join(names)} |\n|---|---|" + "---|" * len(names))
    for row in result["intervals"]:
        cells = [
            f"{row[name]:.3f} ({row[f'{name}, percentile']:.3f}; {row[f'{name}, student']:.3f})"
            for name in names
        ]
        print(f"| {row['cells']} | {100 * row['bounded']:.0f} % | {' | '.join(cells)} |")


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
