"""Results of a comparison of two configurations or sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raysearch.leaderboard.keys import encoder_name
from raysearch.objective import Aggregate
from raysearch.run import Cell, MetricGoal, Run, Scalar
from raysearch.statistics.intervals import Interval
from raysearch.statistics.stochastic_order import StochasticOrder
from raysearch.statistics.tuning import Estimator, Overtuning

__all__ = ["Contrast", "ExpectedBest", "Side", "TaskContrast", "Tuned"]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison.

    Attributes:
        label: Its name, for example ``results/carl:best``.
        cells: Its complete rows.
        among: Configurations that it was selected from by the sweep's own metric; 0 if the
            user named it.
    """

    label: str
    cells: Mapping[Cell, Run]
    among: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its trial numbers; several if every task has its own best."""
        return tuple(sorted({trial.number for trial in self.cells.values()}))

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders of its cells; one, except for a method without any."""
        configs = [trial.config for trial in self.cells.values() if "encoder" in trial.config]
        return tuple(sorted({encoder_name(config) for config in configs}))

    def settings(self) -> dict[str, set[Scalar]]:
        """Every setting with its values over the cells."""
        found: dict[str, set[Scalar]] = {}
        for trial in self.cells.values():
            for name, value in trial.config.items():
                found.setdefault(name, set()).add(value)
        return found


@dataclass(frozen=True, kw_only=True)
class TaskContrast:
    """A and B on the cells of one task.

    Attributes:
        task: Its name.
        first: A's values, by seed.
        second: B's values on the same seeds.
        over: ε_min of A over B; None for fewer than two seeds.
        under: ε_min of B over A.
    """

    task: str
    first: tuple[float, ...]
    second: tuple[float, ...]
    over: StochasticOrder | None
    under: StochasticOrder | None

    @property
    def differences(self) -> tuple[float, ...]:
        """A minus B, cell by cell."""
        return tuple(a - b for a, b in zip(self.first, self.second, strict=True))


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A and B on one metric.

    Attributes:
        goal: The metric and its direction.
        aggregate: How values of tasks are combined.
        tasks: Task by task.
        values: The values of A and of B on the shared cells (`objective.aggregate_value`).
        paired: A minus B, cell by cell; with ``worst``, A's worst task minus B's, by seed.
        interval: Interval of A's value minus B's.
        alone: Cells of A and of B without a partner.
        sources: Digests by their name that differ between A and B on some shared cell.
    """

    goal: MetricGoal
    aggregate: Aggregate
    tasks: tuple[TaskContrast, ...]
    values: tuple[float, float]
    paired: tuple[tuple[float, ...], ...]
    interval: Interval
    alone: tuple[int, int]
    sources: tuple[str, ...]

    @property
    def differences(self) -> list[float]:
        """All differences in `paired`."""
        return [value for stratum in self.paired for value in stratum]

    @property
    def cells(self) -> int:
        """Number of differences."""
        return len(self.differences)

    @property
    def ahead(self) -> int:
        """Number of differences in which A is strictly better."""
        return sum(self.goal.better(value, 0.0) for value in self.differences)

    @property
    def over_tasks(self) -> bool:
        """Whether tasks were resampled: several, each with one seed."""
        return len(self.paired) > 1 and all(len(stratum) == 1 for stratum in self.paired)


@dataclass(frozen=True, kw_only=True)
class ExpectedBest:
    """Expected validation performance of a sweep.

    Attributes:
        task: The task; empty if configurations are ranked over all.
        configurations: Those that count: complete, or stopped early.
        stopped: How many of these were stopped early; they have their last value if it covers
            all of their cells.
        short: How many of these were stopped before all their cells had run. A partial value
            cannot be compared: they count as the worst that was reached.
        left_out: Others: failed, or with missing cells.
        default: The first trial, the paper's own setting, which was not drawn and does not
            count, unless it is the only one; then None.
        seconds: Mean training seconds of a configuration.
        points: Budget to estimator to the expected best.
    """

    task: str
    configurations: int
    stopped: int
    short: int
    left_out: int
    default: int | None
    seconds: float
    points: Mapping[int, Mapping[Estimator, float]]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The selected configuration beside the default, on dev and on test.

    Attributes:
        task: The task; empty if configurations are ranked over all.
        default: The first trial, the paper's own setting.
        stopped: Whether it is not complete, so that its test data cannot be read.
        chosen: The selected trial.
        incumbents: Trials between them that were best at their turn and whose test data were
            read, including the two; empty if one of the two has not been read.
        found: The overtuning; None if it is undefined.
        interval: Interval of the chosen trial's value on test minus the default's.
    """

    task: str
    default: int
    chosen: int
    stopped: bool = False
    incumbents: tuple[int, ...] = ()
    found: Overtuning | None = None
    interval: Interval | None = None
