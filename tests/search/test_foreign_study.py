"""A study to which another program writes, such as optuna-dashboard: one sentence, nothing lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from raysearch.errors import StoreError
from raysearch.run import Cell, Run
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.ledger import StudyLedger

MakeTrial = Callable[..., Run]
CELL = Cell("a", 0)


class Sweep:
    """A driver's ledger and, beside it, another program's hold on the same study."""

    def __init__(self, folder: Path, space: SearchSpace) -> None:
        self.url, self.space = f"sqlite:///{folder}/study.db", space
        self.ledger = self.open()

    def open(self) -> StudyLedger:
        return StudyLedger.open(self.url, "toy", self.space, cells=lambda config: [CELL])

    @property
    def other(self) -> optuna.Study:
        return optuna.load_study(study_name="toy", storage=self.url)


@pytest.fixture
def sweep(tmp_path: Path, toy_space: SearchSpace) -> Iterator[Sweep]:
    made = Sweep(tmp_path, toy_space)
    assert made.ledger.ask() and made.ledger.ask()
    yield made
    made.ledger.close()


@pytest.mark.parametrize("state", [TrialState.FAIL, TrialState.COMPLETE, TrialState.PRUNED])
@pytest.mark.parametrize("known", [True, False])
def test_a_trial_that_another_program_ends_is_said(
    sweep: Sweep, make_trial: MakeTrial, state: TrialState, known: bool
) -> None:
    if known:  # the ledger remembers what it wrote last
        sweep.ledger.report(1, 1, 9.0)
    sweep.other.tell(1, 0.5 if state is TrialState.COMPLETE else None, state=state)
    said = f"trial 1 was ended as {state.name} by another program, such as optuna-dashboard"
    for step in (
        lambda: sweep.ledger.report(1, 2, 9.0),
        lambda: sweep.ledger.finish_cell(1, make_trial(1, CELL)),
        sweep.open,
    ):
        with pytest.raises(StoreError, match=said):
            step()


def dashboards_own(study: optuna.Study) -> None:
    study.enqueue_trial({"width": 0.4})


def finished(study: optuna.Study) -> None:
    study.add_trial(_stranger(0.5))


def running(study: optuna.Study) -> None:
    study.ask()


def _stranger(value: float) -> FrozenTrial:
    known = {"other": FloatDistribution(0, 1)}
    return create_trial(params={"other": 0.5}, distributions=known, value=value)


@pytest.mark.parametrize("add", [dashboards_own, finished, running])
def test_a_trial_that_another_program_adds_ends_the_run_and_not_the_sweep(
    sweep: Sweep, make_trial: MakeTrial, add: Callable[[optuna.Study], Any]
) -> None:
    add(sweep.other)
    with pytest.raises(StoreError, match="one driver at a time, but another wrote trial 2"):
        sweep.ledger.ask()
    sweep.ledger.close()
    sweep.ledger = sweep.open()
    while sweep.ledger.ask():
        pass
    for item in sweep.ledger.open_configurations():
        sweep.ledger.finish_cell(item.number, make_trial(item.number, CELL))
    assert sweep.ledger.asked == 6
    assert [t.number for t in sweep.ledger.finished_trials()] == [0, 1, 3, 4, 5, 6]


@pytest.mark.parametrize("step", ["ask", "report", "records", "finished_trials", "sources"])
def test_a_study_that_another_program_deletes_is_said(sweep: Sweep, step: str) -> None:
    sweep.ledger.report(1, 1, 9.0)
    optuna.delete_study(study_name="toy", storage=sweep.url)
    steps: dict[str, Callable[[], Any]] = {
        "ask": sweep.ledger.ask,
        "report": lambda: sweep.ledger.report(1, 2, 9.0),
        "records": lambda: sweep.ledger.records(0),
        "finished_trials": lambda: list(sweep.ledger.finished_trials()),
        "sources": lambda: setattr(sweep.ledger, "sources", {"data": "1"}),
    }
    with pytest.raises(StoreError, match="some of it was removed .*recover"):
        steps[step]()
