"""The cases that a method is tested by, and a run of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysearch.config import read_config
from raysearch.methods import get_method
from raysearch.methods.carl.config import VARIANTS as CARL_VARIANTS
from raysearch.methods.msmo.variants import VARIANTS as MSMO_VARIANTS
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

CARL = {
    "encoder": "tiny",
    "corpora": ["sample"],
    "max_length": 16,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "epochs": 0.25,
    "reports": 2,
    "checkpoint_seconds": 0.0,
}
MSMO = {
    "encoder": "tiny",
    "pairs": ["en-es"],
    "max_length": 32,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "distill_learning_rate": 1e-3,
    "steps": 8,
    "align_steps": 3,
    "student_steps": 3,
    "distill_steps": 6,
    "reports": 2,
    "checkpoint_seconds": 0.0,
}
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "carl": {variant: {**CARL, "variant": variant} for variant in CARL_VARIANTS}
    | {
        "paper": {**CARL, **get_method("carl").config_type.PAPER},
        "bf16": {**CARL, "precision": "bf16"},
        "warmup": {**CARL, "contrastive_warmup_share": 0.5, "freeze_embeddings": True},
        "masked": {**CARL, "masked_epochs": 0.3},
        "finetuned": {**CARL, "protocol": "finetuned", "finetune_epochs": 0.1},
    },
    "msmo": {variant: {**MSMO, "variant": variant} for variant in MSMO_VARIANTS}
    | {
        "paper": {**MSMO, **get_method("msmo").config_type.PAPER},
        "bf16": {**MSMO, "precision": "bf16"},
        "interleaved": {
            **MSMO,
            "schedule": "interleaved",
            "critic_training": "fixed",
            "critic_burst": True,
        },
        "literal": {**MSMO, "sampling": "literal"},
        "code": {
            **MSMO,
            "schedule": "interleaved",
            "sampling": "literal",
            "adversarial_source": "mixed",
            "critic_horizon": 0.19,
            "critic_training": "fixed",
            "critic_optimizer": "rmsprop",
            "freeze_embeddings": True,
        },
        "deep": {**MSMO, "critic_layers": 3, "schedule": "interleaved"},
        # Two views of English are hardly apart: a critic that must be sure would not lead.
        "no_translation": {**MSMO, "variant": "no_translation", "critic_training": "fixed"},
        "built": {**MSMO, "code_switch": "built", "alignment_noise": 0.2},
        "distill_s": {**MSMO, "distillation": "single", "freeze_embeddings": True},
        "distill_m": {**MSMO, "distillation": "multi", "distill_loss": "kl"},
        "raw_student": {
            **MSMO,
            "variant": "acs",
            "distillation": "single",
            "student_start": "pretrained",
            "distill_temperature": 2.0,
        },
        "mtl": {
            **MSMO,
            "pairs": ["en-es", "en-fr"],
            "multilingual": True,
            "distillation": "single",
        },
    },
}
"""Method to name of the case to its settings; every method of `METHODS` has at least one."""


class Record(NullListener):
    """A listener that keeps what it hears and stops after so many reports."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.stop_after, self.reports = stop_after, list[Report]()

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def stopped(self) -> bool:
        return len(self.reports) >= self.stop_after


def run(
    method: str,
    settings: Mapping[str, Any],
    folder: Path,
    *,
    seed: int = 0,
    stop_after: int = 10**9,
) -> Run | None:
    """Train settings on the method's first task, until the end or so many reports."""
    loader = get_method(method)
    config = read_config(loader.config_type, dict(settings), where="case")
    spec = RunSpec(
        sweep="contract",
        number=0,
        cell=Cell(loader.tasks(config)[0], seed),
        method=method,
        config=settings,
        folder=str(folder / "leases" / "a"),
    )
    return execute_run(spec, Record(stop_after), data_dir="nowhere")


def curve(trial: Run | None) -> list[tuple[int, dict[str, float]]]:
    """Steps and metrics of a complete run's reports."""
    assert trial is not None and trial.state is RunState.COMPLETE, trial
    return [(report.step, dict(report.metrics)) for report in trial.curve]
