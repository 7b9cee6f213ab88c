"""Failure signatures of MSMO, which end a trial with a stated reason.

Four signatures, with thresholds that no working trial of ours came near. Mere weaknesses (a gap
that closes, a saturated critic, a consistency that grows from 0) are normal for this method
(docs/msmo.md §5.7) and stop nothing; the numbers are in every report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["SIGNATURES", "find", "flags"]

SIGNATURES: tuple[str, ...] = ("critic", "consistency", "silence", "hallucination")
"""``health/`` metrics: 1 if the signature is present, else 0."""

EARLY = 50
"""Steps of a stage before which nothing is checked."""

BLIND = 1e-9
"""A mean gap below this is rounding error: the critic scores every sentence alike."""

SATURATED = 0.95
"""Fraction of the critic's parameters at ±c from which on it cannot grow any more."""

TORN = 5.0
"""Consistency in nats above which aligned aspects certainly have different labels; 46 is its
maximum, untrained taggers have under 1."""

TORN_GROWTH = 1.5
"""How much it must have grown over three reports while the cross-entropy fell."""

SPOKEN = 0.05
"""F1 from which on a tagger has learnt to find aspects."""

TALKATIVE, INVENTED = 3.0, 0.9
"""Predicted aspects per sentence (gold has about one), and the fraction that overlap no gold."""


def find(reports: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """The signatures that a stage's reports show, each with a sentence.

    Args:
        reports: Of the stage, in order: ``step`` within the stage, the means of the terms and
            the development scores by name; missing numbers are not checked.
    """
    if not reports or reports[-1]["step"] < EARLY:
        return {}
    found = {
        "critic": _critic(reports[-1]),
        "consistency": _consistency(reports),
        "silence": _silence(reports),
        "hallucination": _hallucination(reports),
    }
    return {name: sentence for name, sentence in found.items() if sentence}


def flags(found: Mapping[str, str]) -> dict[str, float]:
    """The signatures as metrics of a report."""
    return {f"health/{name}": float(name in found) for name in SIGNATURES}


def _critic(report: Mapping[str, float]) -> str:
    if "gap" not in report:
        return ""
    gap, saturation, right = report["gap"], report["saturation"], report["critic_accuracy"]
    if abs(gap) < BLIND:
        return (
            f"critic collapse: the gap E f(source) - E f(target) must be >= {BLIND:g}, but its "
            f"mean is {gap:.2g}; raise `critic_clip`, or lower `critic_layers`"
        )
    if saturation >= SATURATED and gap < 0 and right < 0.5:
        return (
            f"critic saturation: with {saturation:.0%} of its parameters at ±c the critic must "
            f"see a gap >= 0, but its mean is {gap:.2g} and it orders {right:.0%} of the pairs "
            "rightly; raise `critic_clip` or `critic_steps`, or lower `adversarial_weight`"
        )
    return ""


def _consistency(reports: Sequence[Mapping[str, float]]) -> str:
    last = [report for report in reports if "consistency" in report][-3:]
    if len(last) < 3:
        return ""
    torn, learned = ([report[name] for report in last] for name in ("consistency", "supervised"))
    rising = torn[0] < torn[1] < torn[2] and torn[2] >= TORN_GROWTH * torn[0]
    falling = learned[0] > learned[1] > learned[2]
    if torn[2] < TORN or not (rising and falling):
        return ""
    return (
        f"views torn apart: consistency must stay below {TORN:g} nats, but rose from "
        f"{torn[0]:.2g} to {torn[2]:.2g} while the cross-entropy fell from {learned[0]:.2g} to "
        f"{learned[2]:.2g}; raise `consistency_weight`, or look at the alignment of the views"
    )


def _silence(reports: Sequence[Mapping[str, float]]) -> str:
    best = max(report["f1"] for report in reports)
    if best < SPOKEN or len(reports) < 3 or any(r["predicted"] > 0 for r in reports[-2:]):
        return ""
    return (
        f"all words are O: the tagger must predict aspects, but after an F1 of {best:.3f} it "
        "predicted none at two reports; lower `learning_rate` or `adversarial_weight`"
    )


def _hallucination(reports: Sequence[Mapping[str, float]]) -> str:
    last = reports[-2:]
    if len(last) < 2 or any(
        r["predicted"] < TALKATIVE or r["hallucinated"] < INVENTED for r in last
    ):
        return ""
    return (
        f"hallucination: predicted aspects must touch marked words, but at two reports "
        f"{last[0]['hallucinated']:.0%} and {last[1]['hallucinated']:.0%} of "
        f"{last[1]['predicted']:.1f} aspects per sentence did not; lower `learning_rate`"
    )
