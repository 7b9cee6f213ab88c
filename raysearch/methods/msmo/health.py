"""Failure signatures of MSMO, which end a trial with a stated reason.

Four signatures, with thresholds that no working trial of ours came near. Mere weaknesses (a gap
that closes, a saturated critic, a consistency that grows from 0) are normal for this method
(docs/msmo.md §5.7) and stop nothing; the numbers are in every report. Two signatures are of the
terms of the steps, which `StepWatch` judges while a stage runs, and two of the reports on dev. A
signature that could not be judged yet has no verdict.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from raysearch.distributed import average_values

__all__ = ["JUDGE_EVERY", "SIGNATURES", "StepWatch", "flags", "of_reports"]

SIGNATURES: tuple[str, ...] = ("critic", "consistency", "silence", "hallucination")
"""``health/`` metrics: 1 if the signature is present, 0 if it was judged absent."""

Verdicts = dict[str, str]
"""Signature to the sentence that it was found with; empty where it was judged absent."""

EARLY = 50
"""Steps of a stage before which no report is judged."""

JUDGE_EVERY = 10
"""Steps between judgements of the terms, each of which synchronises with device and workers."""

FEWEST, MOST = 10, 40
"""Last steps of a critic whose mean is judged: at least, and at most."""

WINDOW = 20
"""Steps of each of the three means of the consistency that are compared."""

BLIND = 1e-9
"""A mean gap below this is rounding error: the critic scores every sentence alike."""

ERRORS, OVERTURNED = 4.0, 0.35
"""Standard errors below 0 of a mean gap, and share of pairs in the right order, at which the
encoder has overtaken the critic. Two sides of one distribution, eight sentences each, come to
neither in 10,000 judgements of 40 steps; games that turned over have 0.03 to 0.32."""

SATURATED = 0.95
"""Fraction of the critic's parameters at ±c from which on it cannot grow any more."""

TORN = 5.0
"""Consistency in nats above which aligned aspects certainly have different labels; 46 is its
maximum, untrained taggers have under 1."""

TORN_GROWTH = 1.5
"""How much it must have grown over three windows while the cross-entropy fell."""

SPOKEN = 0.05
"""F1 from which on a tagger has learnt to find aspects."""

TALKATIVE, INVENTED = 3.0, 0.9
"""Predicted aspects per sentence (gold has about one), and the fraction that overlap no gold."""


class StepWatch:
    """The last steps of a stage, and the verdicts on them; all of it is in the checkpoint.

    A signature that was found once stays found.
    """

    def __init__(self) -> None:
        self.verdicts: Verdicts = {}
        self._critic: deque[Mapping[str, Any]] = deque(maxlen=MOST)
        self._learned: deque[Mapping[str, Any]] = deque(maxlen=3 * WINDOW)

    def add(self, terms: Mapping[str, torch.Tensor | float]) -> None:
        """Note the terms of one step; does not synchronise with the device."""
        values = {
            name: value.detach() if isinstance(value, torch.Tensor) else value
            for name, value in terms.items()
        }
        if "gap" in values:
            self._critic.append(_some(values, "gap", "critic_accuracy", "saturation"))
        if "consistency" in values:
            self._learned.append(_some(values, "consistency", "supervised"))

    def judge(self) -> Verdicts:
        """Judge the last steps, as all workers saw them; the signatures found just now."""
        before = {name for name, sentence in self.verdicts.items() if sentence}
        judged: Verdicts = {}
        if len(self._critic) >= FEWEST:
            judged["critic"] = _critic(_of_all(self._critic))
        if len(self._learned) == 3 * WINDOW:
            judged["consistency"] = _consistency(_of_all(self._learned))
        self.verdicts |= {n: found for n, found in judged.items() if n not in before}
        return {n: found for n, found in judged.items() if found and n not in before}

    def state_dict(self) -> dict[str, Any]:
        """Plain containers."""
        return {
            "verdicts": dict(self.verdicts),
            "critic": [_floats(step) for step in self._critic],
            "learned": [_floats(step) for step in self._learned],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`."""
        self.verdicts = dict(state["verdicts"])
        self._critic.extend(state["critic"])
        self._learned.extend(state["learned"])


def of_reports(reports: Sequence[Mapping[str, float]], *, done: bool) -> Verdicts:
    """Verdicts on the reports of a stage.

    Args:
        reports: In order: ``step`` within the stage and the development scores.
        done: Whether the last one is at the end of the stage, where fewer must do.
    """
    if not reports or reports[-1]["step"] < EARLY:
        return {}
    judged: Verdicts = {}
    if len(reports) >= (2 if done else 3):
        judged["silence"] = _silence(reports)
    if len(reports) >= (1 if done else 2):
        judged["hallucination"] = _hallucination(reports)
    return judged


def flags(verdicts: Mapping[str, str]) -> dict[str, float]:
    """The verdicts as metrics of a report."""
    return {
        f"health/{name}": float(bool(verdicts[name])) for name in SIGNATURES if name in verdicts
    }


def _some(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}


def _floats(step: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in step.items()}


def _of_all(steps: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Each term over the steps, the mean over the workers."""
    names = list(steps[0])
    values = average_values([float(step[name]) for name in names for step in steps])
    size = len(steps)
    return {name: values[at * size : (at + 1) * size] for at, name in enumerate(names)}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _critic(steps: Mapping[str, Sequence[float]]) -> str:
    gap, right, saturation = (
        _mean(steps[name]) for name in ("gap", "critic_accuracy", "saturation")
    )
    count = len(steps["gap"])
    if all(abs(one) < BLIND for one in steps["gap"]):
        return (
            f"critic collapse: the gap E f(source) - E f(target) must be >= {BLIND:g}, but its "
            f"mean is {gap:.2g} over {count} steps; raise `critic_clip`, or lower `critic_layers`"
        )
    spread = math.fsum((one - gap) ** 2 for one in steps["gap"]) / (count - 1)
    if gap < -ERRORS * math.sqrt(spread / count) and right < OVERTURNED:
        limits = (
            f", {saturation:.0%} of its parameters are at ±c" if saturation >= SATURATED else ""
        )
        return (
            f"the critic's game turned over: the gap of sentences that it did not learn from must "
            f"be >= 0, but its mean is {gap:.2g} over {count} steps, and {right:.0%} of the pairs "
            f"are in the right order{limits}; set `critic_training: converged`, raise "
            "`critic_learning_rate` or `critic_steps`, or lower the encoder's rate or "
            "`adversarial_weight`"
        )
    return ""


def _consistency(steps: Mapping[str, Sequence[float]]) -> str:
    torn, learned = (
        [_mean(steps[name][at : at + WINDOW]) for at in range(0, 3 * WINDOW, WINDOW)]
        for name in ("consistency", "supervised")
    )
    rising = torn[0] < torn[1] < torn[2] and torn[2] >= TORN_GROWTH * torn[0]
    falling = learned[0] > learned[1] > learned[2]
    if torn[2] < TORN or not (rising and falling):
        return ""
    return (
        f"views torn apart: consistency must stay below {TORN:g} nats, but rose from "
        f"{torn[0]:.2g} to {torn[2]:.2g} within {3 * WINDOW} steps while the cross-entropy fell "
        f"from {learned[0]:.2g} to {learned[2]:.2g}; raise `consistency_weight`, or look at the "
        "alignment of the views"
    )


def _silence(reports: Sequence[Mapping[str, float]]) -> str:
    best = max(report["f1"] for report in reports)
    last = reports[1:][-2:]
    if best < SPOKEN or any(report["predicted"] > 0 for report in last):
        return ""
    return (
        f"all words are O: the tagger must predict aspects, but after an F1 of {best:.3f} it "
        f"predicted none at {_counted(last)}; lower `learning_rate` or `adversarial_weight`"
    )


def _hallucination(reports: Sequence[Mapping[str, float]]) -> str:
    last = reports[-2:]
    if any(r["predicted"] < TALKATIVE or r["hallucinated"] < INVENTED for r in last):
        return ""
    shares = " and ".join(f"{report['hallucinated']:.0%}" for report in last)
    return (
        f"hallucination: predicted aspects must touch marked words, but at {_counted(last)} "
        f"{shares} of {last[-1]['predicted']:.1f} aspects per sentence did not; lower "
        "`learning_rate`"
    )


def _counted(reports: Sequence[Mapping[str, float]]) -> str:
    return "the last report" if len(reports) == 1 else "two reports"
