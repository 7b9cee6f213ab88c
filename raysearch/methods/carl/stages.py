"""The stages of a CARL trial: their steps and dependencies."""

from __future__ import annotations

from raysearch.config import settings_of
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.stage import Stage

__all__ = ["carl_stages", "outline"]


def carl_stages(config: CarlConfig, batches_per_epoch: int) -> tuple[Stage, ...]:
    """``masked`` if requested, ``warmup`` (contrastive only), if requested, then ``pretrain``.

    Args:
        config: The trial's settings.
        batches_per_epoch: Steps of one epoch.

    Returns:
        Stages of which ``warmup`` and ``pretrain`` together have `config.epochs` epochs of steps,
        at least one step unless `epochs` is 0 or the variant trains nothing. One learning-rate
        schedule spans both, as the momentum's does: detection joins a training that goes on.
        ``masked`` has its own. They report unless fine-tuning follows: what it is ranked by has no
        value before.
    """
    reports = config.protocol == "frozen"
    trains = config.variant != "frozen"
    steps = _steps(config.epochs, batches_per_epoch) if trains else 0
    masked = _steps(config.masked_epochs, batches_per_epoch) if trains else 0
    first: tuple[Stage, ...] = ()
    fields = settings_of(CarlConfig, "")
    if masked:
        first, fields = (Stage("masked", fields, masked, reports=False),), ()
    spec = config.variant_spec
    share = config.contrastive_warmup_share if spec.detects and spec.contrasts else 0.0
    warmup = min(round(steps * share), max(0, steps - 1))
    if warmup == 0:
        fields = (*fields, *settings_of(CarlConfig, "detection"))
        return (*first, Stage("pretrain", fields, steps, reports=reports))
    # A shared warm-up includes the reports that were made in it.
    made = settings_of(CarlConfig, "reports", "finetune") if reports else ()
    detection, rest = settings_of(CarlConfig, "detection"), steps - warmup
    return (
        *first,
        Stage("warmup", (*fields, *made), warmup, reports=reports, scheduled=(0, steps)),
        Stage("pretrain", detection, rest, reports=reports, scheduled=(warmup, steps)),
    )


def _steps(epochs: float, batches_per_epoch: int) -> int:
    return max(1, round(epochs * batches_per_epoch)) if epochs > 0 else 0


def outline(config: CarlConfig) -> tuple[Stage, ...]:
    """The stages with steps in proportion; see `methods.base.MethodLoader.outline`."""
    return carl_stages(config, batches_per_epoch=100)
