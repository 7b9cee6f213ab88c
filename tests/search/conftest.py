"""A toy method's config and spaces over it, so that the search is tested without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
from postgres import PostgresServer, running_postgres

from raysearch.config import TrainingConfig, setting
from raysearch.run import Cell, Run, RunState
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.study.ledger import OpenTrial, StudyLedger


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


def sqlite_in(folder: Path) -> str:
    return f"sqlite:///{folder}/study.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url_in(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """A folder's study: its URL in either kind of database."""
    if request.param == "sqlite":
        return sqlite_in
    url: Callable[[Path], str] = request.getfixturevalue("postgres").url_in
    return url


class ToySweep:
    """A driver over a ledger whose every step follows from what the study holds.

    Two configurations are open at a time. A step asks, reports a rung or finishes a cell;
    which one is drawn from a hash of the study's state and the sweep's order, so that a driver
    that was killed and one that was not do the same. A killed driver's workers start their
    cells again from the first report.
    """

    def __init__(
        self,
        folder: Path,
        space: SearchSpace,
        *,
        order: int = 0,
        seeds: int = 1,
        tasks: tuple[str, ...] = (),
        url_in: Callable[[Path], str] = sqlite_in,
    ) -> None:
        self.url = url_in(folder)
        self.space = space
        self.order = order
        self.seeds = seeds
        self.tasks = tasks
        self.told: list[str] = []
        """Ids of the records handed on, repeats included."""

    def open(self) -> StudyLedger:
        self._replayed: set[int] = set()
        return StudyLedger.open(
            self.url,
            "toy",
            self.space,
            cells=self._cells,
        )

    def _cells(self, config: Mapping[str, Any]) -> list[Cell]:
        tasks = self.tasks or (config["shape"],)
        return [Cell(task, seed) for seed in range(self.seeds) for task in tasks]

    def run(self, ledger: StudyLedger) -> None:
        while self.step(ledger):
            pass

    def step(self, ledger: StudyLedger) -> bool:
        configurations = ledger.open_configurations()
        if len(configurations) < 2 and ledger.ask() is not None:
            return True
        if not configurations:
            return False
        state = [(item.number, len(item.reports), len(item.finished)) for item in configurations]
        drawn = hashlib.sha256(repr((self.order, state)).encode()).digest()[0]
        self._advance(ledger, configurations[drawn % len(configurations)])
        return True

    def _advance(self, ledger: StudyLedger, item: OpenTrial) -> None:
        cell = item.pending[0]
        if cell != item.cells[0]:
            self._finish(ledger, item, cell, RunState.COMPLETE, item.config["reports"])
            return
        done = max(item.reports, default=0)
        if item.number not in self._replayed:
            self._replayed.add(item.number)
            for rung in range(1, done + 1):  # a new worker repeats what the old one reported
                ledger.report(item.number, rung, toy_score(item.config, item.number, 0, rung))
        if item.stopped_at is not None and item.stopped_at in item.reports:
            self._finish(ledger, item, cell, RunState.PRUNED, item.stopped_at)
        elif done < item.config["reports"]:
            score = toy_score(item.config, item.number, 0, done + 1)
            ledger.report(item.number, done + 1, score)
        else:
            self._finish(ledger, item, cell, RunState.COMPLETE, done)

    def _finish(
        self, ledger: StudyLedger, item: OpenTrial, cell: Cell, state: RunState, rung: int
    ) -> None:
        score = toy_score(item.config, item.number, cell.seed, rung)
        failed = item.number % 5 == 3
        trial = toy_trial(
            item.number,
            cell,
            state=RunState.FAILED if failed else state,
            reason="it was meant to" if failed else "",
            metrics={"dev/score": score},
        )
        self.told.append(ledger.finish_cell(item.number, trial).id)

    def content(self, ledger: StudyLedger) -> list[dict[str, Any]]:
        """Everything in the study but times, by the database alone."""
        return [
            {
                "number": trial.number,
                "state": trial.state.name,
                "values": trial.values,
                "params": trial.params,
                "reports": trial.intermediate_values,
                "attributes": trial.user_attrs,
            }
            for trial in ledger._database.trials()
        ]


def toy_score(config: Mapping[str, Any], number: int, seed: int, rung: int) -> float:
    return float(config["width"]) * rung + 0.01 * number + 0.1 * seed


def toy_trial(number: int, cell: Cell, **fields: Any) -> Run:
    known: dict[str, Any] = {"sweep": "toy", "method": "toy", "config": {"number": number}}
    known |= {"state": RunState.COMPLETE, "metrics": {"dev/score": 1.0}}
    return Run(number=number, cell=cell, **(known | fields))


@pytest.fixture
def toy_sweep() -> type[ToySweep]:
    return ToySweep


@pytest.fixture
def make_trial() -> Callable[..., Run]:
    return toy_trial
