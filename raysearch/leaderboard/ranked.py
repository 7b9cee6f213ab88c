"""What is known of a configuration once it has been ranked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, overload

from raysearch.trial import Scalar

__all__ = ["Ranked", "Ranking", "Standing"]


class Standing(StrEnum):
    """How a configuration stands, over all its cells."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    PRUNED = "pruned"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """One configuration and where it came.

    Attributes:
        rank: From 1; None for a configuration that is not ranked.
        sweep: Name of the sweep.
        trial: The trial's number in the study.
        method: Name of the method.
        tasks: Its cells' tasks, joined by commas.
        standing: FAILED or PRUNED when any cell is; PARTIAL when a cell, or the metric in one,
            is lacking; else COMPLETE, and only then is it ranked.
        reason: Why it was pruned or failed, or which metric is lacking; empty otherwise.
        cells: How many cells are in; of a partial one those that have the metric.
        score: What it is worth (`raysearch.objective.worth`): `mean`, or the worst mean of a
            task; NaN unless every cell that it must have has the metric.
        score_sd: Standard deviation (n − 1) over the cells behind the score: all, or those of
            the worst task; NaN for fewer than two.
        mean: Mean over its tasks of the means over the cells that have the metric; NaN when
            there is none.
        sd: Standard deviation (n − 1) over these cells; NaN for fewer than two.
        seconds: Sum over the cells.
        steps: Sum over the cells.
        config: Settings, without the prefix ``config/``.
        metrics: Mean of every metric over the cells that have it.
        by_task: Mean of the ranking metric per task of the table; NaN where there is none.
    """

    rank: int | None
    sweep: str
    trial: int
    method: str
    tasks: str
    standing: Standing
    reason: str
    cells: int
    score: float
    score_sd: float
    mean: float
    sd: float
    seconds: float
    steps: int
    config: Mapping[str, Scalar]
    metrics: Mapping[str, float]
    by_task: Mapping[str, float]


class Ranking(Sequence[Ranked]):
    """Configurations in order; a record is made when it is asked for.

    Args:
        columns: Fields of `Ranked`, each with one value a configuration.
        config: Setting to its values.
        metrics: Metric to its means.
        by_task: Task to the means of the ranking metric.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        config: Mapping[str, Sequence[Scalar]],
        metrics: Mapping[str, Sequence[float]],
        by_task: Mapping[str, Sequence[float]],
    ) -> None:
        self._columns = columns
        self._config = config
        self._metrics = metrics
        self._by_task = by_task

    def __len__(self) -> int:
        return len(self._columns["trial"])

    @overload
    def __getitem__(self, index: int) -> Ranked: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ranked]: ...
    def __getitem__(self, index: int | slice) -> Ranked | list[Ranked]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Ranked(
            config={name: values[index] for name, values in self._config.items()},
            metrics={name: values[index] for name, values in self._metrics.items()},
            by_task={name: values[index] for name, values in self._by_task.items()},
            **{name: values[index] for name, values in self._columns.items()},
        )

    @classmethod
    def none(cls) -> Ranking:
        """The ranking of no configurations."""
        return cls({"trial": [], "standing": [], "reason": []}, {}, {}, {})

    def counts(self) -> dict[Standing, int]:
        """How many configurations stand how, those that occur, in the order of `Standing`."""
        found = Counter(self._columns["standing"])
        return {standing: found[standing] for standing in Standing if found[standing]}

    def reasons(self, wanted: Standing) -> dict[str, list[int]]:
        """Reason of every configuration that stands so to their trial numbers, in order."""
        found: dict[str, list[int]] = {}
        names = ("standing", "reason", "trial")
        for standing, reason, trial in zip(*(self._columns[n] for n in names), strict=True):
            if standing is wanted and reason:
                found.setdefault(reason, []).append(trial)
        return found
