"""A toy method's config and spaces over it, so that the search is tested without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from raysearch.config import TrainingConfig, setting
from raysearch.search.space import SearchSpace, load_space


@dataclass(frozen=True, kw_only=True)
class ToyConfig(TrainingConfig):
    PAPER: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"shape": "round", "width": 9.0, "gate": True}
    )

    shape: str = setting("square", choices=("round", "square", "odd"))
    width: float = setting(0.5, low=0, high=10)
    depth: int = setting(2, low=1, high=9)
    tilt: float = setting(0.1, low=0, high=1, low_open=True)
    weight: float | None = setting(None, low=0, high=1)
    gate: bool = setting(False)
    tags: tuple[str, ...] = setting(("a",))

    def problems(self) -> list[str]:
        if self.shape == "odd" and self.depth == 9:
            return ["`depth` must be < 9 for an odd shape, but got 9"]
        return []


TOY = """\
method: toy
objective: {metric: dev/score}
budget: {trials: 6, time: 2m}
setting: {reports: 4, gate: false}
search:
  width: {low: 0.1, high: 5, log: true}
  depth: {low: 1, high: 4}
  shape: [round, square]
  tilt: {low: 0.1, high: 0.9, when: {shape: square}}
"""

FINITE = """\
method: toy
objective: {metric: dev/score}
budget: {trials: 100}
sampler: grid
search:
  depth: {low: 1, high: 2}
  shape: [round, square]
  gate: {choices: [true, false], when: {shape: square}}
"""


@pytest.fixture
def toy_config() -> type[TrainingConfig]:
    return ToyConfig


@pytest.fixture
def read_space(tmp_path: Path) -> Callable[[str], SearchSpace]:
    def read(text: str) -> SearchSpace:
        path = tmp_path / "space.yaml"
        path.write_text(text, encoding="utf-8")
        return load_space(path, ToyConfig)

    return read


@pytest.fixture
def toy_space(read_space: Callable[[str], SearchSpace]) -> SearchSpace:
    return read_space(TOY)


@pytest.fixture
def finite_space(read_space: Callable[[str], SearchSpace]) -> SearchSpace:
    return read_space(FINITE)
