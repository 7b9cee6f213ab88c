"""Results of an experiment."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from raysearch.run import Cell, MetricGoal, Run, Scalar
from raysearch.statistics.intervals import (
    BlockTest,
    Interval,
)

__all__ = ["PAPER_ARM", "Answer", "Arm", "ArmResult", "Course", "Effect", "Unasked"]


PAPER_ARM = "the paper's setting"


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One combination of an experiment's settings.

    Attributes:
        settings: Varied settings that are active in it, in the order of the space.
        paper: Whether it is the paper's own setting.
        literal: Whether it is that, and not one of the combinations.
        cells: Its complete rows.
        failed: Cells that did not run to their end, with the reason.
        tuned: Settings that were tuned for it, with the values that were chosen.
        tried: Configurations that they were chosen from.
    """

    settings: Mapping[str, Scalar]
    paper: bool
    literal: bool
    cells: Mapping[Cell, Run]
    failed: Mapping[Cell, str]
    tuned: Mapping[str, Scalar] = field(default_factory=dict)
    tried: int = 1

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its trial numbers."""
        return tuple(sorted({trial.number for trial in self.cells.values()}))

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of its complete rows."""
        return tuple(dict.fromkeys(cell.task for cell in sorted(self.cells)))

    def values(self, metric: str) -> dict[Cell, float]:
        """The metric of every complete row that has it."""
        return {
            cell: trial.metrics[metric]
            for cell, trial in sorted(self.cells.items())
            if metric in trial.metrics
        }

    def matches(self, wanted: Mapping[str, Scalar]) -> bool:
        """Whether it is a combination with these settings."""
        return not self.literal and all(
            name in self.settings and self.settings[name] == value for name, value in wanted.items()
        )


@dataclass(frozen=True, kw_only=True)
class ArmResult:
    """One arm's scores.

    Attributes:
        arm: The arm.
        values: The metric on every cell that has it.
        mean: Mean over tasks of their means; NaN if no cell has the metric.
        sd: Between seeds of the mean over tasks (n - 1); NaN with one seed.
        by_task: Mean of each task.
        beside: Means of further metrics; without those that no cell has.
        beside_difference: The same minus those of the reference, if both have them.
        difference: The arm minus the reference, the mean over tasks of the means over shared
            cells; None for the reference itself, and if they share no cell.
        jointly: The same with an interval that holds for all arms at once.
        twin: The reference or an earlier arm with identical numbers in each cell: one
            configuration under two names, which is counted once.
    """

    arm: Arm
    values: Mapping[Cell, float]
    mean: float
    sd: float
    by_task: Mapping[str, float]
    beside: Mapping[str, float]
    beside_difference: Mapping[str, Interval]
    difference: Interval | None
    jointly: Interval | None
    twin: Arm | None


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Whether one varied setting matters, over the arms that differ in it alone.

    Attributes:
        name: The setting.
        means: Value to mean over the blocks.
        test: The F test over cells.
    """

    name: str
    means: Mapping[Scalar, float]
    test: BlockTest

    @property
    def best(self) -> tuple[Scalar, Scalar]:
        """The values with the lowest and with the highest mean."""
        ordered = sorted(self.means, key=lambda value: self.means[value])
        return ordered[0], ordered[-1]


@dataclass(frozen=True, kw_only=True)
class Unasked:
    """A setting that an experiment does not vary, but in which its arms differ.

    Attributes:
        name: The setting.
        arms: Each value to the arms that have it in a row.
    """

    name: str
    arms: Mapping[Scalar, tuple[Arm, ...]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of an experiment over its arms.

    Attributes:
        goal: The metric and its direction.
        reference: The arm that others are compared with.
        results: Every arm, including the reference, in their order.
        effects: Each varied setting with at least two values under otherwise equal settings.
        untested: The other varied settings.
        overall: Test whether the arms differ at all, if some setting is untested.
        unasked: Settings beside the varied ones in which arms differ.
        unmoved: Arms that train but hardly move their encoder in any cell.
        level: Confidence level of the intervals.
        self_naming: Settings whose values are clear without the setting's name.
    """

    goal: MetricGoal
    reference: ArmResult
    results: tuple[ArmResult, ...]
    effects: tuple[Effect, ...]
    untested: tuple[str, ...]
    overall: BlockTest | None
    unasked: tuple[Unasked, ...]
    unmoved: tuple[Arm, ...]
    level: float
    self_naming: Collection[str] = ()

    @property
    def distinct(self) -> list[ArmResult]:
        """All arms, each configuration once."""
        return [result for result in self.results if result.twin is None]

    @property
    def others(self) -> list[ArmResult]:
        """All arms but the reference."""
        return [result for result in self.results if result is not self.reference]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of any arm."""
        return tuple(dict.fromkeys(task for result in self.results for task in result.by_task))


@dataclass(frozen=True, kw_only=True)
class Course:
    """A metric at both ends of the curves.

    Attributes:
        metric: Its name.
        steps: Steps of the first and of the last report, means over trials.
        first: Mean at the first report: over tasks of the means over cells of the mean over arms.
        last: Mean at the last.
        change: Last minus first, paired over cells.
    """

    metric: str
    steps: tuple[float, float]
    first: float
    last: float
    change: Interval
