"""What does a study hold of its finished cells, for whoever only reads it."""

from __future__ import annotations

from contextlib import closing

from raysearch.search.further_seeds import further_records
from raysearch.search.study_database import StudyDatabase
from raysearch.search.study_entries import records
from raysearch.search.study_identity import sealed_trials
from raysearch.trial import Trial

__all__ = ["recorded_trials"]


def recorded_trials(url: str, name: str) -> list[Trial]:
    """Every cell record of a study that is there, in order of number and cell.

    Args:
        url: SQLAlchemy URL.
        name: Name of the sweep.

    Raises:
        DamagedStudyError: The study is not as it was written.
        StoreError: There is no such study, it cannot be read, or a driver holds its server.
    """
    with closing(StudyDatabase(url, name, None)) as database:
        first = [record for trial in sealed_trials(database) for record in records(trial)]
        found = [*first, *further_records(database)]
    return sorted(found, key=lambda trial: (trial.number, trial.cell))
