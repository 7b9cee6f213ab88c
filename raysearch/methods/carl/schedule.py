"""Which stages has a CARL trial, how many steps has each, and what does each depend on."""

from __future__ import annotations

from raysearch.methods.carl.config import EVALUATION_FIELDS, CarlConfig
from raysearch.methods.stage import Stage

__all__ = ["DETECTION_FIELDS", "SENTENCE_FIELDS", "carl_stages", "outline"]

SENTENCE_FIELDS: tuple[str, ...] = (
    "encoder",
    "layers",
    "max_length",
    "batch_size",
    "epochs",
    "learning_rate",
    "head_learning_rate",
    "weight_decay",
    "warmup_share",
    "clip_norm",
    "freeze_embeddings",
    "precision",
    "variant",
    "corpora",
    "train_rows",
    "batching",
    "label_scaling",
    "bucketing",
    "pooling",
    "projection_size",
    "prediction_hidden",
    "label_geometry",
    "sigma",
    "label_temperature",
    "temperature",
    "contrast_reading",
    "momentum_gap",
    "target_dropout",
    "contrastive_weight",
    "contrastive_warmup_share",
)
"""What the contrastive term, and so every stage, depends on."""

DETECTION_FIELDS: tuple[str, ...] = (
    "detection_weight",
    "top_k",
    "token_choice",
    "perturbation",
    "epsilon",
    "relative_epsilon",
    "pgd_steps",
    "pgd_step_size",
    "perturbation_norm",
    "focal_gamma",
    "focal_alpha",
    "vanish",
)
"""What only detection depends on: trials that differ in these share the warm-up."""


def carl_stages(config: CarlConfig, batches_per_epoch: int) -> tuple[Stage, ...]:
    """``warmup`` (contrastive only; where asked for and detection follows), then ``pretrain``.

    Args:
        config: The trial's settings.
        batches_per_epoch: Steps of one epoch.

    Returns:
        Stages that together have `config.epochs` epochs of steps, at least one step unless
        `epochs` is 0 or the variant trains nothing.
    """
    steps = max(1, round(config.epochs * batches_per_epoch)) if config.epochs > 0 else 0
    if config.variant == "frozen":
        steps = 0
    recipe = config.recipe
    share = config.contrastive_warmup_share if recipe.detects and recipe.contrasts else 0.0
    warmup = min(round(steps * share), max(0, steps - 1))
    if warmup == 0:
        return (Stage("pretrain", SENTENCE_FIELDS + DETECTION_FIELDS, steps),)
    reported = tuple(name for name in EVALUATION_FIELDS if name != "checkpoint_seconds")
    return (
        Stage("warmup", SENTENCE_FIELDS + reported, warmup),
        Stage("pretrain", DETECTION_FIELDS, steps - warmup),
    )


def outline(config: CarlConfig) -> tuple[Stage, ...]:
    """The stages with steps in proportion; see `methods.base.MethodLoader.outline`."""
    return carl_stages(config, batches_per_epoch=100)
