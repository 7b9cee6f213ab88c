"""Adds cells of further seeds to configurations that have ended.

Optuna never changes a trial that has ended. So the records of further cells are stored as
attributes of the study, and the trial's aggregate value over all its cells is computed when the
study is read: samplers, the leaderboard and the ranking use the same value. Configurations that
were stopped early or failed stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from raysearch.errors import StoreError, quoted
from raysearch.run import Cell, Run
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import StudyDatabase
from raysearch.search.study.entries import INTENT, Entry, Outcome, cells_of, intent_in
from raysearch.search.suggest.task_search import CellsOf, cells_within

__all__ = ["FurtherSeeds", "further_records"]

_PREFIX = "further/"
"""Attribute of the study: ``further/<number>/<cell>`` is the cell's `Run` as JSON text."""


def further_records(database: StudyDatabase) -> list[Run]:
    """The records of all further cells.

    Raises:
        DamagedStudyError: A record is not what a sweep writes.
    """
    found = []
    for key, text in database.attributes().items():
        if key.startswith(_PREFIX):
            try:
                found.append(Run.from_json(text))
            except StoreError as error:
                raise database.damaged(f"its attribute {quoted(key)}: {error}") from error
    return found


class FurtherSeeds:
    """All cells of a study's configurations, and the records of the further ones.

    Args:
        database: The study.
        space: What is searched, with its current seeds.
        cells: A config's cells over all tasks.
    """

    def __init__(self, database: StudyDatabase, space: SearchSpace, cells: CellsOf) -> None:
        self._database, self._space, self._cells = database, space, cells
        self._records: dict[int, dict[Cell, Run]] = {}
        for record in further_records(database):
            self._keep(record)

    def records(self, number: int) -> Mapping[Cell, Run]:
        """The records of a configuration's further cells, in order of cells."""
        found = self._records.get(number, {})
        return {cell: found[cell] for cell in sorted(found, key=lambda cell: (cell.seed, cell))}

    def write(self, record: Run) -> None:
        """Write the record of a further cell."""
        key = f"{_PREFIX}{record.number}/{record.cell.slug}"
        self._database.set_attribute(key, record.to_json())
        self._keep(record)

    def extended(self, trial: FrozenTrial) -> tuple[FrozenTrial, Entry | None]:
        """The trial with all of its current cells.

        Args:
            trial: A trial with an intent.

        Returns:
            The trial for readers of the study, and its entry if it had ended and has further
            cells to run.
        """
        if trial.state not in (OptunaState.RUNNING, OptunaState.COMPLETE):
            return trial, None
        cells = self._all_cells(trial)
        if cells == cells_of(trial):
            return trial, None
        found = copy.copy(trial)
        intent = {
            **intent_in(trial),
            "cells": [[cell.task, cell.seed] for cell in cells],
        }
        found.user_attrs = {**trial.user_attrs, INTENT: intent}
        trial_id = self._database.trial_id(trial.number)
        if trial.state is OptunaState.RUNNING:
            self._database.set_trial_attribute(trial_id, INTENT, intent)
            return found, None
        entry = Entry.read(found, trial_id, self._space)
        entry.ended = True
        for cell, record in self.records(trial.number).items():
            entry.finished[cell] = Outcome.of(record, self._space.goal)
        end = entry.end()
        if end is None:
            return found, entry
        found.state, found.values = end.state, end.values
        return found, None

    def _all_cells(self, trial: FrozenTrial) -> tuple[Cell, ...]:
        """The cells that a trial was asked for with, then those of further seeds."""
        intent, known = intent_in(trial), cells_of(trial)
        if intent["problem"]:
            return known
        task = known[0].task if self._space.mode == "per_task" else ""
        now, _ = cells_within(self._cells, self._space, task, intent["config"], "")
        return known + _further(known, now)

    def _keep(self, record: Run) -> None:
        self._records.setdefault(record.number, {})[record.cell] = record


def _further(known: Sequence[Cell], now: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells whose seeds are higher than the known ones."""
    highest = max(cell.seed for cell in known)
    return tuple(cell for cell in now if cell.seed > highest)
