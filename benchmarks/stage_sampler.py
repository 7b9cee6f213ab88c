"""Does a sampler that prefers stages that are paid for find more within the same steps?

    python benchmarks/stage_sampler.py [--seeds 24] [--sampler tpe] [--json PATH]

No training: a synthetic objective over c, lambda, beta and three distillation settings, with the
stages and steps of a real MsmoConfig (Distill-M, sequential). A stage is paid once for each
setting that it depends on. Three objectives differ in where quality is decided: in the
teachers, which are expensive, in the distillation, which is cheap, or in both alike. The score
is the regret of the configuration chosen by its noisy value, in points of the objective, at
budgets of so many cold trials' steps, and after as many configurations as plain TPE can pay for.
The sampler's own cost is CPU time.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

from raysearch.methods import get_method
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.run import MetricGoal, Scalar
from raysearch.search.reuse import StagePlan
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.mirror import SamplerView
from raysearch.training.provenance import provenance

REUSE = (0.0, 0.25, 0.5, 0.75)
BUDGETS = (10, 20, 40)
"""In steps of so many configurations that share nothing."""
SHARES = {"teachers": 0.8, "both": 0.5, "distillation": 0.2}
"""Objective to the share of its regret that the teachers' settings decide."""
NOISE = 0.01
PARAMETERS = (
    Parameter(name="adversarial_weight", kind="float", low=0.01, high=10, log=True),
    Parameter(name="consistency_weight", kind="float", low=1e-4, high=1e-1, log=True),
    Parameter(name="critic_clip", kind="float", low=1e-3, high=1, log=True),
    Parameter(name="distill_learning_rate", kind="float", low=1e-5, high=1e-3, log=True),
    Parameter(name="distill_loss", kind="choice", choices=("mse", "kl")),
    Parameter(name="distill_temperature", kind="float", low=0.5, high=8, log=True),
)


def space_of(sampler: str, reuse: float) -> SearchSpace:
    """The searched space."""
    return SearchSpace(
        method="msmo",
        config_type=MsmoConfig,
        goal=MetricGoal("dev/f1"),
        trials=100_000,
        time_seconds=None,
        seeds=1,
        sampler=sampler,
        pruner="none",
        reduction=3,
        setting={"distillation": "multi"},
        parameters=PARAMETERS,
        source="stage_sampler.py",
        reuse=reuse,
    )


def regret(params: Mapping[str, Scalar], share: float) -> float:
    """Distance from the best value, 0 at the optimum; about 0.3 for a random configuration."""
    at: dict[str, float] = {}
    for item in PARAMETERS:
        if item.kind == "float":
            value = float(params[item.name])  # type: ignore[arg-type]
            at[item.name] = math.log(value / item.low) / math.log(item.high / item.low)
    clip, weight = at["critic_clip"] - 0.35, at["adversarial_weight"] - 0.6
    beta = at["consistency_weight"] - 0.45
    teachers = clip**2 + weight**2 + beta**2 + 0.8 * clip * weight
    # Sharper teachers want another temperature.
    temperature = at["distill_temperature"] - 0.4 - 0.3 * beta
    rate = at["distill_learning_rate"] - 0.65
    student = temperature**2 + rate**2 + (0.1 if params["distill_loss"] == "kl" else 0.0)
    return 2 * (share * teachers + (1 - share) * student)


class Bill:
    """Steps paid so far: each stage once for the settings that it depends on."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._seen: set[tuple[Any, ...]] = set()
        self.steps = 0

    def pay(self, params: Mapping[str, Scalar]) -> int:
        """Add a configuration; the steps that it would have cost alone."""
        config = self._space.read(params)
        plan = StagePlan.of(get_method("msmo").outline(config))
        for name, steps in plan.steps.items():
            fields = sorted(plan.fields[name])
            key = (name, *(getattr(config, item) for item in fields))
            if key not in self._seen:
                self._seen.add(key)
                self.steps += steps
        return sum(plan.steps.values())


@dataclass
class Curve:
    """A sweep: after every configuration the steps paid and the regret of the chosen one."""

    cold: int = 0
    steps: list[int] = field(default_factory=list)
    regrets: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def at(self, budget: float) -> float:
        """Regret once so many steps are paid."""
        done = sum(steps <= budget for steps in self.steps)
        return self.regrets[done - 1] if done else math.nan


def sweep(sampler: str, reuse: float, share: float, seed: int) -> Curve:
    """One sweep until the largest budget is paid."""
    space = space_of(sampler, reuse)
    mirror, bill, curve = SamplerView(space, seed, (), ()), Bill(space), Curve()
    noise = np.random.default_rng(10_000 + seed)
    best, chosen = -math.inf, math.nan
    while not curve.steps or curve.steps[-1] < BUDGETS[-1] * curve.cold:
        number = len(curve.steps)
        began = time.process_time()
        proposal = mirror.propose(number)
        curve.seconds += time.process_time() - began
        assert proposal is not None
        params = proposal.trial.params
        true = regret(params, share)
        value = -true + NOISE * float(noise.standard_normal())
        mirror.tell(number, TrialState.COMPLETE, [value])
        if value > best:
            best, chosen = value, true
        curve.cold = bill.pay(params)
        curve.steps.append(bill.steps)
        curve.regrets.append(chosen)
    return curve


def row(objective: str, reuse: float, curves: Sequence[Curve], plain: Sequence[Curve]) -> Any:
    """Medians over the seeds."""
    cold = curves[0].cold
    count = min(len(curve.steps) for curve in plain)
    found: dict[str, Any] = {"objective": objective, "reuse": reuse}
    for budget in BUDGETS:
        values = [curve.at(budget * cold) for curve in curves]
        others = [curve.at(budget * cold) for curve in plain]
        quarters = statistics.quantiles(values, n=4)
        found[f"regret_{budget}"] = quarters[1]
        found[f"regret_{budget}_quartiles"] = [quarters[0], quarters[2]]
        found[f"better_{budget}"] = sum(a < b for a, b in zip(values, others, strict=True)) / len(
            values
        )
    found["configurations"] = statistics.median(len(curve.steps) for curve in curves)
    found["at_count"] = count
    found["regret_at_count"] = statistics.median(curve.regrets[count - 1] for curve in curves)
    found["steps_at_count"] = statistics.median(curve.steps[count - 1] for curve in curves)
    found["ms_per_suggestion"] = 1000 * statistics.median(
        curve.seconds / len(curve.steps) for curve in curves
    )
    return found


def suggestion_cost(sampler: str, trials: int) -> dict[str, float]:
    """Median CPU ms of a suggestion after so many trials, without and with reuse."""
    found = {}
    for reuse in (0.0, 1.0):
        mirror = SamplerView(space_of(sampler, reuse), 0, (), ())
        times = []
        for number in range(trials + 20):
            began = time.process_time()
            proposal = mirror.propose(number)
            times.append(time.process_time() - began)
            assert proposal is not None
            mirror.tell(number, TrialState.COMPLETE, [-regret(proposal.trial.params, 0.5)])
        found[f"reuse {reuse:g}"] = 1000 * statistics.median(times[trials:])
    return found


def show(result: dict[str, Any]) -> None:
    """The table."""
    table = Table(
        title=f"{result['sampler']}, median over {result['seeds']} seeds: regret in points (share "
        f"of seeds better than plain) at the steps of N cold trials of {result['cold']} steps"
    )
    count = result["rows"][0]["at_count"]
    heads = [f"N = {budget}" for budget in BUDGETS]
    for name in ("decided by", "reuse", *heads, "configs", f"at {count} configs", "steps", "ms"):
        table.add_column(name, justify="left" if name == "decided by" else "right")
    for item in result["rows"]:
        cells = [
            f"{100 * item[f'regret_{budget}']:.2f} ({item[f'better_{budget}']:.0%})"
            for budget in BUDGETS
        ]
        table.add_row(
            item["objective"],
            f"{item['reuse']:g}",
            *cells,
            f"{item['configurations']:.0f}",
            f"{100 * item['regret_at_count']:.2f}",
            f"{item['steps_at_count']:.0f}",
            f"{item['ms_per_suggestion']:.1f}",
        )
    Console(width=130).print(table)
    for trials, cost in result["suggestion_ms"].items():
        shown = ", ".join(f"{name} {ms:.1f} ms" for name, ms in cost.items())
        Console().print(f"a suggestion after {trials} trials: {shown}")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = []
    cold = 0
    for objective, share in SHARES.items():
        plain: list[Curve] = []
        for reuse in REUSE:
            curves = [sweep(args.sampler, reuse, share, seed) for seed in range(args.seeds)]
            plain = plain or curves
            cold = curves[0].cold
            rows.append(row(objective, reuse, curves, plain))
    where = provenance()
    result = {
        "benchmark": "stage_sampler",
        "sampler": args.sampler,
        "seeds": args.seeds,
        "cold": cold,
        "budgets": list(BUDGETS),
        "noise": NOISE,
        "rows": rows,
        "suggestion_ms": {
            str(trials): suggestion_cost(args.sampler, trials) for trials in (50, 200)
        },
        "commit": where["commit"],
        "dirty": where["dirty"],
    }
    show(result)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
