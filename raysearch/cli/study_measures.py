"""What does a study measure beyond its rows: the spread of labels, and maps of embeddings.

A measure gets the folder of a sweep, its complete trials and the data folder, and gives flat
records, all with the same columns. It is told by name in a study's ``measure``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from raysearch.cli.opened import alone
from raysearch.cli.trials import restored, settings_of
from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.leaderboard.openings import Opening
from raysearch.trial import Trial

if TYPE_CHECKING:
    from raysearch.methods.carl.config import CarlConfig
    from raysearch.methods.carl.embedded import EmbeddedCorpus, EmbeddedSplit

__all__ = ["MEASURES", "QUADRANTS", "Measure", "Record"]

Record = dict[str, float | int | str]

Measure = Callable[[str, Sequence[Trial], str], list[Record]]
"""Folder of the sweep, its complete trials, data folder; to flat records."""

QUADRANTS: tuple[str, ...] = (
    "low valence, low arousal",
    "low valence, high arousal",
    "high valence, low arousal",
    "high valence, high arousal",
)
"""Names of what `losses.contrastive.quadrants` numbers."""


def _labels(folder: str, trials: Sequence[Trial], data_dir: str) -> list[Record]:
    """`label_spread` of all training corpora of the trials, by the first trial's batch size."""
    from raysearch.corpora import load
    from raysearch.methods.carl.label_spread import label_spread

    configs = [_config(trial) for trial in sorted(trials, key=lambda t: (t.number, t.cell))]
    names = dict.fromkeys(name for config in configs for name in config.corpora)
    corpora = [load(name, data_dir, {"train"}) for name in names]
    return label_spread(corpora, batch_size=configs[0].batch_size, seed=0) if configs else []


def _embedding(folder: str, trials: Sequence[Trial], data_dir: str) -> list[Record]:
    """Maps of the test sentences of every probed corpus, by each arm's first seed.

    One record for a sentence: ``trial``, ``task``, ``seed``, ``corpus``, ``row`` (its number in
    the test split), ``pca_x``, ``pca_y`` with the shares of variance ``pca_x_share`` and
    ``pca_y_share``, ``tsne_x``, ``tsne_y``, ``valence``, ``arousal`` (NaN where a corpus has
    none) and ``label``: the class, or the quadrant.
    """
    from raysearch.methods.carl.method import CarlMethod

    first: dict[tuple[int, str], Trial] = {}
    for trial in sorted(trials, key=lambda t: (t.number, t.cell)):
        _config(trial)
        first.setdefault((trial.number, trial.cell.task), trial)
    found: list[Record] = []
    with alone(folder, "test") as openings:
        for trial in first.values():
            opened: list[Opening] = []

            def begin(weights: str, trial: Trial = trial, opened: list[Opening] = opened) -> None:
                opened.append(openings.begin(trial, "test", what="embedding", weights=weights))

            method = restored(trial, folder, data_dir, "test", before=begin)
            assert isinstance(method, CarlMethod)
            for corpus in method.embeddings("test"):
                found += _mapped(trial, corpus)
            openings.finish(opened[0])
    return found


def _mapped(trial: Trial, corpus: EmbeddedCorpus) -> Iterator[Record]:
    from raysearch.methods.carl.embedding_map import embedding_map

    split = corpus.splits["test"]
    found = embedding_map(split.rows, seed=0)  # the same sentences for every arm
    labels = list(_label_columns(corpus, split))
    for row, pca, tsne in zip(
        found.rows.tolist(), found.pca.tolist(), found.tsne.tolist(), strict=True
    ):
        yield {
            "trial": trial.number,
            "task": trial.cell.task,
            "seed": trial.cell.seed,
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
    import torch

    from raysearch.methods.carl.losses.contrastive import quadrants

    nowhere = float("nan")
    if split.labels.ndim == 1:
        for number in split.labels.tolist():
            yield {"valence": nowhere, "arousal": nowhere, "label": corpus.label_names[number]}
        return
    corners = quadrants(torch.tensor(split.labels)).tolist()
    for (valence, arousal), corner in zip(split.labels.tolist(), corners, strict=True):
        yield {"valence": valence, "arousal": arousal, "label": QUADRANTS[corner]}


def _config(trial: Trial) -> CarlConfig:
    """The trial's settings.

    Raises:
        ConfigError: It is no trial of CARL.
    """
    from raysearch.methods.carl.config import CarlConfig

    if trial.method != "carl":
        raise ConfigError(
            f"`measure` must be of trials of carl, but trial {trial.id} is one of {trial.method}; "
            "leave `measure` out of the study, or set another method"
        )
    where = f"trial {trial.id}"
    return read_config(CarlConfig, settings_of(trial.method, trial.config), where=where)


MEASURES: Mapping[str, Measure] = {"labels": _labels, "embedding": _embedding}
"""Name in a study's ``measure`` to what measures it."""
