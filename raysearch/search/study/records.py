"""Reads a study's records and its sweep's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from raysearch.run import Run, tasks_of
from raysearch.search.space.file import TASK_DEFAULTS
from raysearch.search.space.space import IDENTITY
from raysearch.search.study.database import StudyDatabase
from raysearch.search.study.entries import cells_of, records
from raysearch.search.study.further_seeds import further_records
from raysearch.search.study.identity import identity_in, is_sealed_study, sealed_trials

__all__ = ["RecordedStudy", "recorded_study"]


@dataclass(frozen=True, kw_only=True)
class RecordedStudy:
    """The content of a study.

    Attributes:
        records: Every cell record, in order of number and cell.
        card: The fields of ``sweep.json`` that follow from the study.
        sealed: Whether its version seals trials and cards.
    """

    records: Sequence[Run]
    card: Mapping[str, Any]
    sealed: bool


def recorded_study(url: str, name: str) -> RecordedStudy:
    """Read an existing study.

    Args:
        url: SQLAlchemy URL.
        name: Name of the sweep.

    Raises:
        DamagedStudyError: The study is not as it was written.
        StoreError: The study does not exist, cannot be read, or a driver holds its server.
    """
    with closing(StudyDatabase(url, name, None)) as database:
        identity, trials = identity_in(database), sealed_trials(database)
        first = [record for trial in trials for record in records(trial)]
        found = [*first, *further_records(database)]
    return RecordedStudy(
        records=sorted(found, key=lambda trial: (trial.number, trial.cell)),
        card={} if identity is None else _card_of(identity, trials),
        sealed=is_sealed_study(identity),
    )


def _card_of(identity: Mapping[str, Any], trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The fields of ``sweep.json`` from the study's identity and its configurations' cells."""
    space, seed = identity["space"], identity["seed"]
    goal = space.get("objective")
    goal = goal if isinstance(goal, dict) else {}
    mode, seeds = space.get("mode", TASK_DEFAULTS["mode"]), space["seeds"]
    said = {
        "method": space.get("method"),
        "metric": goal.get("name"),
        "direction": goal.get("direction"),
        "mode": mode,
        "aggregate": space.get("aggregate", TASK_DEFAULTS["aggregate"]),
        IDENTITY: {"space": space, "seed": seed},
    }
    asked = [cells for cells in map(cells_of, trials) if cells]
    if not asked:
        return said
    if mode == "per_task":
        tasks = tasks_of([cells[0] for cells in asked])
        return {**said, "tasks": list(tasks), "cells": seeds}
    tasks = tasks_of(asked[0])  # those of the paper's own setting, as in the card
    return {**said, "tasks": list(tasks), "cells": seeds * len(tasks)}
