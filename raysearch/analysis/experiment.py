"""Groups the rows of an experiment into arms and compares each with the reference.

An arm is one combination of the varied settings with all of its cells (task and seed). The
sweep's first trial has the paper's own setting. If that is one of the combinations it is that
arm; if not, because the paper's values are others, differ between tasks, or differ in a setting
that is not varied, it is an arm of its own. If tasks were searched separately, an arm holds the
trials of all tasks that have its combination. Where a setting is tuned (`tuned_arms`), an arm is
the combination that the objective ranks first among those that differ in that setting alone.

Differences are paired over cells, with Student's interval (`statistics.intervals`). With several
comparisons to one reference, some intervals would miss zero by chance, so each is accompanied by
one that holds for all of them together (Bonferroni). Whether a setting matters at all is a
single test, however many values it has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np

from raysearch.errors import ConfigError
from raysearch.findings.experiment import Answer, Arm, ArmResult, Course, Effect, Unasked
from raysearch.leaderboard.openings import OPENINGS, count_of
from raysearch.leaderboard.tasks import first_trials
from raysearch.methods.description import LEAST_MOVED
from raysearch.objective import mean_by_cell, paired_differences, task_mean, task_means, whole_seeds
from raysearch.run import Cell, MetricGoal, Report, Run, RunState, Scalar
from raysearch.statistics.intervals import (
    LEVEL,
    BlockTest,
    block_test,
    by_task,
    mean_interval,
)

__all__ = ["answer", "arms_of", "curve_change", "tuned_arms", "with_readings"]


def answer(
    arms: Sequence[Arm],
    goal: MetricGoal,
    *,
    reference: Mapping[str, Scalar],
    beside: Sequence[str] = (),
    level: float = LEVEL,
    self_naming: Collection[str] = (),
    moved: str = "",
) -> Answer:
    """Compare all arms with the reference.

    Args:
        arms: From `arms_of`, at least one with the metric.
        goal: The metric.
        reference: Settings of the reference; empty for the paper's own setting. The first of
            several matching arms is used.
        beside: Further metrics to average.
        level: Confidence level of the intervals, in (0, 1).
        self_naming: See `raysearch.methods.description.SettingNotes`.
        moved: The same.

    Raises:
        ConfigError: The reference has no complete cell with the metric.
    """
    base = next((arm for arm in arms if (arm.matches(reference) if reference else arm.paper)), None)
    if base is None or not base.values(goal.name):
        names = (
            ", ".join(f"{name} {value}" for name, value in reference.items()) or "the paper's own"
        )
        raise ConfigError(
            f"the reference arm ({names}) must have a complete cell with `{goal.name}`, but has "
            "none; the sweep's leaderboard says why"
        )
    own = [arm for arm in arms if arm.values(goal.name)]
    twins = _twins(own, base)
    compared = max(1, len(own) - len(twins) - 1)
    results = tuple(
        _result(arm, base, goal, beside, level, compared, twins.get(at))
        for at, arm in enumerate(own)
    )
    combinations = [result for result in results if not result.arm.literal]
    effects = tuple(_effects(combinations))
    untested = _untested(combinations, {effect.name for effect in effects})
    return Answer(
        goal=goal,
        reference=next(result for result in results if result.arm is base),
        results=results,
        effects=effects,
        untested=untested,
        overall=_overall(results) if untested else None,
        unasked=tuple(_unasked(own)),
        unmoved=tuple(arm for arm in own if moved and _hardly_moved(arm, f"dev/{moved}")),
        level=level,
        self_naming=self_naming,
    )


def _twins(arms: Sequence[Arm], base: Arm) -> dict[int, Arm]:
    """Index of an arm to the one, ``base`` or an earlier, with identical numbers."""
    first = {_numbers(base): base}
    found = {}
    for at, arm in enumerate(arms):
        other = first.setdefault(_numbers(arm), arm)
        if other is not arm:
            found[at] = other
    return found


def _numbers(arm: Arm) -> frozenset[tuple[Cell, frozenset[tuple[str, float]]]]:
    return frozenset((cell, frozenset(row.metrics.items())) for cell, row in arm.cells.items())


def _untested(results: Sequence[ArmResult], tested: set[str]) -> tuple[str, ...]:
    """Settings with several values among the arms but without a test of their own."""
    values: dict[str, set[Scalar]] = {}
    for result in results:
        for name, value in result.arm.settings.items():
            values.setdefault(name, set()).add(value)
    return tuple(name for name, found in values.items() if len(found) > 1 and name not in tested)


def _hardly_moved(arm: Arm, metric: str) -> bool:
    """Whether it trains, but no cell moves the encoder; an arm that trains nothing says so."""
    shares = arm.values(metric).values()
    return bool(shares) and 0 < max(shares) < LEAST_MOVED


def _unasked(arms: Sequence[Arm]) -> Iterator[Unasked]:
    """Settings in which arms differ on a task they share, though no arm is named by them."""
    varied = {name for arm in arms for name in (*arm.settings, *arm.tuned)}
    configs = [(arm, cell.task, row.config) for arm in arms for cell, row in arm.cells.items()]
    names = dict.fromkeys(name for _, _, config in configs for name in config)
    for name in names:
        if name in varied:
            continue
        of_task: dict[str, set[Scalar]] = {}
        having: dict[Scalar, dict[int, Arm]] = {}
        for arm, task, config in configs:
            value = config.get(name)
            of_task.setdefault(task, set()).add(value)
            having.setdefault(value, {})[id(arm)] = arm
        if any(len(values) > 1 for values in of_task.values()):
            found = {value: tuple(group.values()) for value, group in having.items()}
            yield Unasked(name=name, arms=found)


def _overall(results: Sequence[ArmResult]) -> BlockTest | None:
    """Test whether any configuration differs, over the cells that all have."""
    distinct = [result.values for result in results if result.twin is None]
    cells = sorted(set(distinct[0]).intersection(*distinct[1:]))
    if len(distinct) < 2 or not cells:
        return None
    return block_test(np.array([[values[cell] for values in distinct] for cell in cells]))


def _result(
    arm: Arm,
    base: Arm,
    goal: MetricGoal,
    beside: Sequence[str],
    level: float,
    compared: int,
    twin: Arm | None,
) -> ArmResult:
    values = arm.values(goal.name)
    difference = jointly = None
    strata = [] if arm is base else paired_differences(values, base.values(goal.name), goal, "mean")
    if strata:
        difference = mean_interval(strata, level=level)
        jointly = mean_interval(strata, level=1 - (1 - level) / compared)
    also = {name: arm.values(name) for name in beside}
    pairs = {
        name: paired_differences(cells, base.values(name), goal, "mean")
        for name, cells in also.items()
        if arm is not base
    }
    return ArmResult(
        arm=arm,
        values=values,
        mean=task_mean(values),
        sd=_sd(values),
        by_task=task_means(values),
        beside={name: task_mean(cells) for name, cells in also.items() if cells},
        beside_difference={
            name: mean_interval(found, level=level) for name, found in pairs.items() if found
        },
        difference=difference,
        jointly=jointly,
        twin=twin,
    )


def _sd(values: Mapping[Cell, float]) -> float:
    means = list(whole_seeds(values).values())
    return stdev(means) if len(means) > 1 else math.nan


def _effects(results: Sequence[ArmResult]) -> list[Effect]:
    """Effects of the settings in which alone at least two arms differ."""
    names = dict.fromkeys(name for result in results for name in result.arm.settings)
    found = [_effect(name, [r for r in results if name in r.arm.settings]) for name in names]
    return [effect for effect in found if effect is not None]


def _effect(name: str, results: Sequence[ArmResult]) -> Effect | None:
    """The effect of one setting; None if no two arms differ in it alone.

    A cell is one block, however many other settings were varied: its arms share the seed, so
    they are averaged and not counted as repeats.
    """
    levels = list(dict.fromkeys(result.arm.settings[name] for result in results))
    whole: dict[Cell, list[list[float]]] = {}
    for key, alike in _by_rest(name, results).items():
        # Only complete blocks: a missing level would mix its effect with the block's.
        if len(alike) == len(levels) >= 2:
            whole.setdefault(key[0], []).append([alike[level] for level in levels])
    if not whole:
        return None
    table = np.array([np.mean(rows, axis=0) for rows in whole.values()])
    columns = zip(levels, table.T.tolist(), strict=True)
    means = {level: task_mean(dict(zip(whole, column, strict=True))) for level, column in columns}
    return Effect(name=name, means=means, test=block_test(table))


def _by_rest(
    name: str, results: Sequence[ArmResult]
) -> dict[tuple[Cell, tuple[tuple[str, Scalar], ...]], dict[Scalar, float]]:
    """Cell and all other settings to the scores by value of the setting."""
    found: dict[tuple[Cell, tuple[tuple[str, Scalar], ...]], dict[Scalar, float]] = {}
    for result in results:
        rest = tuple((key, value) for key, value in result.arm.settings.items() if key != name)
        for cell, score in result.values.items():
            found.setdefault((cell, rest), {})[result.arm.settings[name]] = score
    return found


def curve_change(arms: Sequence[Arm], metric: str) -> Course | None:
    """First and last report of the curves with the metric; None if none has two reports.

    A cell counts once, however many arms it has: arms of one seed are not repeats.
    """
    ends: list[dict[Cell, tuple[Report, Report]]] = []
    for arm in arms:
        ends.append({})
        for cell, trial in arm.cells.items():
            reports = [report for report in trial.curve if metric in report.metrics]
            if len(reports) > 1:
                ends[-1][cell] = reports[0], reports[-1]
    steps = [(one.step, two.step) for pairs in ends for one, two in pairs.values()]
    if not steps:
        return None
    first, last = (
        mean_by_cell({c: pair[at].metrics[metric] for c, pair in pairs.items()} for pairs in ends)
        for at in (0, 1)
    )
    change = {cell: last[cell] - first[cell] for cell in first}
    return Course(
        metric=metric,
        steps=(fmean(pair[0] for pair in steps), fmean(pair[1] for pair in steps)),
        first=task_mean(first),
        last=task_mean(last),
        change=mean_interval(by_task(change)),
    )


Varied = Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]
Among = Callable[[Mapping[str, Scalar]], bool]


def arms_of(trials: Sequence[Run], varied: Varied, among: Among) -> list[Arm]:
    """Group rows into arms: the paper's first, then in the order of the sweep.

    Args:
        trials: All rows of one sweep.
        varied: A row's settings to the varied and active ones among them.
        among: Whether such settings are a combination of the experiment.
    """
    first = first_trials((trial.cell.task, trial.number) for trial in trials)
    ordered = sorted(trials, key=lambda trial: (trial.number, trial.cell))
    paper = [trial for trial in ordered if trial.number == first[trial.cell.task]]
    groups: dict[tuple[tuple[str, Scalar], ...], list[Run]] = {}
    for trial in ordered:
        if trial.number != first[trial.cell.task]:
            groups.setdefault(tuple(varied(trial.config).items()), []).append(trial)
    alike = dict.fromkeys(tuple(varied(trial.config).items()) for trial in paper)
    combination = len(alike) == 1 and among(dict(*alike)) and next(iter(alike)) not in groups
    found = [_arm(dict(_shared(list(alike))), paper, paper=True, literal=not combination)]
    return found + [_arm(dict(settings), rows) for settings, rows in groups.items()]


def tuned_arms(arms: Sequence[Arm], names: Collection[str], goal: MetricGoal) -> list[Arm]:
    """Of the arms that differ in these settings alone, the one that the goal ranks first.

    Arms with fewer complete cells than another of their group are not chosen from.

    Args:
        arms: From `arms_of`.
        names: Settings that are tuned.
        goal: What chooses: a metric that the search may read, as it decides before test is read.
    """
    groups: dict[tuple[Any, ...], list[Arm]] = {}
    for arm in arms:
        rest = tuple(pair for pair in arm.settings.items() if pair[0] not in names)
        groups.setdefault((arm.literal, rest), []).append(arm)
    found = []
    for (_, rest), group in groups.items():
        most = max(len(arm.values(goal.name)) for arm in group)
        whole = [arm for arm in group if len(arm.values(goal.name)) == most]
        best = whole[0]
        for arm in whole[1:] if most else ():
            if goal.better(task_mean(arm.values(goal.name)), task_mean(best.values(goal.name))):
                best = arm
        chosen = {name: best.settings[name] for name in names if name in best.settings}
        found.append(replace(best, settings=dict(rest), tuned=chosen, tried=len(group)))
    return found


def with_readings(trials: Sequence[Run], readings: Sequence[Run]) -> list[Run]:
    """The rows, each with its readings of test and the number of openings."""
    read = {trial.key: trial for trial in readings}
    return [_with_reading(t, read[t.key]) if t.key in read else t for t in trials]


def _with_reading(trial: Run, reading: Run) -> Run:
    return replace(
        trial,
        metrics={**trial.metrics, **reading.metrics},
        provenance={**trial.provenance, OPENINGS: str(count_of(reading))},
    )


def _shared(each: Sequence[tuple[tuple[str, Scalar], ...]]) -> list[tuple[str, Scalar]]:
    """Settings common to all: the paper may have another value for each task."""
    return [pair for pair in each[0] if all(pair in other for other in each)]


def _arm(
    settings: Mapping[str, Scalar],
    rows: Sequence[Run],
    *,
    paper: bool = False,
    literal: bool = False,
) -> Arm:
    return Arm(
        settings=settings,
        paper=paper,
        literal=literal,
        cells={t.cell: t for t in rows if t.state is RunState.COMPLETE},
        failed={t.cell: t.reason for t in rows if t.state is not RunState.COMPLETE},
    )
