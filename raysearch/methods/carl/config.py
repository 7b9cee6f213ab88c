"""The settings of CARL: what each means, and what the paper says about it.

References to the paper are by equation and section as numbered in `docs/carl.md`; "paper
silent" means that no value could be found. The defaults are the variant that works; the paper's own
values are `CarlConfig.PAPER`, and the paper card in `__init__.py` compares both. Every step depends
on the settings whose `part` is ""; only detection depends on those of ``detection``, only the
evaluation on those of ``reports`` and ``finetune``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from raysearch.config import TrainingConfig, setting

__all__ = ["CUTS", "MOVED", "VARIANTS", "CarlConfig", "Variant", "tasks"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The training of a variant: CARL, a part of it, or a baseline on the same code path.

    Attributes:
        objective: The sentence-level objective: ``soft`` continuous labels (CARL), ``discrete``
            labels, ``dropout`` views (SimCSE), ``regression`` on the labels, or ``none``.
        contrasts: Whether the sentence level trains; if not, its gradient only chooses tokens.
        detects: Whether perturbed token detection trains.
        perturbs: Whether chosen tokens are really perturbed.
        random_tokens: Whether tokens are chosen at random, whatever `token_choice` says.
    """

    objective: str
    contrasts: bool = True
    detects: bool = False
    perturbs: bool = False
    random_tokens: bool = False

    @property
    def weighs_contrast(self) -> bool:
        """Whether `contrastive_weight` has an effect."""
        return self.contrasts and self.objective in ("soft", "discrete")


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "carl": Variant(objective="soft", detects=True, perturbs=True),
        "no_ptd": Variant(objective="soft"),
        "no_mccl": Variant(objective="soft", contrasts=False, detects=True, perturbs=True),
        "saliency": Variant(objective="soft", detects=True),
        "placebo": Variant(objective="soft", detects=True, perturbs=True, random_tokens=True),
        "supcon": Variant(objective="discrete"),
        "simcse": Variant(objective="dropout"),
        "finetune": Variant(objective="regression"),
        "frozen": Variant(objective="none", contrasts=False),
    }
)


MOVED = "encoder_moved"
"""Metric of how far the encoder is from its start; see `methods.movement`."""

CUTS: tuple[str, ...] = ("mean", "middle", "neutral", "terciles", "quintiles")
"""Ways to cut ratings into classes; see `classes.cut_points`."""


@dataclass(frozen=True, kw_only=True)
class CarlConfig(TrainingConfig):
    """Settings of CARL and of its baselines."""

    SCORED_ON: ClassVar[tuple[str, ...]] = (
        *("corpora", "va_corpora", "class_corpora", "polarity_corpora"),
    )
    PAPER: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "label_geometry": "cos_uncentred",
            "label_scaling": "scale",
            "contrast_reading": "softmax",
            "momentum_gap": 4e-4,
            "contrastive_weight": 0.8,
            "detection_weight": 0.2,
            "contrastive_warmup_share": 0.0,
            "top_k": 0.10,
            "token_choice": "salient",
            "perturbation": "absolute",
            "epsilon": 5e-9,
            "precision": "fp32",
            "vanish": "warn",
        }
    )
    """The paper's own setting; what it leaves open keeps its default. ``fp32`` and ``warn``
    are what the literal ε of 5e-9 needs to run at all (carl.md §4.2)."""

    variant: str = setting("carl", choices=tuple(VARIANTS))
    """What is trained: ``carl``; without detection (``no_ptd``) or without the contrastive
    term (``no_mccl``); ε = 0, which is saliency prediction (``saliency``); random tokens
    (``placebo``); contrast of classes of labels (``supcon``); dropout views (``simcse``);
    regression on the labels (``finetune``); nothing (``frozen``). Paper: Table V and baselines."""

    # Data
    epochs: float = setting(3.0, low=0, high=1000)
    """Passes over the training data; fractions are allowed; 0 trains nothing."""
    corpora: tuple[str, ...] = setting(("sample",))
    """Training corpora with valence-arousal labels. Paper: four VA corpora (Sec. IV). Corpora of
    polarity are an extension: negative is valence 0, positive 1, arousal 0.5 throughout."""
    masked_epochs: float = setting(0.0, low=0, high=1000)
    """Passes of masked language modelling before the others. Paper: a remedy for noisy saliency, of
    unknown length; 0 leaves it out."""
    train_rows: int = setting(0, low=0)
    """Most rows that CARL is trained on, over all training corpora in proportion; 0 takes all. A
    smaller choice lies within a larger one. Not in the paper; probes are not affected."""
    batching: str = setting("within_corpus", choices=("mixed", "within_corpus"))
    """Whether a batch mixes corpora. Paper silent; within, since a corpus's own level leaks
    into its labels (carl.md §4.1 d)."""
    label_scaling: str = setting("scale", choices=("scale", "standardised"))
    """Labels by the end points of the rating scale (Eq. 12), or then standardised per corpus."""
    class_cuts: str = setting("mean", choices=CUTS)
    """Where valence and arousal are cut into the classes of ``supcon``: in two at the training mean
    of a corpus or at the middle of its scale; with a neutral class at that middle; in three or
    five at training quantiles."""
    bucketing: int = setting(16, low=1)
    """Batches whose sentences are sorted by length together; 1 sorts none. Paper silent."""

    # Model
    pooling: str = setting("mean", choices=("cls", "mean"))
    """Sentence state f(x): first token or mean over real tokens. Paper silent; the default
    encoder was trained for the mean."""
    projection_size: int = setting(256, low=1)
    """Width of projection g and of the keys. Paper silent; MoCo-v3 and BYOL have 256."""
    prediction_hidden: int = setting(1024, low=1)
    """Hidden width of the prediction q. Paper silent; a quarter of BYOL's."""

    # Momentum continuous contrastive learning (MCCL)
    label_geometry: str = setting("gauss", choices=("gauss", "cos_centred", "cos_uncentred"))
    """Similarity of labels s_ij (Eq. 4). Paper: cosine, uncentred, which makes the target
    nearly uniform: 99.7 % of the entropy on EmoBank, 92.9 % on Facebook posts at τ_y = 0.1."""
    sigma: float = setting(0.1, low=1e-4, high=100)
    """Width σ of ``gauss``, in units of the scaled labels; it stands for τ_y there."""
    label_temperature: float = setting(0.1, low=1e-4, high=100)
    """τ_y of the softmax over label cosines (Eq. 6); not used by ``gauss``. Paper silent."""
    temperature: float = setting(0.1, low=1e-3, high=100)
    """τ of the softmax over embedding similarities (Eq. 6). Paper silent; 0.05-0.1 is usual."""
    contrast_reading: str = setting("softmax", choices=("softmax", "linear", "binary", "reverse"))
    """Reading of "symmetric cross-entropy" (Eq. 6): soft targets by softmax, by shares
    (``linear``), element-wise (``binary``), or with the reverse cross-entropy (``reverse``)."""
    momentum_gap: float = setting(0.01, low=0, high=1)
    """1 - m₀: how far the target moves to the online encoder in the first step (Eq. 3); it
    falls to 0 by a cosine per step. Paper: 4e-4, which leaves a short trial's target unmoved."""
    target_dropout: bool = setting(False)
    """Whether the target has dropout on, a second view. Paper silent."""
    contrastive_weight: float = setting(0.8, low=0, high=100)
    """Weight of L_MCCL (Eq. 11)."""
    contrastive_warmup_share: float = setting(0.0, low=0, high=0.9)
    """Share of the steps that train L_MCCL alone before detection starts. Paper silent."""

    # Perturbed token detection (PTD)
    detection_weight: float = setting(0.2, low=0, high=100, part="detection")
    """Weight of L_PTD (Eq. 11)."""
    top_k: float = setting(0.10, low=0, high=1, low_open=True, part="detection")
    """Share of a sentence's tokens that is perturbed (Eq. 8), rounded up, at least one token."""
    token_choice: str = setting(
        "salient", choices=("salient", "half_random", "random"), part="detection"
    )
    """Which tokens (Eq. 7-8): the salient ones; a random half of them and as many others, so
    that saliency alone does not tell; or any."""
    perturbation: str = setting("relative", choices=("relative", "absolute"), part="detection")
    """Whether the radius is `relative_epsilon` or `epsilon`. Paper: absolute."""
    epsilon: float = setting(5e-9, low=0, high=100, part="detection")
    """Absolute radius ε on word embeddings (Eq. 9). Paper: 5e-9, below the rounding noise of a
    forward pass (carl.md §4.2)."""
    relative_epsilon: float = setting(1.0, low=0, high=100, part="detection")
    """Relative radius ρ in units of the sd of the word embeddings; a coordinate's change (sign)
    or its root mean square (L2). Detectable from about 0.3 (carl.md §4.2)."""
    pgd_steps: int = setting(1, low=1, high=20, part="detection")
    """Ascent steps K (Eq. 9); the first is free. Paper silent."""
    pgd_step_size: float = setting(1.0, low=0, high=10, low_open=True, part="detection")
    """Step α in units of the radius (Eq. 9). Paper silent; one step then reaches the border."""
    perturbation_norm: str = setting("sign", choices=("sign", "l2"), part="detection")
    """Direction and ball (Eq. 9): sign and maximum norm, or gradient and L2 norm per token.
    Paper silent."""
    focal_gamma: float = setting(2.0, low=0, high=20, part="detection")
    """Focusing exponent γ (Eq. 10). Paper silent; RetinaNet's 2."""
    focal_alpha: float | None = setting(None, low=0, high=1, part="detection")
    """Weight α of perturbed tokens, 1 - α of others (Eq. 10); null weighs both 1. Paper silent;
    RetinaNet's 0.25 would weigh the rare class down."""
    vanish: str = setting("stop", choices=("stop", "warn"), part="detection")
    """When the number format keeps less than half of the perturbed coordinates: stop or warn."""

    # Downstream
    va_corpora: tuple[str, ...] = setting((), part="reports")
    """Corpora of the valence-arousal probe; empty means that the training corpora are probed,
    those of polarity as polarity."""
    class_corpora: tuple[str, ...] = setting((), part="reports")
    """Corpora of the emotion classification probe. Paper: GoEmotions-10, DailyDialog, ..."""
    polarity_corpora: tuple[str, ...] = setting((), part="reports")
    """Corpora of the polarity and transfer probe. Paper: names not found."""
    probe_rows: int = setting(0, low=0, part="reports")
    """Most rows of a train split that the probes of a dev report are fitted on; 0 takes all. The
    test reading always takes all. Not in the paper; a cheaper report for a small machine."""
    probe_layers: str = setting("last", choices=("last", "mix"), part="reports")
    """What a probe reads: the last layer, or the mix of up to three hidden layers that its judging
    rows choose. Paper silent."""
    protocol: str = setting("frozen", choices=("frozen", "finetuned"), part="finetune")
    """Downstream protocol: probes on the frozen encoder, or full fine-tuning. Paper silent; the
    two are never to be compared."""
    finetune_epochs: float = setting(3.0, low=0, low_open=True, high=1000, part="finetune")
    """Epochs of the ``finetuned`` protocol. Paper silent."""
    finetune_learning_rate: float = setting(2e-5, low=0, low_open=True, high=1, part="finetune")
    """Peak learning rate of the ``finetuned`` protocol. Paper silent."""

    @property
    def variant_spec(self) -> Variant:
        """The training of the variant."""
        return VARIANTS[self.variant]

    @property
    def choice(self) -> str:
        """The token choice, which the variant may override."""
        return "random" if self.variant_spec.random_tokens else self.token_choice

    @property
    def probed(self) -> tuple[str, ...]:
        """Names of all corpora of the downstream evaluation, without duplicates."""
        va = self.va_corpora or self.corpora
        return tuple(dict.fromkeys((*va, *self.class_corpora, *self.polarity_corpora)))

    @property
    def inert(self) -> frozenset[str]:
        """See `TrainingConfig.inert`."""
        unused = {
            "label_temperature" if self.label_geometry == "gauss" else "sigma",
            "epsilon" if self.perturbation == "relative" else "relative_epsilon",
        }
        if self.variant == "frozen":
            unused.add("masked_epochs")
        if self.variant_spec.objective != "discrete":
            unused |= {"class_cuts"}
        if self.protocol == "frozen":
            unused |= {"finetune_epochs", "finetune_learning_rate"}
        return super().inert | unused

    def problems(self) -> list[str]:
        """Sentences on invalid combinations of fields; empty when there are none."""
        found = []
        if not self.corpora:
            found.append("`corpora` must name at least one corpus, but it is empty")
        if 0 < self.train_rows < len(self.corpora):
            found.append(
                "`train_rows` must be 0 or at least 1 for each of the "
                f"{len(self.corpora)} training corpora, but got {self.train_rows}"
            )
        radius = self.relative_epsilon if self.perturbation == "relative" else self.epsilon
        name = "relative_epsilon" if self.perturbation == "relative" else "epsilon"
        if self.variant_spec.perturbs and radius == 0:
            found.append(
                f"`{name}` must be > 0 for variant `{self.variant}`, but got 0; "
                "the variant without a perturbation is `saliency`"
            )
        spec = self.variant_spec
        if spec.weighs_contrast and self.contrastive_weight == 0:
            other = (
                "the variant without the contrastive term is `no_mccl`"
                if spec.detects
                else "the term is all that it trains; the variant that trains nothing is `frozen`"
            )
            found.append(
                f"`contrastive_weight` must be > 0 for variant `{self.variant}`, but got 0; {other}"
            )
        if self.variant_spec.detects and self.detection_weight == 0:
            found.append(
                "`detection_weight` must be > 0, but got 0; "
                "the variant without detection is `no_ptd`"
            )
        return found


def tasks(config: CarlConfig) -> tuple[str, ...]:
    """The one task of a CARL trial: its training corpora joined by ``+``."""
    return ("+".join(config.corpora),)
