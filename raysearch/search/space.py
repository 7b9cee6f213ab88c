"""What does a sweep search, and what does it hold fixed.

`load_space` reads ``search_spaces/*.yaml``; the result is frozen, checked against the
method's own config class, and knows nothing of Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.config import TrainingConfig
from raysearch.search.parameters import Parameter
from raysearch.trial import MetricGoal, Scalar

__all__ = ["SearchSpace", "load_space"]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """A checked search space.

    Attributes:
        method: Name in `raysearch.methods.METHODS`.
        config_type: The method's config class.
        goal: Metric and direction that rank configurations.
        trials: Configurations to be asked in all, over every run of the sweep; at least 1.
        time_seconds: Seconds after which no further configuration is asked, or None.
        seeds: Cells per task and configuration; at least 1.
        sampler: Name in `raysearch.search.samplers.SAMPLERS`.
        pruner: Name in `raysearch.search.pruners.PRUNERS`.
        reduction: One configuration in `reduction` survives a judged rung.
        setting: Field name to value, held fixed; fields not named keep their defaults.
        parameters: What is searched, parents of conditions before their children.
        source: File that it came from, for messages.
    """

    method: str
    config_type: type[TrainingConfig]
    goal: MetricGoal
    trials: int
    time_seconds: float | None
    seeds: int
    sampler: str
    pruner: str
    reduction: int
    setting: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    source: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that makes a number comparable: everything but the budget."""
        raise NotImplementedError

    def config_for(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every setting of a configuration as JSON scalars and lists, validated.

        Raises:
            ConfigError: The values cannot go together.
        """
        raise NotImplementedError

    def paper_first(self) -> tuple[dict[str, Any], dict[str, Scalar]]:
        """The paper's own setting: its config, and the searched values that lie in the ranges."""
        raise NotImplementedError

    def with_overrides(
        self,
        settings: Mapping[str, str],
        *,
        trials: int | None = None,
        time_seconds: float | None = None,
        seeds: int | None = None,
        sampler: str | None = None,
        metric: str | None = None,
        direction: str | None = None,
    ) -> SearchSpace:
        """The space with what the command line says instead; a searched name becomes fixed.

        Raises:
            ConfigError: One sentence for every value that cannot be used.
        """
        raise NotImplementedError


def load_space(path: Path, config_type: type[TrainingConfig] | None = None) -> SearchSpace:
    """Read and check a search space.

    Args:
        path: The YAML file.
        config_type: The method's config class; by default that of the method it names.

    Raises:
        ConfigError: Every problem of the file, each with file and line.
    """
    raise NotImplementedError
