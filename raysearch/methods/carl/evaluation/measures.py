"""Measures for experiments on CARL beyond its rows: spread of labels, maps of embeddings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch import corpora
from raysearch.corpora import Corpus
from raysearch.methods.carl.classes import classes_of
from raysearch.methods.carl.data import LABEL_CENTRES, scaled_labels
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus, EmbeddedSplit
from raysearch.methods.carl.evaluation.geometry import embedding_map
from raysearch.methods.carl.losses import (
    ContrastiveObjective,
    label_similarity,
)
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.description import FinishedRuns, Record
from raysearch.run import Run

__all__ = [
    "BATCHES",
    "PAIRED_ROWS",
    "QUADRANTS",
    "TEMPERATURES",
    "label_spread",
    "maps_of_test_sentences",
    "spread_of_training_labels",
]

Labels = npt.NDArray[Any]

TEMPERATURES: dict[str, tuple[float, ...]] = {
    "cos_uncentred": (1.0, 0.1, 0.05, 0.01),
    "cos_centred": (1.0, 0.1, 0.05, 0.01),
    "gauss": (1.0, 0.3, 0.1, 0.03, 0.01),
}
"""Label temperatures τ_y by geometry; for ``gauss`` the widths σ instead."""

PAIRED_ROWS = 1000
"""Random rows whose pairs (499,500) are a sample of all pairs of a corpus."""

BATCHES = 50
"""Most batches that an entropy is a mean over."""


def label_spread(
    corpora: Sequence[Corpus], *, batch_size: int, seed: int
) -> list[dict[str, float | int | str]]:
    """One flat record per corpus, scaling, geometry and temperature; train splits only.

    Values that do not depend on geometry or temperature are repeated, so that every record has
    every column:

    ``corpus``, ``scaling``, ``geometry``, ``temperature`` (τ_y, or σ of ``gauss``),
    ``batch_size`` and ``rows``: what was measured on what.
    ``valence_mean``, ``valence_sd``, ``valence_d0`` … ``valence_d10`` and the same of arousal:
    the scaled labels; d0 and d10 are the extremes, d1 to d9 the deciles.
    ``centre_share``: rows exactly at the middle of the labels, which have no direction.
    ``end_share``: rows with valence or arousal at an end point of the rating scale, including
    those clipped by min-max, which a loaded corpus cannot distinguish.
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
        temperature=1.0,  # of the embeddings, which the targets do not depend on
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


QUADRANTS: tuple[str, ...] = (
    "low valence, low arousal",
    "low valence, high arousal",
    "high valence, low arousal",
    "high valence, high arousal",
)
"""Names of the four classes of `classes.classes_of`, cut at the training means."""


def spread_of_training_labels(finished: FinishedRuns) -> list[Record]:
    """`label_spread` of all training corpora of the runs, with the first run's batch size."""
    configs = [finished.config(run) for run in finished.runs]
    names = dict.fromkeys(name for config in configs for name in config.corpora)
    loaded = [corpora.load(name, finished.data_dir, {"train"}) for name in names]
    return label_spread(loaded, batch_size=configs[0].batch_size, seed=0) if configs else []


def maps_of_test_sentences(finished: FinishedRuns) -> list[Record]:
    """Maps of the test sentences of every probed corpus, for each arm's first seed.

    One record per sentence: ``trial``, ``task``, ``seed``, ``corpus``, ``row`` (its index in
    the test split), ``pca_x``, ``pca_y`` with the fractions of variance ``pca_x_share`` and
    ``pca_y_share``, ``tsne_x``, ``tsne_y``, ``valence``, ``arousal`` (NaN if a corpus has
    none) and ``label``: the class, or the quadrant.
    """
    first: dict[tuple[int, str], Run] = {}
    for run in finished.runs:
        first.setdefault((run.number, run.cell.task), run)
    found: list[Record] = []
    for run, method in finished.restored(first.values(), "test", what="embedding"):
        assert isinstance(method, CarlMethod)
        for corpus in method.embeddings("test"):
            found += _mapped(run, corpus)
    return found


def _mapped(run: Run, corpus: EmbeddedCorpus) -> Iterator[Record]:
    split = corpus.splits["test"]
    found = embedding_map(split.rows, seed=0)  # the same sentences for every arm
    labels = list(_label_columns(corpus, split))
    for row, pca, tsne in zip(
        found.rows.tolist(), found.pca.tolist(), found.tsne.tolist(), strict=True
    ):
        yield {
            "trial": run.number,
            "task": run.cell.task,
            "seed": run.cell.seed,
            "corpus": corpus.name,
            "row": row,
            "pca_x": pca[0],
            "pca_y": pca[1],
            "pca_x_share": float(found.explained[0]),
            "pca_y_share": float(found.explained[1]),
            "tsne_x": float(tsne[0]),
            "tsne_y": float(tsne[1]),
            **labels[row],
        }


def _label_columns(corpus: EmbeddedCorpus, split: EmbeddedSplit) -> Iterator[Record]:
    nowhere = float("nan")
    if split.labels.ndim == 1:
        for number in split.labels.tolist():
            yield {"valence": nowhere, "arousal": nowhere, "label": corpus.label_names[number]}
        return
    assert corpus.quadrant_cuts is not None
    corners = classes_of(split.labels, corpus.quadrant_cuts).tolist()
    for (valence, arousal), corner in zip(split.labels.tolist(), corners, strict=True):
        yield {"valence": valence, "arousal": arousal, "label": QUADRANTS[corner]}
