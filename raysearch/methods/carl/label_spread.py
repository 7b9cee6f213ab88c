"""What do labels look like after min-max, and how much contrast is left in them?

Min-max by the end points of the rating scale (Eq. 12) puts every label into one quadrant of the
plane, where all cosines are near 1: the softmax over them is then close to uniform, and a
collapsed encoder close to the optimum (carl.md §4.1). Here that is measured on the train split
of every corpus, for both scalings of the labels and all geometries.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora import Corpus
from raysearch.methods.carl.data import LABEL_CENTRES, scaled_labels
from raysearch.methods.carl.losses.contrastive import ContrastiveObjective, label_similarity

__all__ = ["BATCHES", "PAIRED_ROWS", "TEMPERATURES", "label_spread"]

Labels = npt.NDArray[Any]

TEMPERATURES: dict[str, tuple[float, ...]] = {
    "cos_uncentred": (1.0, 0.1, 0.05, 0.01),
    "cos_centred": (1.0, 0.1, 0.05, 0.01),
    "gauss": (1.0, 0.3, 0.1, 0.03, 0.01),
}
"""Label temperatures τ_y by geometry; of ``gauss`` the widths σ that stand in their place."""

PAIRED_ROWS = 1000
"""All pairs of so many random rows (499,500) stand for all pairs of a corpus."""

BATCHES = 50
"""Most batches that an entropy is a mean over."""


def label_spread(
    corpora: Sequence[Corpus], *, batch_size: int, seed: int
) -> list[dict[str, float | int | str]]:
    """One flat record for each corpus, scaling, geometry and temperature; train splits only.

    What does not depend on geometry or temperature is repeated, so that every record has every
    column:

    ``corpus``, ``scaling``, ``geometry``, ``temperature`` (τ_y, or σ of ``gauss``),
    ``batch_size`` and ``rows``: what was measured on what.
    ``valence_mean``, ``valence_sd``, ``valence_d0`` … ``valence_d10`` and the same of arousal:
    the scaled labels; d0 and d10 are the extremes, d1 to d9 the deciles.
    ``centre_share``: rows exactly at the middle of the labels, which have no direction.
    ``end_share``: rows with valence or arousal at an end point of the rating scale. Those that
    min-max clipped are among them; a loaded corpus does not tell them from honest extremes.
    ``pair_mean``, ``pair_sd``: the cosine of random pairs; of ``gauss`` the kernel
    exp(-|y_i - y_j|² / 2σ²).
    ``entropy``: of the softmax targets P over a batch (Eq. 6), relative to ln B: 1 is uniform.

    Args:
        corpora: Of task ``va``, opened with train.
        batch_size: B >= 2; a smaller corpus is one batch.
        seed: Of the batches and pairs.
    """
    found: list[dict[str, float | int | str]] = []
    for corpus in corpora:
        ends = corpus.split("train").labels
        end_share = float(((ends <= 0) | (ends >= 1)).any(axis=1).mean())
        for scaling, centre in LABEL_CENTRES.items():
            labels = scaled_labels(corpus, "train", scaling).astype(np.float64)
            shape = _distribution(labels, centre) | {"end_share": end_share}
            for geometry, temperatures in TEMPERATURES.items():
                for temperature in temperatures:
                    found.append(
                        {
                            "corpus": corpus.name,
                            "scaling": scaling,
                            "geometry": geometry,
                            "temperature": temperature,
                            "batch_size": min(batch_size, len(labels)),
                            "rows": len(labels),
                            **shape,
                            **_contrast(labels, geometry, temperature, centre, batch_size, seed),
                        }
                    )
    return found


def _distribution(labels: Labels, centre: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for column, name in enumerate(("valence", "arousal")):
        values = labels[:, column]
        found[f"{name}_mean"], found[f"{name}_sd"] = float(values.mean()), float(values.std())
        deciles = np.quantile(values, np.arange(11) / 10).tolist()
        found |= {f"{name}_d{part}": value for part, value in enumerate(deciles)}
    return found | {"centre_share": float((labels == centre).all(axis=1).mean())}


def _contrast(
    labels: Labels, geometry: str, temperature: float, centre: float, batch_size: int, seed: int
) -> dict[str, float]:
    """Mean and sd over pairs, and the entropy of the targets."""
    objective = ContrastiveObjective(
        geometry=geometry,
        reading="softmax",
        temperature=1.0,  # of the embeddings, which the targets do not know
        label_temperature=temperature,
        sigma=temperature,
        centre=centre,
    )
    chance = np.random.default_rng(seed)
    order = torch.from_numpy(labels[chance.permutation(len(labels))])
    drawn = order[:PAIRED_ROWS]
    similarity = label_similarity(drawn, geometry, centre=centre, sigma=temperature)
    values = similarity.exp() if geometry == "gauss" else similarity
    pairs = values[tuple(torch.triu_indices(len(drawn), len(drawn), offset=1))]
    size = min(batch_size, len(order))
    entropies = [
        torch.special.entr(objective.targets(order[start : start + size])).sum(-1).mean()
        for start in range(0, min(len(order) // size, BATCHES) * size, size)
    ]
    return {
        "pair_mean": float(pairs.mean()),
        "pair_sd": float(pairs.std(correction=0)),
        "entropy": float(torch.stack(entropies).mean()) / math.log(size),
    }
