"""Results on one sweep: importance of settings, history of the best, selection regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from raysearch.leaderboard.keys import (
    Floats,
)
from raysearch.leaderboard.rank import Ranked
from raysearch.run import MetricGoal
from raysearch.statistics.intervals import Interval
from raysearch.statistics.permutation import (
    ALPHA,
)

__all__ = [
    "Association",
    "History",
    "Importance",
    "Importances",
    "Regret",
    "Span",
    "SweepFindings",
    "TaskColumn",
    "oracle_goal",
]


@dataclass(frozen=True, kw_only=True)
class Regret:
    """Selection regret on one task, or over all of them.

    Attributes:
        task: The task; empty for all of them together.
        chosen: Trial that the sweep's own metric selects; None if none is complete.
        chosen_value: The oracle's metric of it; NaN if the oracle has not read it.
        oracle: Trial that the oracle's metric selects among those read; None if none is.
        oracle_value: The oracle's metric of it; NaN if there is none.
        agreement: Spearman's ρ between the two metrics over the configurations read; NaN for
            fewer than two.
        read: Complete configurations whose every cell the oracle has read.
        missing: The other complete configurations.
        value: `oracle_value` minus `chosen_value`, with the sign such that above 0 is a loss;
            NaN if either is.
    """

    task: str
    chosen: int | None
    chosen_value: float
    oracle: int | None
    oracle_value: float
    agreement: float
    read: int
    missing: int
    value: float


def oracle_goal(goal: MetricGoal, role: str) -> MetricGoal:
    """The sweep's metric on another role: ``dev/f1`` becomes ``target_dev/f1``."""
    return MetricGoal(f"{role}/{goal.name.partition('/')[2]}", goal.direction)


@dataclass(frozen=True, kw_only=True)
class TaskColumn:
    """Settings within one task.

    Attributes:
        task: Its name.
        best: Its best complete configuration; None if there is none.
        complete: Number of its complete configurations.
        associations: Setting to its association with the metric within the task, its p-value
            corrected for all settings and tasks; None if it is undefined.
    """

    task: str
    best: Ranked | None
    complete: int
    associations: Mapping[str, Association | None]


@dataclass(frozen=True, kw_only=True)
class Association:
    """Association of a setting with the metric's ranks over complete configurations.

    Attributes:
        value: For numbers Spearman's ρ in [-1, 1], above 0 where larger values do better; for
            names η in [0, 1]: the root of the fraction of variance between them.
        signed: Whether it is ρ.
        count: Configurations that have the setting.
        p_value: Permutation p-value of no association.
    """

    value: float
    signed: bool
    count: int
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether it is significant."""
        return self.p_value < ALPHA


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A setting's importance for being among the best.

    Attributes:
        name: The setting.
        value: Its divergence as a fraction of the sum over all settings.
        low: Lower end of a 95 % percentile interval by bootstrap, in the same unit.
        high: Its upper end.
        placebo: 95 % of placebos stay below this value, beside the other settings as they are.
        p_value: Of the test for an effect, corrected for the number of settings (Holm).
        significant: Whether it differs from a placebo: `p_value` is below 5 %.
    """

    name: str
    value: float
    low: float
    high: float
    placebo: float
    p_value: float
    significant: bool


@dataclass(frozen=True, kw_only=True)
class Importances:
    """All settings of one contest.

    Attributes:
        settings: By value, largest first; empty for fewer than 8 configurations.
        count: Complete configurations.
        best: How many of them are the best group.
        samples: Settings (in the order of `settings`) × bootstrap samples, (P, B).
    """

    settings: tuple[Importance, ...]
    count: int
    best: int
    samples: Floats


@dataclass(frozen=True, kw_only=True)
class History:
    """The best so far after each configuration, in order of completion.

    Attributes:
        trials: Their numbers, (N,).
        steps: Cumulative encoder steps over all cells, (N,).
        seconds: Cumulative training seconds over all cells and devices, (N,).
        scores: Score of each; NaN unless complete, (N,).
        best: The best so far; NaN before the first complete one, (N,).
        improved: Indices at which the best changed.
    """

    trials: tuple[int, ...]
    steps: Floats
    seconds: Floats
    scores: Floats
    best: Floats
    improved: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Span:
    """When and where a row was trained.

    Attributes:
        host: The machine; empty if unknown.
        slot: A lane of the host, from 0: rows that overlap have different ones.
        trial: Its number.
        task: Its task.
        seed: Its seed.
        state: Its final state.
        start: Its end minus its seconds of training.
        end: Its end.
    """

    host: str
    slot: int
    trial: int
    task: str
    seed: int
    state: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class SweepFindings:
    """Results for the page of a sweep, beyond its rows and ranks.

    Attributes:
        importances: Contest to the importance of its settings.
        agreements: Two contests, each of one task, to the agreement of these importances.
        histories: Contest with a complete configuration to the history of its best.
        spans: Span of each row's training.
    """

    importances: Mapping[str, Importances]
    agreements: Mapping[tuple[str, str], Interval]
    histories: Mapping[str, History]
    spans: Sequence[Span]
