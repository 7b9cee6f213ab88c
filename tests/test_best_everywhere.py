"""Which configuration is best, by a second implementation, in every place that says so.

Random small sweeps: joint and per task, by the mean and by the worst task, upwards and
downwards, by the sweep's own metric and by another that some cells lack. The oracle works in
fractions and knows none of the product's code.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from raysearch.analysis.compare import contrast
from raysearch.analysis.selection import efforts
from raysearch.api.trials import select, trials_of
from raysearch.cli import main
from raysearch.errors import StoreError
from raysearch.findings.comparison import Side
from raysearch.leaderboard import Store, SweepCard, load_card
from raysearch.leaderboard.schema import CURVE_COLUMNS, conform, empty_table, trial_rows, unify
from raysearch.leaderboard.tasks import rank_all, rank_tasks
from raysearch.objective import Aggregate, Best
from raysearch.render.live import Race
from raysearch.render.readings import mean_sd
from raysearch.render.report import SweepRecord
from raysearch.render.report.best import lead_words
from raysearch.render.report.sweep import view_of
from raysearch.render.sweep_summary import ending_text
from raysearch.run import Cell, MetricGoal, Run, RunState
from raysearch.search.incumbent import Incumbents
from raysearch.search.study.entries import Entry, Outcome
from raysearch.summary import Ending, SweepSummary

OWN, OTHER = "dev/f1", "dev/recall"
KINDS = [
    (mode, aggregate, direction)
    for mode, aggregate in (("joint", "mean"), ("joint", "worst"), ("per_task", "mean"))
    for direction in ("maximize", "minimize")
]


@dataclass(frozen=True)
class Sweep:
    """A card and the rows that came of it, in the order in which they ended."""

    card: SweepCard
    seeds: int
    rows: list[Run]

    @property
    def table(self) -> pa.Table:
        rows = [trial_rows(row) for row in self.rows]
        schema = unify([row.schema for row in rows])
        return pa.concat_tables([conform(row, schema) for row in rows])

    def write(self, folder: Path) -> str:
        store = Store(folder)
        for row in self.rows:
            store.append(row)
        card = {
            "metric": self.card.goal.name,
            "direction": self.card.goal.direction,
            "cells": self.card.cells,
            "mode": self.card.mode,
            "aggregate": self.card.aggregate,
            "tasks": list(self.card.tasks),
        }
        (folder / "sweep.json").write_text(json.dumps(card))
        return str(folder)


def drawn(kind: tuple[str, str, str], seed: int) -> Sweep:
    """A sweep with ties, stopped, failed and unfinished configurations."""
    mode, aggregate, direction = kind
    draw = random.Random(f"{kind} {seed}")
    tasks = tuple("en-" + name for name in ("es", "fr", "nl")[: draw.randint(1, 3)])
    seeds = draw.randint(1, 3)
    rows: list[Run] = []
    for number in range(draw.randint(2, 7)):
        own = tasks if mode == "joint" else (tasks[number % len(tasks)],)
        cells = [Cell(task, seed) for seed in range(seeds) for task in own]
        end = draw.choice(["complete"] * 4 + ["pruned", "failed", "open"])
        if end == "pruned":
            rows.append(_row(number, cells[0], draw, RunState.PRUNED))
            continue
        if end != "complete":
            cells = cells[: draw.randrange(len(cells) + (end == "failed"))]
        for index, cell in enumerate(cells):
            last = end == "failed" and index == len(cells) - 1
            rows.append(_row(number, cell, draw, RunState.FAILED if last else None))
    draw.shuffle(rows)
    goal = MetricGoal(OWN, direction)  # type: ignore[arg-type]
    count = seeds * (len(tasks) if mode == "joint" else 1)
    card = SweepCard(goal=goal, cells=count, mode=mode, aggregate=aggregate, tasks=tasks)  # type: ignore[arg-type]
    return Sweep(card, seeds, rows)


def _row(number: int, cell: Cell, draw: random.Random, state: RunState | None) -> Run:
    # Tenths: their sums depend on the order, and many means are equal.
    metrics = {OWN: draw.randint(1, 4) / 10}
    if draw.random() < 0.8:
        metrics[OTHER] = draw.choice([0.1, 0.2, 0.3, math.nan])
    if state is RunState.FAILED:
        metrics = {}
    return Run(
        sweep="s",
        number=number,
        cell=cell,
        method="msmo",
        state=state or RunState.COMPLETE,
        reason="" if state is None else f"it {state}",
        config={"number": number},
        metrics=metrics,
        finished="2026-01-02T03:04:05+00:00",
    )


def oracle(sweep: Sweep, metric: str, direction: str, tasks: tuple[str, ...]) -> list[int]:
    """Numbers of the configurations that are complete on these tasks, the best first."""
    wanted = {(task, seed) for task in tasks for seed in range(sweep.seeds)}
    scores = {}
    for number in {row.number for row in sweep.rows}:
        values: dict[tuple[str, int], float] = {}
        for row in sweep.rows:
            value = row.metrics.get(metric, math.nan)
            if row.number == number and row.state == "complete" and math.isfinite(value):
                values[row.cell.task, row.cell.seed] = value
        if wanted <= set(values):
            means = [_mean([values[task, s] for s in range(sweep.seeds)]) for task in tasks]
            scores[number] = _mean(means)
            if sweep.card.aggregate == "worst":
                scores[number] = min(means) if direction == "maximize" else max(means)
    sign = -1 if direction == "maximize" else 1
    return sorted(scores, key=lambda number: (sign * scores[number], number))


def _mean(values: list[float]) -> float:
    return float(sum(map(Fraction, values))) / len(values)


def contests(sweep: Sweep) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What a best is kept of: all tasks together, or each."""
    if sweep.card.mode == "joint":
        yield "", sweep.card.tasks
    else:
        yield from ((task, (task,)) for task in sweep.card.tasks)


@pytest.mark.parametrize("kind", KINDS)
def test_driver_and_board_agree_with_the_oracle(kind: tuple[str, str, str]) -> None:
    for seed in range(25):
        sweep = drawn(kind, seed)
        if not sweep.rows:
            continue
        card, table = sweep.card, sweep.table
        incumbents = Incumbents(
            card.goal,
            "unused",
            "best",
            aggregate=card.aggregate,
            per_task=card.mode == "per_task",
            seeds=sweep.seeds,
        )
        race = Race(card)
        # As the driver does after a restart: what ended a configuration comes last of its cells.
        for row in sorted(sweep.rows, key=lambda row: row.state is not RunState.COMPLETE):
            incumbents.count(row, cells=card.cells)
            race.add(row, earlier=False)
        within = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
        kept = set()
        for name, tasks in contests(sweep):
            order = oracle(sweep, OWN, card.goal.direction, tasks)
            board = rank_all(table, card) if name == "" else within.get(name, [])
            assert [item.trial for item in board if item.rank] == order
            best = incumbents.best.get(name)
            assert (best and best.number) == (order[0] if order else None), (seed, name)
            if order:
                kept.add(order[0])
                row = next(row for row in sweep.rows if row.cell.task == tasks[0])
                told = race.best(row)
                assert told is not None and told[1].number == order[0]
                assert told[1].value == best.value == board[0].score
        ended = replace(sweep, rows=[row for row in sweep.rows if _is_over(sweep, row.number)])
        for task in card.tasks if card.mode == "joint" else ():
            order = oracle(ended, OWN, card.goal.direction, (task,))
            found = incumbents.best_of_task.get(task)
            assert (found and found.number) == (order[0] if order else None), (seed, task)
            kept.update(order[:1])
        weights = {number for number, _ in incumbents._weights.values()}
        assert {number for number in weights if _is_over(sweep, number)} <= kept
        assert kept <= weights


def _is_over(sweep: Sweep, number: int) -> bool:
    """Whether no further cell of it will run."""
    rows = [row for row in sweep.rows if row.number == number]
    return len(rows) == sweep.card.cells or any(row.state != "complete" for row in rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", [None, OWN, f"{OTHER}:max", f"{OTHER}:min"])
def test_every_place_names_the_best_of_the_oracle(
    kind: tuple[str, str, str],
    metric: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in range(2):
        sweep = drawn(kind, seed)
        if not any(row.state == "complete" for row in sweep.rows):
            continue
        folder = sweep.write(tmp_path / str(seed))
        name = OWN if metric in (None, OWN) else OTHER
        card = load_card(folder, metric)
        wanted = {t: oracle(sweep, name, card.goal.direction, ts) for t, ts in contests(sweep)}
        bests = {order[0] for order in wanted.values() if order}
        if f"metric/{name}" not in sweep.table.column_names:
            continue
        try:
            assert {trial.number for trial in trials_of(folder, ["best"], metric=metric)} == bests
        except StoreError:
            assert not bests
        option = [] if metric is None else ["--metric", metric]
        for form in ("json", "csv", "table"):
            assert main(["leaderboard", folder, "--format", form, *option]) == 0
            out = capsys.readouterr().out
            if form == "json":
                _check_records(json.loads(out), wanted, sweep)
            elif form == "csv":
                firsts = [line for line in out.splitlines()[1:] if line.startswith("1,")]
                assert {int(line.split(",")[2]) for line in firsts} == bests
        _check_report(sweep, card, wanted, len(bests) > 0)
        if metric is None and bests:
            assert set(select(f"{folder}:best", goal=card.goal).side.numbers) == bests
            assert main(["export", folder, "--as", "markdown"]) == 0
            assert any(f"| {n} |" in capsys.readouterr().out for n in bests)


def _check_records(found: list[dict[str, Any]], wanted: dict[str, list[int]], sweep: Sweep) -> None:
    ranked = [row for row in found if row["rank"] is not None]
    assert all((row["state"] == "complete") == (row["rank"] is not None) for row in found)
    for task, order in wanted.items():
        alone = sweep.card.mode == "per_task" and len(sweep.card.tasks) > 1
        own = [row["trial"] for row in ranked if not alone or row["tasks"] == task]
        assert own == order
    lacking = [row for row in found if row["score"] is None]
    assert all(row["rank"] is None for row in lacking)


def _check_report(sweep: Sweep, card: SweepCard, wanted: dict[str, list[int]], known: bool) -> None:
    view = view_of(_record(replace(sweep, card=card)))
    for task, order in wanted.items():
        name = task if len(sweep.card.tasks) > 1 else sweep.card.tasks[0]
        contest = next((c for c in view.contests if c.task == name), None)
        if contest is None:
            assert not order
            continue
        assert [item.trial for item in contest.complete] == order
        words = lead_words(view, contest)
        assert (f"Trial {order[0]} is best" if order else "No trial is complete") in words
        if len(order) > 1 and " lead over " in words:
            told = words.partition(f" lead over trial {order[1]} is ")[2]
            assert not told.replace("-0.0000", "+0.0000", 1).startswith("-"), (
                "the best is not behind the second by what ranks"
            )


@pytest.mark.parametrize("kind", KINDS)
def test_no_expected_best_is_beyond_what_was_reached(kind: tuple[str, str, str]) -> None:
    better = max if kind[2] == "maximize" else min
    for seed in range(25):
        sweep = drawn(kind, seed)
        if sweep.card.cells == 1 or not sweep.rows:
            continue  # of one cell the last value of a stopped one is that of the same cell
        for effort in efforts(sweep.table, sweep.card):
            tasks = (effort.task,) if effort.task else sweep.card.tasks
            table = sweep.table
            ranking = (
                rank_tasks(table, sweep.card.goal, cells=sweep.card.cells_of_task)[effort.task]
                if effort.task
                else rank_all(table, sweep.card)
            )
            assert oracle(sweep, OWN, kind[2], tasks)
            reached = better(item.score for item in ranking if item.rank)
            for point in effort.points.values():
                assert all(
                    better(value, reached + 0.0) == reached or math.isclose(value, reached)
                    for value in point.values()
                )


def test_the_end_of_a_sweep_names_the_board_s_best() -> None:
    sweep = drawn(("joint", "worst", "maximize"), 3)
    incumbents = Incumbents(sweep.card.goal, "unused", "best", aggregate="worst")
    for row in sorted(sweep.rows, key=lambda row: row.state is not RunState.COMPLETE):
        incumbents.count(row, cells=sweep.card.cells)
    summary = SweepSummary(ending=Ending.DONE, asked=4, best=incumbents.best)
    text = ending_text(sweep.card, summary, rows="results/s")
    first = rank_all(sweep.table, sweep.card)[0]
    assert first.rank == 1
    assert f"best: {OWN} {first.score:.4f} on the worst task, trial {first.trial}" in text


@pytest.mark.parametrize("aggregate", ["mean", "worst"])
def test_a_task_counts_the_same_however_many_cells_it_has(aggregate: Aggregate) -> None:
    """By the mean over cells trial 1 would be ahead, 0.5 to 0.375; by the rule trial 0 is."""
    goal = MetricGoal(OWN)
    cells = [Cell("en-es", seed) for seed in range(3)] + [Cell("en-fr", 0)]
    scores = {"mean": {"en-es": 0.2, "en-fr": 0.9}, "worst": {"en-es": 0.6, "en-fr": 0.51}}
    wanted = {"mean": 0.55, "worst": 0.51}[aggregate]
    draw = random.Random(0)
    rows = [
        replace(_row(number, cell, draw, None), metrics={OWN: value, OTHER: value})
        for number in (0, 1)
        for cell in cells
        for value in [scores[aggregate][cell.task] if number == 0 else 0.5]
    ]
    card = SweepCard(goal=goal, cells=4, aggregate=aggregate, tasks=("en-es", "en-fr"))
    sweep = Sweep(card, 3, rows)
    driver, race = Incumbents(goal, "unused", "best", aggregate=aggregate), Race(card)
    for row in rows:
        driver.count(row, cells=4)
        race.add(row, earlier=False)
    best = Best(0, pytest.approx(wanted))
    assert driver.best[""] == best
    told = race.best(rows[0])
    assert told is not None and told[1] == best
    space: Any = SimpleNamespace(goal=goal, aggregate=aggregate)
    entry = Entry(
        space=space, number=0, trial_id=0, config={}, cells=tuple(cells), problem="", origin=""
    )
    entry.finished = {row.cell: Outcome.of(row, goal) for row in rows if row.number == 0}
    ended = entry.end()
    assert ended is not None and ended.values == [pytest.approx(wanted)]
    board = rank_all(sweep.table, card)
    assert (board[0].trial, board[0].score) == (0, pytest.approx(wanted))
    by_mean = sum(scores[aggregate].values()) / 2
    assert board[0].mean == board[0].metrics[OWN] == pytest.approx(by_mean)
    assert board[0].metrics[OTHER] == pytest.approx(by_mean)
    sides = [
        Side(label="", cells={row.cell: row for row in rows if row.number == number})
        for number in (0, 1)
    ]
    found = contrast(*sides, goal, aggregate=aggregate)
    assert found is not None and found.interval.value == pytest.approx(wanted - 0.5)
    assert mean_sd({row.cell: row.metrics[OWN] for row in rows[:4]})[:5] == f"{by_mean:.3f}"
    lead = lead_words(view := view_of(_record(sweep)), view.contests[0])
    assert f"{wanted:.4f}" in lead and "Trial 0 is best" in lead


def _record(sweep: Sweep) -> SweepRecord:
    return SweepRecord(
        folder="s",
        card=sweep.card,
        table=sweep.table,
        curves=empty_table(CURVE_COLUMNS),
        papers={},
        test=empty_table(CURVE_COLUMNS),
    )
