from collections.abc import Callable
from typing import Any

import pytest

from raysearch.devices import cpu_device
from raysearch.run import Cell, Report, Run, RunState


def _trial(
    number: int, score: float | None = 0.5, *, seed: int = 0, task: str = "emobank", **changes: Any
) -> Run:
    metrics = {} if score is None else {"dev/va_pearson": score, "loss": 2.0}
    fields: dict[str, Any] = {
        "sweep": "carl",
        "number": number,
        "cell": Cell(task, seed),
        "method": "carl",
        "state": RunState.COMPLETE,
        "config": {"encoder": "tiny", "layers": 0, "top_k": 0.1 * (number + 1), "focal": True},
        "metrics": metrics,
        "curve": tuple(
            Report(rung=rung, step=10 * rung, seconds=1.5 * rung, metrics=metrics)
            for rung in (1, 2)
        ),
        "steps": 20,
        "seconds": 3.0,
        "device": cpu_device(1),
        "finished": "2026-01-02T03:04:05+00:00",
        "provenance": {"data_digest": "ab" * 32, "commit": "1234567" + 33 * "0"},
    }
    return Run(**{**fields, **changes})


@pytest.fixture
def make_trial() -> Callable[..., Run]:
    """A finished trial: number, score, seed, task, and any field by name."""
    return _trial
