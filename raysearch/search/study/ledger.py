"""The ledger of a sweep: which configurations were asked for, their progress, and what is next.

`StudyLedger` is the only source of truth of a sweep: an Optuna study in a database. Intents are
written before anybody acts and results before anybody is notified, so a sweep that was killed at
any instant resumes from here. One caller, one thread; configurations of several slots may be
open at once.

Life of a configuration::

    ask            RUNNING, with parameters, config and cells, in one transaction
    report         objective of cell 0 at a rung; returns True to stop: early stopping ends it,
                   or the objective is not finite
    finish_cell    the cell's record, then, once all cells are in or one has not run to its end,
                   the state: COMPLETE with its aggregate value, PRUNED, or FAIL with a reason

Seeds that are added later reopen complete ones: `raysearch.search.study.further_seeds`.

Every call is idempotent: what is recorded stays as it is. So a driver that was killed between
any two writes repeats what it does not know to be done.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType

from optuna.trial import TrialState as OptunaState

from raysearch.run import Cell, Run, tasks_of
from raysearch.search.space.space import SearchSpace
from raysearch.search.study.database import StudyDatabase
from raysearch.search.study.entries import (
    CELL,
    INTENT,
    VERDICT,
    Entry,
    OpenTrial,
    Outcome,
    Verdict,
    intent_of,
    record_of,
    records,
    with_objective,
    with_origin,
)
from raysearch.search.study.further_seeds import FurtherSeeds
from raysearch.search.study.identity import begin_with, begun_with, claim_study, sealed_trials
from raysearch.search.study.lock import Guard, unguarded
from raysearch.search.suggest.pruners import PRUNERS, pruning_rungs
from raysearch.search.suggest.task_search import CellsOf, Draft, TaskSearches, cells_within

__all__ = ["OpenTrial", "StudyLedger"]


class StudyLedger(AbstractContextManager["StudyLedger"]):
    """The study of one sweep; see the module's docstring. Also a context manager.

    Args:
        database: The study, claimed by this sweep; `open` creates and claims it.
        space: What is searched.
        cells: A config's cells over all tasks, the one for early stopping first; at least one. In
            ``mode: per_task`` a configuration has those of one task.
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
        cls,
        url: str,
        name: str,
        space: SearchSpace,
        *,
        cells: CellsOf,
        seed: int = 0,
        on_wait: Callable[[str], None] = lambda text: None,
        left: str = "",
        guard: Guard = unguarded,
    ) -> StudyLedger:
        """Create the study or continue it.

        Args:
            url: SQLAlchemy URL, for example ``sqlite:///results/demo/study.db``.
            name: Name of the sweep and of the study.
            space: What is searched; trials and time may differ from those of earlier sessions.
            cells: A config's cells, the one for early stopping first; at least one.
            seed: Seed of the sampler, at least 0.
            on_wait: Called with one sentence when a lost server is waited for or is back.
            left: Description of what earlier sessions left; if not empty, a new study is refused.
            guard: Called before each transaction.

        Raises:
            StoreError: The database cannot be reached, read, locked or written, is newer, or is
                gone. Every method may raise it too; the ledger stays usable.
            ConfigError: The study of this name was made for another space, goal or seed.
        """
        database = StudyDatabase(url, name, space.goal.direction, on_wait, guard)
        try:
            claim_study(database, name, space, seed, left=left)
            return cls(database, space, cells=cells, seed=seed)
        except BaseException:
            database.close()
            raise

    @property
    def asked(self) -> int:
        """Configurations that count against the budget: all that the sweep ever asked for."""
        return sum(search.asked for search in self._searches.all.values())

    @property
    def all_asked(self) -> bool:
        """Whether no configuration will follow: budget or space is used up."""
        return self._searches.all_asked

    @property
    def used_up(self) -> tuple[str, ...]:
        """Tasks whose space has nothing new left; "" means all tasks together."""
        return tuple(task for task, search in self._searches.all.items() if search.used_up)

    @property
    def origins(self) -> dict[str, int]:
        """Origin of configurations (`raysearch.run`) to their number."""
        return dict(sum((search.origins for search in self._searches.all.values()), Counter()))

    @property
    def papers(self) -> dict[str, int]:
        """Task to the trial number of its paper setting, once asked; "" for all tasks together."""
        searches = self._searches.all.items()
        return {task: search.first for task, search in searches if search.first is not None}

    def ask(self) -> OpenTrial | None:
        """The next configuration, recorded; None when there is none, or none yet.

        There is none when the budget of trials or the space is used up, and none yet while a
        task that starts from the best of another waits for that one's end. The first of a task
        is the paper's own setting; none repeats an earlier trial.

        Raises:
            ConfigError: The sampler needs a package that is not installed.
        """
        with self._following():
            draft = self._searches.draft(self._count)
            return None if draft is None else self._write_intent(draft)

    def report(self, number: int, rung: int, value: float) -> bool:
        """Record the objective of cell 0 at a rung; True when early stopping ends it.

        A rung that is recorded already keeps its value and its decision. Rungs after a stop are
        not recorded and return True, as does a configuration that has ended. The last rung
        (`reports` of the config) never stops: nothing would be saved.

        Args:
            number: The configuration's number.
            rung: From 1.
            value: The objective; one that is not finite is recorded, and fails cell 0 at a rung
                of early stopping.
        """
        with self._following():
            entry = self._open.get(number)
            if entry is None:
                return True
            if rung not in entry.reports and entry.stopped_at is None:
                self._prune(entry, rung, value)
            stops = entry.stopped_at is not None and rung >= entry.stopped_at
            if rung not in entry.reports and (not stops or rung == entry.stopped_at):
                self._database.set_intermediate(entry.trial_id, rung, value)
                self._searches.of(entry.cells).view.report(number, rung, value)
                entry.reports[rung] = value
            return stops

    def finish_cell(self, number: int, trial: Run) -> Run:
        """Record a cell's end and, when all are in or this one failed, the configuration's.

        Cells that still run when another one fails are dropped without a record.

        Returns:
            The record as stored, to be used instead of `trial`: a complete run whose objective
            is missing or not finite is stored as failed, and a cell that was recorded before
            keeps its first record.
        """
        with self._following():
            entry = self._open.get(number)
            if entry is None or trial.cell in entry.finished:
                return self._recorded(number, trial.cell)
            if trial.cell not in entry.cells:
                raise ValueError(f"configuration {number} has no cell {trial.cell.slug}")
            record = with_origin(with_objective(trial, self._space.goal), entry.origin)
            if entry.ended:
                self._further.write(record)
            else:
                key = CELL + record.cell.slug
                self._database.set_trial_attribute(entry.trial_id, key, record.to_json())
            entry.finished[record.cell] = Outcome.of(record, self._space.goal)
            self._settle(entry)
            return record

    def open_configurations(self) -> tuple[OpenTrial, ...]:
        """Configurations that have not ended, in order of number."""
        with self._following():
            return tuple(self._open[number].configuration() for number in sorted(self._open))

    def records(self, number: int) -> tuple[Run, ...]:
        """The cell records of a configuration in order of cells."""
        trial = self._database.trial(self._database.trial_id(number))
        return (*records(trial), *self._further.records(number).values())

    def finished_trials(self) -> Iterator[Run]:
        """Every cell record of the study, in order of number and cell."""
        for trial in self._database.trials():
            yield from records(trial)
            yield from self._further.records(trial.number).values()

    @property
    def sources(self) -> dict[str, str]:
        """Name to SHA-256 of the sweep's known sources."""
        return begun_with(self._database)

    @sources.setter
    def sources(self, found: Mapping[str, str]) -> None:
        begin_with(self._database, found)

    def close(self) -> None:
        """Close the database; the ledger is unusable afterwards."""
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
        """Keep memory in step with the database: after a failed write it is read again."""
        if self._stale:
            self._load()
        self._stale = True  # stays so if the block raises
        yield
        self._stale = False

    def _load(self) -> None:
        self._further = FurtherSeeds(self._database, self._space, self._cells)
        trials = sealed_trials(self._database)
        self._open: dict[int, Entry] = {}
        self._count = len(trials)
        for index, trial in enumerate(trials):
            if INTENT in trial.user_attrs:
                trials[index], entry = self._further.extended(trial)
                if entry is not None:
                    self._open[trial.number] = entry
        tasks = tasks_of(self._cells(self._space.paper_first()[0]))
        self._searches = TaskSearches(self._space, self._seed, tasks, trials)
        for entry in self._open.values():
            self._searches.of(entry.cells).open.add(entry.number)
        for trial in trials:
            if trial.state.is_finished():
                continue
            trial_id = self._database.trial_id(trial.number)
            if INTENT not in trial.user_attrs:
                self._database.fail(trial_id, "interrupted before its intent was recorded")
                continue
            self._open[trial.number] = Entry.read(trial, trial_id, self._space)
        # A driver may have been killed between the last cell's record and the end.
        for entry in list(self._open.values()):
            self._settle(entry)
        self._stale = False

    def _write_intent(self, draft: Draft) -> OpenTrial:
        cells, problem = cells_within(
            self._cells, self._space, draft.search.task, draft.config, draft.problem
        )
        template = copy.copy(draft.trial)
        intent = intent_of(
            draft.config, cells, problem=problem, literal=draft.literal, origin=draft.origin
        )
        template.user_attrs = {INTENT: intent}
        trial_id = self._database.create(template)
        entry = Entry(
            space=self._space,
            number=template.number,
            trial_id=trial_id,
            config=draft.config,
            cells=cells,
            problem=problem,
            origin=draft.origin,
        )
        self._open[entry.number] = entry
        draft.search.note(entry.number, draft)
        self._count += 1
        return entry.configuration()

    def _recorded(self, number: int, cell: Cell) -> Run:
        further = self._further.records(number)
        if cell in further:
            return further[cell]
        trial = self._database.trial(self._database.trial_id(number))
        if CELL + cell.slug not in trial.user_attrs:
            raise ValueError(f"configuration {number} has ended without the cell {cell.slug}")
        return record_of(trial, cell)

    def _prune(self, entry: Entry, rung: int, value: float) -> None:
        pruner = PRUNERS[self._space.pruner]
        if pruner is None:
            return
        goal, reduction = self._space.goal, self._space.reduction
        search = self._searches.of(entry.cells)
        for at in pruning_rungs(rung, reduction, reports=entry.config["reports"]):
            if at in entry.decided:  # decided before a crash
                continue
            stops = pruner(value, search.rung_values.get(at, ()), reduction, goal.direction)
            verdict = Verdict(rung, value, stops)
            key = f"{VERDICT}{at}"
            self._database.set_trial_attribute(entry.trial_id, key, verdict.plain())
            entry.note_verdict(at, verdict)
            search.note_judged(at, value)
            if stops:
                return

    def _settle(self, entry: Entry) -> None:
        """Write the end of a configuration that has nothing left to run."""
        end = entry.end()
        if end is None:
            return
        if entry.ended:  # the database has its first end; read it again with all cells
            self._load()
            return
        if end.state is OptunaState.FAIL:
            self._database.fail(entry.trial_id, end.reason)
        else:
            self._database.tell(entry.trial_id, end.state, end.values)
        search = self._searches.of(entry.cells)
        search.view.tell(entry.number, end.state, end.values)
        search.open.discard(entry.number)
        del self._open[entry.number]
