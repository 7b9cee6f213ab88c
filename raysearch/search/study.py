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

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from raysearch.config import as_scalar
from raysearch.errors import ConfigError
from raysearch.search.pruners import PRUNERS, judged_rungs
from raysearch.search.space import SearchSpace
from raysearch.search.study_database import StudyDatabase
from raysearch.search.study_entries import (
    CELL,
    INTENT,
    JUDGED,
    Configuration,
    Entry,
    Outcome,
    Verdict,
    intent_of,
    records,
    verdicts,
    with_objective,
)
from raysearch.search.study_identity import claim_study
from raysearch.search.study_mirror import StudyMirror
from raysearch.trial import Cell, Scalar, Trial

__all__ = ["Configuration", "StudyLedger"]

CellsOf = Callable[[Mapping[str, Any]], Sequence[Cell]]


class StudyLedger(AbstractContextManager["StudyLedger"]):
    """The study of one sweep; see the module's docstring. Also a context manager.

    Args:
        database: The study, claimed by this sweep; `open` makes and claims it.
        space: What is searched.
        cells: A config's cells, the one that early stopping judges first; at least one.
        seed: Seed of the sampler, at least 0.
    """

    def __init__(
        self, database: StudyDatabase, space: SearchSpace, *, cells: CellsOf, seed: int
    ) -> None:
        self._database = database
        self._space = space
        self._cells = cells
        self._seed = seed
        self._stale = True
        self._load()

    @classmethod
    def open(
        cls, url: str, name: str, space: SearchSpace, *, cells: CellsOf, seed: int = 0
    ) -> StudyLedger:
        """Create the study or continue it.

        Args:
            url: SQLAlchemy URL, for example ``sqlite:///results/demo/study.db``.
            name: Name of the sweep and of the study.
            space: What is searched; trials and time may differ from those of an earlier run.
            cells: A config's cells, the one that early stopping judges first; at least one.
            seed: Seed of the sampler, at least 0.

        Raises:
            StoreError: The database cannot be reached, read, locked or written, or is newer.
                Every method may raise it too; the ledger stays usable.
            ConfigError: The study of this name was made for another space, goal or seed.
        """
        database = StudyDatabase(url, name, space.goal.direction)
        try:
            claim_study(database, name, space, seed)
            return cls(database, space, cells=cells, seed=seed)
        except BaseException:
            database.close()
            raise

    @property
    def asked(self) -> int:
        """Configurations that count against the budget: all that a sweep ever asked."""
        return self._asked

    def ask(self) -> Configuration | None:
        """The next configuration, recorded; None when the budget of trials or a grid is used up.

        The first one is the paper's own setting.

        Raises:
            ConfigError: The sampler needs a package that is not installed.
        """
        with self._following():
            if self._asked >= self._space.trials:
                return None
            if self._asked == 0:
                config, params = self._space.paper_first()
                literal = self._checked_config(params)[0] != config
                draft = self._mirror.propose_given(params, hidden=literal)
                return self._write_intent(draft, config, "", literal=literal)
            proposal = self._mirror.propose()
            if proposal is None:
                return None
            config, problem = self._checked_config(proposal.params)
            return self._write_intent(proposal, config, problem, literal=False)

    def report(self, number: int, rung: int, value: float) -> bool:
        """Record the objective of cell 0 at a rung; True when early stopping ends it.

        A rung that is recorded already keeps its value and its decision. Rungs after one that
        said stop are not recorded and say stop, as does a configuration at its end. The last
        rung (`reports` of the config) is never judged: nothing would be saved.

        Args:
            number: The configuration's number.
            rung: From 1.
            value: The objective; one that is not finite is recorded, and ends cell 0 where it
                is judged.
        """
        with self._following():
            entry = self._open.get(number)
            if entry is None:
                return True
            if rung not in entry.reports and entry.stopped_at is None:
                self._judge(entry, rung, value)
            stops = entry.stopped_at is not None and rung >= entry.stopped_at
            if rung not in entry.reports and (not stops or rung == entry.stopped_at):
                self._database.set_intermediate(entry.trial_id, rung, value)
                self._mirror.report(number, rung, value)
                entry.reports[rung] = value
            return stops

    def finish_cell(self, number: int, trial: Trial) -> Trial:
        """Record a cell's end and, when nothing is left to run, the configuration's.

        Returns:
            The record as stored, to be handed on instead of `trial`: a complete trial whose
            objective is missing or not finite is stored as failed, and a cell that was
            recorded before keeps its first record.
        """
        with self._following():
            entry = self._open.get(number)
            if entry is None or trial.cell in entry.finished:
                return self._recorded(number, trial.cell)
            if trial.cell not in entry.cells:
                raise ValueError(f"configuration {number} has no cell {trial.cell.slug}")
            record = with_objective(trial, self._space.goal)
            key = CELL + record.cell.slug
            self._database.set_trial_attribute(entry.trial_id, key, record.to_json())
            entry.finished[record.cell] = Outcome.of(record, self._space.goal)
            self._settle(entry)
            return record

    def open_configurations(self) -> tuple[Configuration, ...]:
        """Configurations that are not at their end, in order of number."""
        with self._following():
            return tuple(self._open[number].configuration() for number in sorted(self._open))

    def finished_trials(self) -> Iterator[Trial]:
        """Every cell record of the study, in order of number and cell."""
        for trial in self._database.trials():
            yield from records(trial)

    def close(self) -> None:
        """Let go of the database; the ledger cannot be used any more."""
        self._database.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Keep memory in step with the database: after a write that failed it is read anew."""
        if self._stale:
            self._load()
        self._stale = True
        yield
        self._stale = False

    def _load(self) -> None:
        trials = self._database.trials()
        self._open: dict[int, Entry] = {}
        self._judged: dict[int, list[float]] = {}
        self._asked = 0
        hidden = set()
        for trial in trials:
            if INTENT not in trial.user_attrs:
                hidden.add(trial.number)
                if not trial.state.is_finished():
                    reason = "interrupted before its intent was recorded"
                    self._database.fail(self._database.trial_id(trial.number), reason)
                continue
            self._asked += 1
            if trial.user_attrs[INTENT]["literal"]:
                hidden.add(trial.number)
            for rung, verdict in verdicts(trial).items():
                self._note_judged(rung, verdict.value)
            if not trial.state.is_finished():
                trial_id = self._database.trial_id(trial.number)
                self._open[trial.number] = Entry.read(trial, trial_id, self._space.goal)
        self._mirror = StudyMirror(self._space, self._seed, trials, hidden)
        # A driver may have been killed between the record of the last cell and the end.
        for entry in list(self._open.values()):
            self._settle(entry)
        self._stale = False

    def _write_intent(
        self, draft: FrozenTrial, config: Mapping[str, Any], problem: str, *, literal: bool
    ) -> Configuration:
        # A config that cannot be run has no tasks to speak of: one cell takes its failure.
        cells = self._cells(self._space.paper_first()[0])[:1] if problem else self._cells(config)
        template = copy.copy(draft)
        intent = intent_of(config, cells, problem=problem, literal=literal)
        template.user_attrs = {INTENT: intent}
        trial_id = self._database.create(template)
        entry = Entry(
            number=draft.number,
            trial_id=trial_id,
            config=config,
            cells=tuple(cells),
            problem=problem,
        )
        self._open[entry.number] = entry
        self._asked += 1
        return entry.configuration()

    def _checked_config(self, params: Mapping[str, Scalar]) -> tuple[dict[str, Any], str]:
        try:
            return self._space.config_for(params), ""
        except ConfigError as error:
            setting = {name: as_scalar(value) for name, value in self._space.setting.items()}
            return {**setting, **params}, str(error)

    def _recorded(self, number: int, cell: Cell) -> Trial:
        attributes = self._database.trial_attributes(self._database.trial_id(number))
        return Trial.from_json(attributes[CELL + cell.slug])

    def _judge(self, entry: Entry, rung: int, value: float) -> None:
        pruner = PRUNERS[self._space.pruner]
        if pruner is None or rung >= entry.config["reports"]:
            return
        goal, reduction = self._space.goal, self._space.reduction
        for at in judged_rungs(rung, reduction):
            if at in entry.judged:
                continue
            stops = pruner(value, self._judged.get(at, ()), reduction, goal.direction)
            verdict = Verdict(rung, value, stops)
            key = f"{JUDGED}{at}"
            self._database.set_trial_attribute(entry.trial_id, key, verdict.plain())
            entry.note_verdict(at, verdict)
            self._note_judged(at, value)
            if stops:
                return

    def _note_judged(self, rung: int, value: float) -> None:
        if math.isfinite(value):
            self._judged.setdefault(rung, []).append(value)

    def _settle(self, entry: Entry) -> None:
        """Tell Optuna the end of a configuration of which nothing is left to run."""
        end = entry.end()
        if end is None:
            return
        if end.state is OptunaState.FAIL:
            self._database.fail(entry.trial_id, end.reason)
        else:
            self._database.tell(entry.trial_id, end.state, end.values)
        self._mirror.tell(entry.number, end.state, end.values)
        del self._open[entry.number]
