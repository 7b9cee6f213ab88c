"""CARL's metrics, notes on its settings, and measures; does not need torch.

A sweep with an unknown objective is refused before it starts Ray. The names are those of
`evaluation.scores`, `evaluation.geometry` and `evaluation.diagnostics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.corpora import Corpus
from raysearch.methods.carl.config import MOVED, CarlConfig
from raysearch.methods.carl.corpora import load_corpora
from raysearch.methods.description import FinishedRuns, Measure, Record, SettingNotes

__all__ = ["MEASURES", "NOTES", "label_sentences", "metrics", "of_encoder"]

NOTES = SettingNotes(
    symbols={"epsilon": "ε", "relative_epsilon": "ρ", "temperature": "τ"},
    leading=("epsilon", "relative_epsilon", "top_k", "momentum_gap"),
    self_naming=("variant",),
    corpora=CarlConfig.SCORED_ON,
    work=("epochs",),
    diagnostics=("alignment", "uniformity", "changed", "auc", "moved"),
    moved=MOVED,
)

_FINETUNED = "finetuned_"
_HEAD = "head_"
_SCORES = {
    "va": ("valence_pearson", "valence_spearman", "arousal_pearson", "arousal_spearman"),
    "classes": ("accuracy", "macro_f1"),
    "polarity": ("accuracy", "macro_f1"),
}
_MEANS = {
    "va": ("va_pearson", "va_spearman"),
    "classes": ("class_accuracy",),
    "polarity": ("polarity_accuracy",),
}
_SPREAD = ("alignment", "alignment_pairs", "uniformity", "left_out")
_SILHOUETTE = {
    "va": "silhouette_quadrant",
    "classes": "silhouette",
    "polarity": "silhouette",
}
_DETECTION = ("detection_auc", "detection_auc_removed", "mccl_kl")
_CHANGED = "perturbation_changed"
_CHOICE = ("saliency_agreement", "saliency_chance")


def metrics(config: CarlConfig, *, role: str, data_dir: str) -> frozenset[str]:
    """See `raysearch.methods.description.Reported.metrics`."""
    loaded = load_corpora(config, data_dir, {"train", "dev"})
    probed = [loaded[name] for name in config.probed]
    found = {name for corpus in probed for name in _of_corpus(corpus, config)}
    found |= {MOVED} | _transfer(probed) | _skill(config)
    return frozenset(f"{role}/{name}" for name in found)


def of_encoder(metric: str, settings: Mapping[str, Any]) -> bool:
    """See `raysearch.methods.description.OfEncoder`.

    Probes are fitted to the exported weights; the discriminator, CARL's heads and the weights
    before training are not exported. A fine-tuned encoder is exported with its head: its scores
    hold, those of the probes are of the encoder before.
    """
    own = metric.rpartition("/")[2]
    if settings.get("protocol") == "finetuned":
        return own.startswith(_FINETUNED)
    others = (*_DETECTION, _CHANGED, *_CHOICE, MOVED)
    return not own.startswith((_FINETUNED, _HEAD)) and own not in others


def _of_corpus(corpus: Corpus, config: CarlConfig) -> set[str]:
    protocols = [""]
    if config.protocol == "finetuned":
        protocols.append(_FINETUNED)
    if config.variant_spec.objective == "regression" and corpus.task == "va":
        protocols += [_HEAD] if corpus.name in config.corpora else []
    scores = {protocol + name for protocol in protocols for name in _SCORES[corpus.task]}
    means = {protocol + name for protocol in protocols for name in _MEANS[corpus.task]}
    own = {*scores, *_SPREAD, _SILHOUETTE[corpus.task]}
    return means | {f"{corpus.name}/{name}" for name in own}


def _transfer(probed: list[Corpus]) -> set[str]:
    """Transfer metrics: probes scored on another corpus with the same labels."""
    polar = [corpus for corpus in probed if corpus.task == "polarity"]
    pairs = [
        f"{source.name}>{target.name}"
        for source in polar
        for target in polar
        if source.name != target.name and source.label_names == target.label_names
    ]
    names = {f"{pair}/{name}" for pair in pairs for name in ("accuracy", "rows")}
    return names | {"transfer_accuracy"} if pairs else set()


def _skill(config: CarlConfig) -> set[str]:
    if not config.variant_spec.detects:
        return set()
    changed = {_CHANGED} if config.variant_spec.perturbs else set()
    return {*_DETECTION, *changed, *(_CHOICE if config.choice == "salient" else ())}


def _labels(finished: FinishedRuns) -> list[Record]:
    # torch and scikit-learn take seconds, and reports read this module for its notes.
    from raysearch.methods.carl.evaluation.measures import spread_of_training_labels

    return spread_of_training_labels(finished)


def _embedding(finished: FinishedRuns) -> list[Record]:
    # As in `_labels`.
    from raysearch.methods.carl.evaluation.measures import maps_of_test_sentences

    return maps_of_test_sentences(finished)


def label_sentences(records: Sequence[Mapping[str, Any]], temperature: float = 0.1) -> list[str]:
    """Sentences on the labels of each corpus after min-max, and on the softmax of their cosines.

    Args:
        records: Records of the measure ``labels``.
        temperature: τ_y of the entropy.
    """
    found = []
    for corpus in dict.fromkeys(record["corpus"] for record in records):
        own = {
            record["geometry"]: record
            for record in records
            if (record["corpus"], record["scaling"]) == (corpus, "scale")
            and record["temperature"] == temperature
        }
        plain, centred = own["cos_uncentred"], own["cos_centred"]
        found.append(
            f"Labels of {corpus} after min-max: valence {_mean_sd(plain, 'valence')}, arousal "
            f"{_mean_sd(plain, 'arousal')}. Cosines of random pairs are "
            f"{_mean_sd(plain, 'pair')}, and the target at τ_y {temperature:g} has "
            f"{plain['entropy']:.3f} of the entropy of a uniform one; around the middle of the "
            f"scale {_mean_sd(centred, 'pair')} and {centred['entropy']:.3f}."
        )
    return found


def _mean_sd(record: Mapping[str, Any], name: str) -> str:
    return f"{record[f'{name}_mean']:.2f} ± {record[f'{name}_sd']:.2f}"


_TEMPERATURE = "label temperature τ$_y$"

MEASURES: Mapping[str, Measure] = {
    "labels": Measure(
        take=_labels,
        sentences=label_sentences,
        panels={
            "cos_uncentred": ("cosine, as the paper has it", _TEMPERATURE),
            "cos_centred": ("cosine around the middle", _TEMPERATURE),
            "gauss": ("Gaussian kernel", "width σ"),
        },
        lines={"scale": "min-max", "standardised": "standardised"},
    ),
    "embedding": Measure(take=_embedding),
}
"""Measures: the spread of the training labels, and maps of the test sentences' embeddings."""
