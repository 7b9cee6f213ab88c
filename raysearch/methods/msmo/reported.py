"""Which metrics can a trial of MSMO report: the same whatever its settings are.

Needs no torch, so that a sweep whose objective is none of them is refused before it starts Ray.
"""

from __future__ import annotations

from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.tags import micro_f1

__all__ = ["metrics", "of_encoder"]


def metrics(config: MsmoConfig, *, role: str, data_dir: str) -> frozenset[str]:
    """See `raysearch.methods.reported.Reported.metrics`."""
    beside = "current_f1" if role == "dev" else "in_training"
    return frozenset(f"{role}/{name}" for name in (*micro_f1([], []), beside))


def of_encoder(metric: str) -> bool:
    """See `raysearch.methods.reported.OfEncoder`: all are of the tagger, which is not exported."""
    return False
