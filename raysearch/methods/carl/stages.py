"""The stages of a CARL trial: their steps and dependencies."""

from __future__ import annotations

from raysearch.config import settings_of
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.stage import Stage

__all__ = ["carl_stages", "outline"]


def carl_stages(config: CarlConfig, batches_per_epoch: int) -> tuple[Stage, ...]:
    """``warmup`` (contrastive only; if requested and followed by detection), then ``pretrain``.

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
    spec = config.variant_spec
    share = config.contrastive_warmup_share if spec.detects and spec.contrasts else 0.0
    warmup = min(round(steps * share), max(0, steps - 1))
    if warmup == 0:
        return (Stage("pretrain", settings_of(CarlConfig, "", "detection"), steps),)
    # A shared warm-up includes the reports that were made in it.
    return (
        Stage("warmup", settings_of(CarlConfig, "", "reports", "finetune"), warmup),
        Stage("pretrain", settings_of(CarlConfig, "detection"), steps - warmup),
    )


def outline(config: CarlConfig) -> tuple[Stage, ...]:
    """The stages with steps in proportion; see `methods.base.MethodLoader.outline`."""
    return carl_stages(config, batches_per_epoch=100)
