import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from raysearch.trial import Cell, Trial, TrialState

_CONFIG = {
    "encoder": "package:minilm",
    "layers": 6,
    "batch_size": 64,
    "top_k": 0.1,
    "relative_epsilon": 0.001,
    "pgd_steps": 3,
    "momentum": 0.9996,
    "contrastive_weight": 0.8,
    "temperature": 0.05,
    "label_temperature": 0.1,
    "label_geometry": "cos_centred",
    "learning_rate": 3e-5,
    "focal_gamma": 2.0,
    "focal_alpha": 0.25,
}


@pytest.fixture
def make_trial() -> Callable[..., Trial]:
    """A finished CARL trial: number, score, seed, settings that differ, any field by name."""

    def build(number: int, score: float | None = 0.5, *, seed: int = 0, **changes: Any) -> Trial:
        config = {**_CONFIG, **changes.pop("config", {})}
        fields: dict[str, Any] = {
            "sweep": "carl-emobank",
            "number": number,
            "cell": Cell("emobank", seed),
            "method": "carl",
            "state": TrialState.COMPLETE,
            "config": config,
            "metrics": {} if score is None else {"dev/va_pearson": score},
            "steps": 20,
            "seconds": 3.0,
            "finished": "2026-01-02T03:04:05+00:00",
        }
        return Trial(**{**fields, **changes})

    return build


@pytest.fixture
def draw() -> Callable[..., list[str]]:
    """What rich makes of a value: its lines, without colour, trailing blanks cut."""

    def lines(value: Any, width: int = 80, height: int = 40, encoding: str = "utf-8") -> list[str]:
        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding=encoding)
        console = Console(file=file, width=width, height=height, color_system=None)
        console.print(value)
        file.flush()
        return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]

    return lines
