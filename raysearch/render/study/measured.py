"""What may be said of what a study measured beyond its arms: curves, and the spread of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.leaderboard.course import Course
from raysearch.render.format import score
from raysearch.render.study.words import interval_text

__all__ = ["course_sentence", "label_sentences"]


def course_sentence(found: Course) -> str:
    """Where a metric begins and ends, and whether the change is more than noise."""
    change = found.change
    ends = f"{change.mean:+.4f}, {interval_text(change)}"
    sure = "" if change.bounded and change.excludes_zero else ", which cannot be told from none"
    return (
        f"{found.metric} is {score(found.first)} at the first report (step {found.steps[0]:.0f}) "
        f"and {score(found.last)} at the last (step {found.steps[1]:.0f}), over all arms: a change "
        f"of {ends}{sure}."
    )


def label_sentences(measured: Sequence[Mapping[str, Any]], temperature: float = 0.1) -> list[str]:
    """What min-max makes of the labels of each corpus, and of the softmax over their cosines.

    Args:
        measured: Records of `label_spread`.
        temperature: τ_y at which the entropy is told.
    """
    said = []
    for corpus in dict.fromkeys(record["corpus"] for record in measured):
        own = {
            record["geometry"]: record
            for record in measured
            if (record["corpus"], record["scaling"]) == (corpus, "scale")
            and record["temperature"] == temperature
        }
        plain, centred = own["cos_uncentred"], own["cos_centred"]
        said.append(
            f"Labels of {corpus} after min-max: valence {_spread_of(plain, 'valence')}, arousal "
            f"{_spread_of(plain, 'arousal')}. Cosines of random pairs are "
            f"{_spread_of(plain, 'pair')}, and the target at τ_y {temperature:g} has "
            f"{plain['entropy']:.3f} of the entropy of a uniform one; around the middle of the "
            f"scale {_spread_of(centred, 'pair')} and {centred['entropy']:.3f}."
        )
    return said


def _spread_of(record: Mapping[str, Any], name: str) -> str:
    return f"{record[f'{name}_mean']:.2f} ± {record[f'{name}_sd']:.2f}"
