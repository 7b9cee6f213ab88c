"""A study made anew from rows and begun runs is the one that was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from raysearch.config import as_scalar
from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.search.plan import SweepPlan
from raysearch.search.space.space import SearchSpace, identity_of, space_of
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.ledger import OpenTrial, StudyLedger
from raysearch.search.study.recovery import recover_study
from raysearch.search.study.seal import SEAL

Read = Callable[[str], SearchSpace]

MANY = """\
method: toy
objective: {metric: dev/score}
budget: {trials: 14}
sampler: tpe
setting: {reports: 4}
search:
  width: {low: 0.1, high: 5, log: true}
  depth: {low: 1, high: 9}
  shape: [round, square, odd]
  tilt: {low: 0.1, high: 0.9, when: {shape: square}}
  weight: [null, 0.5, 1]
  gate: [true, false]
"""


def plan_of(folder: Path, space: SearchSpace, tasks: tuple[str, ...] = ("toy",)) -> SweepPlan:
    def cells(config: Mapping[str, Any]) -> list[Cell]:
        return [Cell(task, seed) for seed in (0, 1) for task in tasks]

    return SweepPlan(name="toy", folder=folder, space=space, cells=cells, seed=3)


def open_study(plan: SweepPlan, **more: Any) -> StudyLedger:
    return StudyLedger.open(
        plan.url, plan.name, plan.space, cells=plan.cells, seed=plan.seed, **more
    )


def spec_of(item: OpenTrial, cell: Cell) -> RunSpec:
    return RunSpec(
        sweep="toy",
        number=item.number,
        cell=cell,
        method="toy",
        config=item.config,
        folder="x",
        origin=item.origin,
    )


def end_of(item: OpenTrial, cell: Cell, reports: int, state: RunState, reason: str) -> Run:
    curve = tuple(
        Report(rung=rung, step=rung, seconds=float(rung), metrics={"dev/score": score(item, rung)})
        for rung in range(1, reports + 1)
    )
    return Run(
        sweep="toy",
        number=item.number,
        cell=cell,
        method="toy",
        state=state,
        reason=reason,
        config={name: as_scalar(value) for name, value in item.config.items()},
        metrics=dict(curve[-1].metrics) if curve else {},
        curve=curve,
        finished="2026-01-01T00:00:00+00:00",
    )


def score(item: OpenTrial, rung: int) -> float:
    return float(item.config["width"]) * rung / 3 + 0.01 * item.number


def play(plan: SweepPlan, ledger: StudyLedger, *, asked: int) -> None:
    """Ask for so many; each ends but every fourth, which is begun only."""
    store, intents = Store(plan.root), RunJournal(plan.root)
    for _ in range(asked):
        item = ledger.ask()
        assert item is not None
        if item.problem:
            failed = end_of(item, item.cells[0], 0, RunState.FAILED, item.problem)
            store.append(ledger.finish_cell(item.number, failed))
        elif item.number % 4 == 3:
            intents.write(spec_of(item, item.cells[0]))
        else:
            run(store, ledger, item)


def run(store: Store, ledger: StudyLedger, item: OpenTrial) -> None:
    if item.number == 6:
        failed = end_of(item, item.cells[0], 0, RunState.FAILED, "it was meant to")
        store.append(ledger.finish_cell(item.number, failed))
        return
    for rung in range(1, 5):
        if ledger.report(item.number, rung, score(item, rung)):
            ended = end_of(item, item.cells[0], rung, RunState.PRUNED, "stopped early")
            store.append(ledger.finish_cell(item.number, ended))
            return
    for cell in item.cells:
        complete = end_of(item, cell, 4, RunState.COMPLETE, "")
        store.append(ledger.finish_cell(item.number, complete))


def content(ledger: StudyLedger) -> list[dict[str, Any]]:
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": trial.values,
            "params": {name: (type(v), v) for name, v in trial.params.items()},
            "distributions": trial.distributions,
            "reports": trial.intermediate_values,
            # Of a seal what was written last; which write came before it is not recovered.
            "attributes": {**trial.user_attrs, SEAL: trial.user_attrs[SEAL][-1]},
        }
        for trial in ledger._database.trials()
    ]


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one["attributes"].keys() == other["attributes"].keys(), one["number"]
        for name, value in one["attributes"].items():
            assert value == other["attributes"][name], (one["number"], name)
        assert one == other


def forget(plan: SweepPlan) -> None:
    for path in plan.folder.glob("study.db*"):
        path.unlink()


@pytest.mark.parametrize("kind", ["joint", "per_task"])
def test_the_study_is_as_it_was(tmp_path: Path, read_space: Read, kind: str) -> None:
    space = read_space(MANY)
    tasks = ("toy",)
    if kind == "per_task":
        space = space.with_overrides({}, mode="per_task", warm_start=1, trials=7)
        tasks = ("en-es", "en-fr")
    plan = plan_of(tmp_path, space, tasks)
    with open_study(plan) as ledger:
        play(plan, ledger, asked=8 if kind == "per_task" else 14)
        before, papers, asked = content(ledger), ledger.papers, ledger.asked
        opened = ledger.open_configurations()
    states = {trial["state"] for trial in before}
    assert {"COMPLETE", "PRUNED", "FAIL", "RUNNING"} <= states
    forget(plan)

    found = recover_study(plan, Store(plan.root).trials())

    assert sum(found.ended.values()) + found.open == len(before)
    assert found.open == len(opened) and not found.empty
    with open_study(plan, left="rows") as ledger:
        assert_same(content(ledger), before)
        assert (ledger.papers, ledger.asked) == (papers, asked)
        assert ledger.open_configurations() == opened
        times = [t.datetime_complete for t in ledger._database.trials() if t.state.is_finished()]
    assert {time and time.astimezone() for time in times} == {
        datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    }


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc"])
def test_what_is_asked_next_is_the_same(
    tmp_path: Path, toy_space: SearchSpace, sampler: str
) -> None:
    space = toy_space.with_overrides({}, sampler=sampler, trials=20)
    configs = []
    for name in ("calm", "lost"):
        plan = plan_of(tmp_path / name, space)
        plan.folder.mkdir()
        with open_study(plan) as ledger:
            play(plan, ledger, asked=13)
        if name == "lost":
            forget(plan)
            recover_study(plan, Store(plan.root).trials())
        with open_study(plan) as ledger:
            configs.append([item.config for item in (ledger.ask(), ledger.ask()) if item])
    assert configs[0] == configs[1] and len(configs[0]) == 2


def test_a_number_of_which_nothing_is_left_stays_empty(
    tmp_path: Path, toy_space: SearchSpace
) -> None:
    plan = plan_of(tmp_path, toy_space)
    with open_study(plan) as ledger:
        play(plan, ledger, asked=5)
    rows = [row for row in Store(plan.root).trials() if row.number != 2]
    forget(plan)
    found = recover_study(plan, rows)
    assert found.empty == (2,)
    with open_study(plan) as ledger:
        assert ledger.asked == 4  # the budget has room for another in its place
        following = ledger.ask()
        assert following is not None and following.number == 5


def test_what_is_there_is_not_overwritten(tmp_path: Path, toy_space: SearchSpace) -> None:
    plan = plan_of(tmp_path, toy_space)
    with open_study(plan) as ledger:
        play(plan, ledger, asked=3)
        before = content(ledger)
    with pytest.raises(StoreError, match="has one of the name `toy` with 3 trials; run the sweep"):
        recover_study(plan, Store(plan.root).trials())
    with open_study(plan) as ledger:
        assert_same(content(ledger), before)


def test_no_sweep_begins_where_the_study_is_gone(tmp_path: Path, toy_space: SearchSpace) -> None:
    plan = plan_of(tmp_path, toy_space)
    with pytest.raises(StoreError, match="is gone or half recovered, while there are 3 rows; `py"):
        open_study(plan, left="3 rows")


def test_a_renamed_sweep_is_told_what_is_the_case(tmp_path: Path, toy_space: SearchSpace) -> None:
    plan = plan_of(tmp_path, toy_space)
    with open_study(plan) as ledger:
        play(plan, ledger, asked=3)
        before = content(ledger)
    url = plan.url
    for _ in range(2):  # the refusal leaves nothing behind
        with pytest.raises(StoreError, match="but only that of `toy` is, while there are 3 rows"):
            StudyLedger.open(url, "renamed", plan.space, cells=plan.cells, left="3 rows")
    with open_study(plan, left="3 rows") as ledger:
        assert_same(content(ledger), before)


def test_an_interrupted_recovery_is_begun_anew(
    tmp_path: Path, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, toy_space)
    with open_study(plan) as ledger:
        play(plan, ledger, asked=4)
        before = content(ledger)
    forget(plan)
    rows = Store(plan.root).trials()

    class Killed(BaseException):
        pass

    def killed(*arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("raysearch.search.study.recovery.write_identity", killed)
        with pytest.raises(Killed):
            recover_study(plan, rows)
    with pytest.raises(StoreError, match="half recovered"):
        open_study(plan)
    recover_study(plan, rows)
    with open_study(plan) as ledger:
        assert_same(content(ledger), before)


def test_another_sweeps_root_is_refused(tmp_path: Path, toy_space: SearchSpace) -> None:
    plan = plan_of(tmp_path, toy_space)
    with pytest.raises(StoreError, match="but .* has none; `python -m raysearch sweep` begins it"):
        recover_study(plan, [])
    with open_study(plan) as ledger:
        play(plan, ledger, asked=3)
    forget(plan)
    rows = Store(plan.root).trials()
    with pytest.raises(StoreError, match="but has some of `other` of toy"):
        recover_study(plan, [*rows, replace(rows[0], sweep="other")])
    strange = replace(rows[0], cell=Cell("elsewhere", 0))
    with pytest.raises(StoreError, match="but has one with elsewhere-s0"):
        recover_study(plan, [*rows, strange])
    intent = tmp_path / "intents" / "00009-toy-s0.json"
    intent.parent.mkdir(exist_ok=True)
    intent.write_text('{"number": 9}')
    with pytest.raises(StoreError, match="00009-toy-s0.json must be a run as a sweep writes it"):
        recover_study(plan, rows)
    intent.unlink()
    assert recover_study(plan, rows).open + sum(recover_counts(plan)) == 3


def recover_counts(plan: SweepPlan) -> list[int]:
    with open_study(plan) as ledger:
        return [sum(trial["state"] != "RUNNING" for trial in content(ledger))]


def test_a_space_comes_back_from_its_card(
    read_space: Read, toy_config: type, tmp_path: Path
) -> None:
    space = read_space(MANY).with_overrides({"tags": "a+b"}, mode="per_task", warm_start=2)
    card = {"trials": space.trials, "study": identity_of(space, 5)}
    again, seed = space_of(card, "sweep.json", toy_config)
    assert seed == 5
    assert again == replace(space, source="sweep.json", setting=again.setting)
    assert again.config_for({"depth": 3}) == space.config_for({"depth": 3})
    assert again.paper_first() == space.paper_first()
    for wrong in ({}, {"trials": 3, "study": {}}, {"trials": 3, "study": {"space": {}, "seed": 0}}):
        with pytest.raises(StoreError, match="must say under `study` what was searched"):
            space_of(wrong, "sweep.json", toy_config)
