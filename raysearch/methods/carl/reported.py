"""Which metrics can a trial of CARL report: known from its settings and its corpora.

Needs no torch, so that a sweep whose objective is none of them is refused before it starts Ray.
The names are those of `scores`, `quality`, `transfer` and `diagnostics`.
"""

from __future__ import annotations

from raysearch.corpora import Corpus
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.corpora import load_corpora

__all__ = ["metrics", "of_encoder"]

_FINETUNED = "finetuned_"
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
    """See `raysearch.methods.reported.Reported.metrics`."""
    loaded = load_corpora(config, data_dir, {"train", "dev"})
    probed = [loaded[name] for name in config.probed]
    found = {name for corpus in probed for name in _of_corpus(corpus, config)}
    return frozenset(f"{role}/{name}" for name in (found | _transfer(probed) | _skill(config)))


def of_encoder(metric: str) -> bool:
    """See `raysearch.methods.reported.OfEncoder`.

    Probes are fitted to the exported weights; the discriminator, the heads and fine-tuned copies
    are not exported.
    """
    own = metric.rpartition("/")[2]
    return not own.startswith(_FINETUNED) and own not in (*_DETECTION, _CHANGED, *_CHOICE)


def _of_corpus(corpus: Corpus, config: CarlConfig) -> set[str]:
    protocols = ("", _FINETUNED) if config.protocol == "finetuned" else ("",)
    scores = {protocol + name for protocol in protocols for name in _SCORES[corpus.task]}
    means = {protocol + name for protocol in protocols for name in _MEANS[corpus.task]}
    own = {*scores, *_SPREAD, _SILHOUETTE[corpus.task]}
    return means | {f"{corpus.name}/{name}" for name in own}


def _transfer(probed: list[Corpus]) -> set[str]:
    """Of probes that are scored on another corpus with the same labels."""
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
    if not config.recipe.detects:
        return set()
    changed = {_CHANGED} if config.recipe.perturbs else set()
    return {*_DETECTION, *changed, *(_CHOICE if config.choice == "salient" else ())}
