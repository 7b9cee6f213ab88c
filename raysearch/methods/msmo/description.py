"""MSMO's metrics, the same for all settings, and notes on its settings; does not need torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysearch.methods.description import Measure, SettingNotes
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.tags import micro_f1

__all__ = ["MEASURES", "NOTES", "metrics", "of_encoder"]

NOTES = SettingNotes(
    symbols={"consistency_weight": "β", "critic_clip": "c", "adversarial_weight": "λ"},
    leading=("consistency_weight", "critic_clip"),
    self_naming=("variant",),
    corpora=("corpus",),
    work=("steps", "batch_size"),
    tasks="pairs",
    diagnostics=("hallucinated", "predicted"),
)
MEASURES: Mapping[str, Measure] = {}


def metrics(config: MsmoConfig, *, role: str, data_dir: str) -> frozenset[str]:
    """See `raysearch.methods.description.Reported.metrics`."""
    beside = ("current_f1",) if role == "dev" else ("in_training", "all_f1")
    return frozenset(f"{role}/{name}" for name in (*micro_f1([], []), *beside))


def of_encoder(metric: str, settings: Mapping[str, Any]) -> bool:
    """False: all metrics depend on the tagger, which is not exported."""
    return False
