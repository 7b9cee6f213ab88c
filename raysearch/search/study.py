"""Which configurations were asked, how far are they, and what is next.

`StudyLedger` is the only authority over a sweep: an Optuna study on a database. The intent is
written before anybody acts and the result before anybody is told, so a run that was killed at
any instant goes on from here. One caller, one thread; configurations of several slots may be
open at once.

Life of a configuration::

    ask            RUNNING, with parameters, config and cells, in one transaction
    report         objective of cell 0 at a rung; True means: stop, early stopping says so
    finish_cell    the cell's record, then, when nothing is left to run, the end:
                   COMPLETE with the mean over the cells, PRUNED, or FAIL with its reason

Every call may be repeated: what is recorded already stays as it is. So a driver that was
killed between any two writes repeats what it does not know to be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysearch.search.space import SearchSpace
from raysearch.trial import Cell, Trial

__all__ = ["Configuration", "StudyLedger"]


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One configuration of the study: an Optuna trial that is still open.

    Attributes:
        number: The trial's number in the study, from 0.
        config: Every setting, as a lease takes it.
        cells: All cells; cell 0 runs first and alone, the others follow if it survives.
        finished: The cells whose record is in the study.
        reports: Rung to objective of cell 0, as recorded.
        stopped_at: Rung at which early stopping ended cell 0, or None.
        problem: Why the config cannot be run at all, or empty; finish cell 0 as FAILED with it.
    """

    number: int
    config: Mapping[str, Any]
    cells: tuple[Cell, ...]
    finished: tuple[Cell, ...] = ()
    reports: Mapping[int, float]
    stopped_at: int | None = None
    problem: str = ""

    @property
    def pending(self) -> tuple[Cell, ...]:
        """Cells that may run now: cell 0 alone until its record is there, then the others."""
        raise NotImplementedError


class StudyLedger:
    """The study of one sweep; see the module's docstring. Use as a context manager."""

    @classmethod
    def open(
        cls,
        url: str,
        name: str,
        space: SearchSpace,
        *,
        cells: Callable[[Mapping[str, Any]], Sequence[Cell]],
        seed: int = 0,
    ) -> StudyLedger:
        """Create the study or continue it.

        Args:
            url: SQLAlchemy URL, for example ``sqlite:///results/demo/study.db``.
            name: Name of the sweep and of the study.
            space: What is searched; its budget may differ from that of an earlier run.
            cells: A config's cells, the one that early stopping judges first; at least one.
            seed: Seed of the sampler.

        Raises:
            StoreError: The database cannot be reached, read, locked or written, or is newer.
            ConfigError: The study of this name was made for another space, goal or seed.
        """
        raise NotImplementedError

    @property
    def asked(self) -> int:
        """Configurations that count against the budget: all but those nobody ever intended."""
        raise NotImplementedError

    def ask(self) -> Configuration | None:
        """The next configuration, recorded; None when the budget of trials or the grid is used up.

        Raises:
            StoreError: The database cannot be written.
        """
        raise NotImplementedError

    def report(self, number: int, rung: int, value: float) -> bool:
        """Record the objective of cell 0 at a rung; True when early stopping ends it.

        A rung that is recorded already keeps its value and its decision. Rungs after one that
        said stop are not recorded, and say stop.
        """
        raise NotImplementedError

    def finish_cell(self, number: int, trial: Trial) -> Trial:
        """Record a cell's end and, when nothing is left to run, the configuration's.

        Returns:
            The record as stored, to be handed on instead of `trial`: a complete trial whose
            objective is missing or not finite is stored as failed, and a cell that was
            recorded before keeps its first record.
        """
        raise NotImplementedError

    def open_configurations(self) -> tuple[Configuration, ...]:
        """Configurations that are not at their end, in order of number."""
        raise NotImplementedError

    def finished_trials(self) -> Iterator[Trial]:
        """Every cell record of the study, in order of number and cell."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the database; the ledger cannot be used any more."""
        raise NotImplementedError
