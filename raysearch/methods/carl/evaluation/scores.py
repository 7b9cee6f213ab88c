"""Scores of predictions on a downstream task, their means over corpora, and transfer of probes.

The same for both protocols; the prefix ``finetuned_`` distinguishes them, so that a frozen
probe and a fine-tuned encoder are never compared by accident.

Polarity corpora share sentences: most of SST-2 is cut from the sentences of MR. Of MR's 10,662
texts 5,029 are word for word in SST-2's train split, and 6,260 overlap it according to `Passages`.
A probe that is scored on its fitting rows shows no transfer (MiniLM, SST-2 to MR's test split:
.81 on rows that overlap, .71 on the others), so rows that overlap the source's fitting texts are
not scored, nor those that overlap its dev texts, which chose its penalty; the number of scored rows
is reported beside every accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from raysearch import metrics
from raysearch.corpora.records import Corpus
from raysearch.corpora.seen import Passages
from raysearch.methods.carl.evaluation.class_probes import LogisticProbe
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus

__all__ = ["FINETUNED", "HEAD", "class_scores", "task_means", "transfer_matrix", "va_scores"]

FINETUNED = "finetuned_"
"""Prefix of the fine-tuning protocol's names; the frozen probe has none."""

HEAD = "head_"
"""Prefix of the names of what the regression head of the variant ``finetune`` predicts itself."""

_VA_MEANS = {
    "va_pearson": ("valence_pearson", "arousal_pearson"),
    "va_spearman": ("valence_spearman", "arousal_spearman"),
}
_CLASS_MEANS = {"classes": "class_accuracy", "polarity": "polarity_accuracy"}


def va_scores(predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> dict[str, float]:
    """Pearson and Spearman of valence (column 0) and arousal (column 1), arrays (N, 2)."""
    scores = {}
    for column, dimension in enumerate(("valence", "arousal")):
        pair = predicted[:, column], labels[:, column]
        scores[f"{dimension}_pearson"] = metrics.pearson(*pair)
        scores[f"{dimension}_spearman"] = metrics.spearman(*pair)
    return scores


def class_scores(predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> dict[str, float]:
    """Accuracy and macro-F1 of class ids (N,)."""
    return {
        "accuracy": metrics.accuracy(predicted, labels),
        "macro_f1": metrics.macro_f1(predicted, labels),
    }


def task_means(
    found: Mapping[str, float], corpora: Sequence[Corpus], role: str, protocol: str = ""
) -> dict[str, float]:
    """Plain means over the corpora of a task; of correlations over V and A first, no Fisher z.

    Args:
        found: Scores named ``{role}/{corpus}/{protocol}{score}``.
        corpora: The corpora to include; one without a scorable row has no score.
        role: ``dev`` or ``test``.
        protocol: "", `FINETUNED` or `HEAD`.

    Returns:
        ``{role}/{protocol}va_pearson``, ``va_spearman``, ``class_accuracy`` and
        ``polarity_accuracy``, for tasks with corpora that all have scores: a mean over fewer
        would be another number. NaN if any included score is: undefined correlations are not
        left out.
    """
    groups: dict[str, list[float | None]] = {}
    for corpus in corpora:
        prefix = f"{role}/{corpus.name}/{protocol}"
        if corpus.task == "va":
            for mean, parts in _VA_MEANS.items():
                pair = [found[prefix + part] for part in parts if prefix + part in found]
                groups.setdefault(mean, []).append(sum(pair) / 2 if pair else None)
        else:
            score = found.get(prefix + "accuracy")
            groups.setdefault(_CLASS_MEANS[corpus.task], []).append(score)
    means = {}
    for name, values in groups.items():
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            means[f"{role}/{protocol}{name}"] = sum(known) / len(known)
    return means


def transfer_matrix(
    corpora: Sequence[EmbeddedCorpus], probes: Mapping[str, LogisticProbe], role: str
) -> dict[str, float]:
    """Accuracy of every corpus's probe on every other corpus with the same label names.

    Args:
        corpora: Polarity corpora; each has ``train`` (what its probe was fitted on), ``dev`` (what
            chose its penalty) and `role`, without the rows that the encoder was trained on.
        probes: Corpus name to the probe fitted on its train split.
        role: Split that is scored.

    Returns:
        ``{role}/{source}>{target}/accuracy`` and ``…/rows``, the number of rows scored; without
        the pairs that have no row left.
    """
    found = {}
    for source in corpora:
        targets = [
            corpus
            for corpus in corpora
            if corpus.name != source.name and corpus.label_names == source.label_names
        ]
        used = (*source.splits["train"].texts, *source.splits["dev"].texts)
        seen = Passages(used if targets else ())
        for target in targets:
            split = target.splits[role]
            fresh = ~seen.overlap(split.texts)
            if not fresh.any():
                continue
            predicted = probes[source.name].predict(split.states[fresh])
            name = f"{role}/{source.name}>{target.name}"
            found[f"{name}/accuracy"] = metrics.accuracy(predicted, split.labels[fresh])
            found[f"{name}/rows"] = float(fresh.sum())
    return found
