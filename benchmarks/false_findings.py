"""How often does the product call chance a finding, and what decides by its name?

    python benchmarks/false_findings.py [--cases 400] [--json PATH]

Sweeps without any effect: the share in which something is told, by what is shown now and, for
comparison, by the rule that a percentile bootstrap's interval excludes zero. Then sweeps in which
one choice of three decides everything, with two settings below it that do nothing: the share in
which each is told. One standard error at 5 % and 400 cases is 1.1 points.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from raysearch.analysis.importance import importances
from raysearch.leaderboard.card import SearchRange
from raysearch.statistics.intervals import rank_correlation
from raysearch.statistics.permutation import corrected
from raysearch.statistics.stochastic_order import THRESHOLD, stochastic_order
from raysearch.training.provenance import provenance

DECISIVE = (
    SearchRange(name="kind", choices=("a", "b", "c")),
    SearchRange(name="rate", low=0.0, high=1.0),
    SearchRange(name="first", low=0.0, high=1.0, when={"kind": ("a",)}),
    SearchRange(name="second", low=0.0, high=1.0, when={"kind": ("a",)}),
)


def correlations(random: np.random.Generator, trials: int, cases: int) -> dict[str, Any]:
    """One ρ by test and by the old rule, and a map of 10 settings × 4 pairs."""
    one = old = some = 0
    for _ in range(cases):
        cells = {
            place: rank_correlation(random.normal(size=trials), random.normal(size=trials))
            for place in range(40)
        }
        one += sum(found.significant for found in cells.values())
        some += any(found.significant for found in corrected(cells).values())
        x, y = random.normal(size=trials), random.normal(size=trials)
        drawn = random.integers(trials, size=(300, trials))
        ranks = [np.argsort(np.argsort(values)).astype(float)[drawn] for values in (x, y)]
        centred = [part - part.mean(axis=1, keepdims=True) for part in ranks]
        size = np.sqrt(np.prod([(part**2).sum(axis=1) for part in centred], axis=0))
        with np.errstate(invalid="ignore"):
            low, high = np.nanquantile((centred[0] * centred[1]).sum(axis=1) / size, [0.025, 0.975])
        old += not low <= 0 <= high
    return {
        "trials": trials,
        "one": one / cases / 40,
        "map": some / cases,
        "percentile": old / cases,
    }


def orders(random: np.random.Generator, tasks: int, cases: int) -> dict[str, Any]:
    """Tables of two equal methods, five scores a side: any task, either way."""
    wrong = bare = 0
    for case in range(cases):
        found = []
        for _ in range(tasks):
            first, second = random.normal(size=5), random.normal(size=5)
            for one, other in ((first, second), (second, first)):
                order = stochastic_order(one, other, comparisons=tasks, draws=300, seed=case)
                found.append((order.dominates, order.bound < THRESHOLD))
        wrong += any(told for told, _ in found)
        bare += any(below for _, below in found)
    return {"tasks": tasks, "told": wrong / cases, "bound_alone": bare / cases}


def weights(random: np.random.Generator, trials: int, cases: int) -> dict[str, Any]:
    """Importance where one choice decides everything, and where nothing does."""
    choice = below = none = 0
    for case in range(cases):
        configs: list[dict[str, Any]] = []
        for _ in range(trials):
            config = {"kind": str(random.choice(["a", "b", "c"])), "rate": random.uniform()}
            own = {name: random.uniform() for name in ("first", "second")}
            configs.append(config | (own if config["kind"] == "a" else {}))
        losses = ["abc".index(c["kind"]) + random.normal(0, 0.1) for c in configs]
        told = {
            i.name
            for i in importances(configs, losses, DECISIVE, seed=case).settings
            if i.significant
        }
        choice += "kind" in told
        below += bool(told & {"first", "second"})
        noise = importances(configs, random.normal(size=trials).tolist(), DECISIVE, seed=case)
        none += any(found.significant for found in noise.settings)
    return {
        "trials": trials,
        "choice": choice / cases,
        "below": below / cases,
        "nothing": none / cases,
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Simulate; gives what is printed and written."""
    random, cases = np.random.default_rng(arguments.seed), arguments.cases
    where = provenance()
    return {
        "benchmark": "false_findings",
        "cases": cases,
        "correlations": [correlations(random, trials, cases) for trials in (8, 12, 24)],
        "stochastic_order": [orders(random, tasks, cases) for tasks in (1, 4)],
        "importance": [weights(random, n, cases) for n in (24, 64, 100, 200)],
        "commit": where.get("commit", ""),
        "dirty": where.get("dirty", ""),
    }


def show(result: dict[str, Any]) -> None:
    """Print the tables as Markdown."""
    print(
        "| complete trials | one ρ | any of a map of 40 | percentile bootstrap |\n|---|---|---|---|"
    )
    for row in result["correlations"]:
        print(
            f"| {row['trials']} | {row['one']:.3f} | {row['map']:.3f} | {row['percentile']:.3f} |"
        )
    print("\n| tasks | called better | by ε_min alone |\n|---|---|---|")
    for row in result["stochastic_order"]:
        print(f"| {row['tasks']} | {row['told']:.3f} | {row['bound_alone']:.3f} |")
    print(
        "\n| complete trials | the choice | one below it | any, without effect |\n|---|---|---|---|"
    )
    for row in result["importance"]:
        print(
            f"| {row['trials']} | {row['choice']:.2f} | {row['below']:.2f} | {row['nothing']:.2f} |"
        )


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
