"""Failure signatures of CARL, which end a trial with a stated reason.

The paper's signatures, with thresholds that no working trial of ours came near; merely unusual
values are logged. Terms that are not finite end any method's trial, in the loop.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from raysearch.errors import UnhealthyError
from raysearch.methods.carl.config import CarlConfig

__all__ = ["check", "check_perturbation"]

_log = logging.getLogger(__name__)

LEAST_CHANGED = 0.5
"""Least fraction of coordinates that must change for a perturbation to be the requested one."""

COLLAPSED_UNIFORMITY = -1e-3
"""Uniformity above this means a mean squared distance below 0.0005 between unit vectors, a
cosine above 0.9997. The raw first-token states of RoBERTa, the narrowest cone known among
usual encoders, have cosines of about 0.99, and so -0.04."""

LEAST_GRADIENT = 1e-9
"""Below this the contrastive gradient on the embeddings is rounding error in fp32, and the
order of the tokens by it is chance. Usual values are 1e-4 to 1."""


def check_perturbation(share: float, config: CarlConfig) -> None:
    """Stop or warn when a perturbation vanishes in the number format in use.

    Args:
        share: Fraction of the chosen tokens' coordinates that really changed.
        config: Says what to do, and which radius was requested.

    Raises:
        UnhealthyError: It vanishes, and `vanish` is ``stop``.
    """
    if share >= LEAST_CHANGED:
        return
    relative = config.perturbation == "relative"
    radius = config.relative_epsilon if relative else config.epsilon
    name = "relative_epsilon" if relative else "epsilon"
    text = (
        f"perturbation vanishes: at least {LEAST_CHANGED:.0%} of the perturbed coordinates must "
        f"change, but {share:.3%} do with `{name}` {radius:g} in {config.precision} "
        f"(`perturbation_norm` {config.perturbation_norm}); raise it, or use variant `saliency`"
    )
    if config.vanish == "stop":
        raise UnhealthyError(text)
    _log.warning(text)


def check(config: CarlConfig, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
    """Check a report for failure signatures.

    Args:
        config: The trial's settings.
        terms: Means of the training terms since the last report; empty for an untrained trial.
        metrics: Fresh development metrics.

    Raises:
        UnhealthyError: Embeddings collapsed, or saliency is noise.
    """
    if not terms:
        return
    spread = [v for name, v in metrics.items() if name.endswith("/uniformity")]
    if spread and min(spread) > COLLAPSED_UNIFORMITY:
        raise UnhealthyError(
            f"embedding collapse: uniformity on dev must be <= {COLLAPSED_UNIFORMITY:g}, but is "
            f"{min(spread):.2g} at best; lower `learning_rate`, or raise `batch_size` or "
            "`temperature`"
        )
    gradient = terms.get("contrastive_gradient", math.inf)
    if gradient < LEAST_GRADIENT:
        raise UnhealthyError(
            f"saliency is noise: the contrastive gradient on the word embeddings must be >= "
            f"{LEAST_GRADIENT:g}, but is {gradient:.2g}; use `label_geometry` gauss or "
            "cos_centred, or raise `contrastive_warmup_share`"
        )
