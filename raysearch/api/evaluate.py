"""Evaluates trials on data that no selection may see, and records every opening of it.

Test is read once per selected configuration, after selection; target dev, an oracle where a
method has one, is read for every complete trial, to say what selection on source data lost.
Every reading is recorded in ``results/<sweep>/test`` or ``oracle``, with its time and commit;
asking again shows the record and reads nothing. That the data is about to be opened is recorded
before it is (`raysearch.leaderboard.openings`): a reading that was cut off is reported, and made
again as a further opening; one whose row was lost is written anew without opening anything.

Whoever records openings must be alone. In a folder that is a lock, gone with its process. An
object store has none: there it is a claim that its holder keeps alive, and who was killed holds it
for as long as the others need to see that it stands still.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import RenderableType

from raysearch import corpora
from raysearch.analysis.selection import regrets
from raysearch.api.messages import QUIET, Messages, shown
from raysearch.api.options import EvaluateOptions, with_keywords
from raysearch.api.train import restored
from raysearch.api.trials import goal_of, oracle_role, spec_of, trials_of
from raysearch.errors import StoreError
from raysearch.findings.sweep import oracle_goal
from raysearch.leaderboard import Store
from raysearch.leaderboard.keys import made_by
from raysearch.leaderboard.openings import (
    OPENINGS,
    SCORES,
    Opening,
    Openings,
    count_of,
    counts_in,
    readings_of,
)
from raysearch.leaderboard.origins import origins
from raysearch.printable import counted
from raysearch.render.readings import RegretTable, read_words, readings_table, worst_words
from raysearch.run import Run
from raysearch.storage import open_storage
from raysearch.storage.locks import HeldError, hold_folder
from raysearch.storage.uri import is_uri, join, redacted
from raysearch.training.again import read_as
from raysearch.training.checkpoint import has_weights, remove_weights
from raysearch.training.provenance import provenance
from raysearch.training.stages.locks import HeartbeatInterval, StageLocks

__all__ = [
    "Readings",
    "alone",
    "evaluate",
    "named",
    "opened_words",
    "read_trials",
    "reading_record",
    "readings_view",
]


@contextmanager
def alone(
    folder: str, role: str, pace: HeartbeatInterval | None = None, *, messages: Messages = QUIET
) -> Iterator[Openings]:
    """Inside the block, the openings of a sweep, which only this process may write.

    Args:
        folder: The sweep's folder or URI.
        role: Of the data that is opened.
        pace: How long a claim in an object store outlives its holder.
        messages: Where to say that another one's claim is waited for.

    Raises:
        StoreError: Another process opens the same data, or nothing can be written; inside, from
            what writes: the place was removed or replaced, so that another process may be there.
    """
    place = join(folder, OPENINGS)
    with ExitStack() as stack:
        if is_uri(folder):
            guard = stack.enter_context(
                _claimed(place, role, pace or HeartbeatInterval(), messages)
            )
        else:
            guard = stack.enter_context(_locked(Path(place), role))
        guard()  # removed between opening and locking
        yield Openings(folder, guard)


@contextmanager
def _locked(place: Path, role: str) -> Iterator[Callable[[], None]]:
    name = f"{role}.lock"
    with ExitStack() as stack:
        try:
            held = stack.enter_context(hold_folder(place, name))
        except HeldError as error:
            raise StoreError(_busy(str(error), role, redacted(place.parent))) from error
        except OSError as error:
            raise StoreError(
                f"`{place}` must be written before data is opened, but cannot be: {error.strerror}"
            ) from error

        def guard() -> None:
            if not held.holds():
                raise StoreError(
                    f"the openings of {named(role)} data must stay where they are while it is "
                    f"opened, but {redacted(place)} (or {name} in it) was removed or replaced: "
                    "nothing that is read is kept there, and this run ends"
                )

        yield guard


@contextmanager
def _claimed(
    place: str, role: str, pace: HeartbeatInterval, messages: Messages
) -> Iterator[Callable[[], None]]:
    holders = StageLocks(open_storage(place), pace)
    deadline = time.monotonic() + pace.stale + 2 * pace.beat
    warned = False
    while not holders.claim(role):
        if time.monotonic() > deadline:
            raise StoreError(_busy("another process", role, redacted(place)))
        if not warned:
            messages.note(
                f"{redacted(place)}: another process opens the {named(role)} data, or was killed; "
                f"looking for {pace.stale:g} s whether it lives"
            )
            warned = True
        time.sleep(pace.look)

    def guard() -> None:
        if not holders.holds(role):
            raise StoreError(
                f"the {named(role)} data of {redacted(place)} must be opened by one process at a "
                f"time, but this one gave no sign of life for {pace.stale:g} s, so that its claim "
                "may have been removed or replaced: nothing that is read is kept there, and this "
                "run ends"
            )

    try:
        yield guard
    finally:
        holders.release(role)


def opened_words(opening: Opening) -> str:
    """When, by whom and why data was opened before, and with what result."""
    if opening.damaged:
        return "opened before (the record of it is damaged)"
    text = f"opened at {opening.began} by {opening.by}"
    if opening.what != SCORES:
        text += f" for the {opening.what}"
    if not opening.finished:
        text += " (begun, not finished: no result was kept)"
    return text


def named(role: str) -> str:
    """A role in words: ``target dev``."""
    return role.replace("_", " ")


def _busy(who: str, role: str, where: str) -> str:
    return (
        f"the {named(role)} data of {where} must be opened by one process at a time, but {who} "
        "does so now; wait for it, then run the same command again, which shows what it read"
    )


_READER = ("raysearch", "package", "commit", "dirty", "code")
"""What a reading says of the sources that read it, each with ``read_`` before its name."""


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The test evaluations of a sweep's trials.

    Attributes:
        folder: The sweep's folder or URI.
        role: Of the data.
        rows: Every cell of the chosen trials, with its metrics on the role.
    """

    folder: str
    role: str
    rows: Sequence[Run]


@with_keywords(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> pd.DataFrame:
    """Read the test data, once for each selected trial, and record it.

    Takes the keywords of `raysearch.api.options.EvaluateOptions`.

    Returns:
        A row for each cell: ``sweep``, ``trial``, ``task``, ``seed``, ``read`` (when),
        ``openings`` (how often the data was opened for it), ``metric/*``.

    Raises:
        RaysearchError: There is no such trial, or it does not give its numbers again.

    >>> import raysearch
    >>> found = raysearch.evaluate("results/one", trial=0, quiet=True)
    >>> found["metric/test/va_pearson"].between(-1, 1).all()
    np.True_
    """
    with shown(options.quiet) as messages:
        return pd.DataFrame([reading_record(row) for row in read_trials(options, messages).rows])


def readings_view(found: Readings) -> Iterator[RenderableType | str]:
    """Evaluations as a rich renderable: a table for test, the regret for an oracle."""
    folder, role = found.folder, found.role
    store = Store(folder)
    card = store.card()
    if role != "test" and card is not None:
        table = readings_of(folder, "oracle").table()
        rows = regrets(store.table(), table, card, role)
        yield RegretTable(card.goal, role, rows, redacted(folder), read_words(counts_in(table)))
        return
    goal = goal_of(folder, found.rows[0].method)
    first = goal.name.partition("/")[2] if goal else ""
    counts = [(row.number, count_of(row)) for row in found.rows]
    title = f"test, {read_words(counts)}" if role == "test" else f"{named(role)}, an oracle"
    yield readings_table(found.rows, title=title, first=first)
    if card is not None and card.aggregate == "worst":
        yield from worst_words(found.rows, oracle_goal(card.goal, role))


def reading_record(row: Run) -> dict[str, Any]:
    """One evaluation as a flat record: cell, time, number of openings, and metrics."""
    return {
        "sweep": row.sweep,
        "trial": row.number,
        "task": row.cell.task,
        "seed": row.cell.seed,
        "read": row.finished,
        "openings": count_of(row),
        **{f"metric/{name}": value for name, value in row.metrics.items()},
    }


def read_trials(options: EvaluateOptions, messages: Messages = QUIET) -> Readings:
    """Evaluate every cell of the chosen trials that was not evaluated before.

    Raises:
        RaysearchError: There is no such trial, or it does not give its numbers again.
    """
    folder, oracle = str(options.sweep), options.oracle
    wanted = [options.trial] if isinstance(options.trial, int | str) else options.trial
    wanted = wanted or ["all" if oracle else "best"]
    chosen = trials_of(folder, [str(w) for w in wanted], metric=options.metric, task=options.task)
    role = oracle_role(chosen[0].method) if oracle else "test"
    for text in origins(Store(folder).table()).sentences:
        messages.note(text)
    record = readings_of(folder, "oracle" if oracle else "test")
    known = {trial.key: trial for trial in record.trials()}
    if any(trial.key not in known for trial in chosen):
        with alone(folder, role, messages=messages) as openings:
            known = {trial.key: trial for trial in record.trials()}  # read since the first look
            if not oracle:
                _say_known(chosen, known, openings, messages)
            missing = [trial for trial in chosen if trial.key not in known]
            data_dir = str(corpora.data_dir(options.data_dir))
            _Reader(folder, role, data_dir, record, openings, messages).read(missing)
        known = {trial.key: trial for trial in record.trials()}
    elif not oracle:
        _say_known(chosen, known, Openings(folder), messages)
    return Readings(folder=folder, role=role, rows=[known[trial.key] for trial in chosen])


def _say_known(
    chosen: Sequence[Run], known: Mapping[Any, Run], openings: Openings, messages: Messages
) -> None:
    """Report earlier openings: of these trials, of others of the same task, and without a row."""
    for trial in chosen:
        if trial.key in known:
            found = known[trial.key]
            often = count_of(found)
            times = f", and was opened {often} times in all" if often > 1 else ""
            messages.note(
                f"trial {trial.id}: test was read at {found.finished} by "
                f"{made_by(found.provenance, 'read_')}{times}; showing the record"
            )
    fresh = {trial.cell.task for trial in chosen if trial.key not in known}
    for task in sorted(fresh):
        now = {trial.number for trial in chosen if trial.cell.task == task}
        before = {trial.number for trial in known.values() if trial.cell.task == task} - now
        if before:
            numbers = ", ".join(map(str, sorted(before)))
            messages.note(
                f"{task}: test was read before, of trial {numbers}; say so where you report it"
            )
    with_rows = {trial.id for trial in (*chosen, *known.values())}
    for opening in openings.all("test"):
        if opening.trial not in with_rows:
            messages.note(
                f"trial {opening.trial}: test was {opened_words(opening)}, and there is no row of "
                "it; say so where you report another"
            )


@dataclass(frozen=True)
class _Reader:
    """Evaluates cells one after the other and records each; an interrupted one is reported next."""

    folder: str
    role: str
    data_dir: str
    record: Store
    openings: Openings
    messages: Messages

    def read(self, missing: Sequence[Run]) -> None:
        """Evaluate one trial and record it."""
        before = self.openings.all(self.role)
        missing = [trial for trial in missing if not self._written_anew(trial, before)]
        if self.role != "test" and missing:
            kept = sum(has_weights(spec_of(trial, self.folder)) for trial in missing)
            again = (
                f", {len(missing) - kept} are trained again first (a sweep with --keep all keeps "
                "them)"
                if kept < len(missing)
                else ""
            )
            self.messages.note(
                f"{counted(len(missing), 'cell')} to be read: {kept} have their weights{again}"
            )
        for trial in missing:
            self._read_one(trial, [opening for opening in before if opening.trial == trial.id])

    def _read_one(self, trial: Run, earlier: Sequence[Opening]) -> None:
        opening, reading = self._opened(trial, earlier)
        try:
            often = max(len(earlier) + 1, self.openings.counts()[opening.rows, trial.id])
            reading = replace(reading, provenance={**reading.provenance, OPENINGS: str(often)})
            self.openings.finish(opening, reading)
        except StoreError as error:
            self._put_back(opening, trial)
            raise StoreError(
                f"{error}. The {named(self.role)} data was read for trial {trial.id} and nothing "
                f"keeps what was read but this line: {json.dumps(dict(reading.metrics))}. Reading "
                "it again will count as another opening"
            ) from error
        try:
            self.record.append(reading)
        except StoreError as error:
            raise StoreError(
                f"{error}. What was read of trial {trial.id} is kept in "
                f"{redacted(self.openings.folder)}: "
                "the same command writes its row from there and reads nothing again"
            ) from error

    def _put_back(self, opening: Opening, trial: Run) -> None:
        """Restore the record of an opening, if it was removed but the sweep was not."""
        with suppress(StoreError):  # there is an error already, and its line says what was read
            rows = Store(self.folder).trials()
            if any(_of_trial(row, trial) and row.finished == trial.finished for row in rows):
                self.openings.put_back(opening)

    def _written_anew(self, trial: Run, before: Sequence[Opening]) -> bool:
        """Write a lost row anew from its record; returns whether there was one."""
        of_cell = [opening for opening in before if opening.trial == trial.id]
        kept = [item.reading for item in of_cell if item.reading and _of_trial(item.reading, trial)]
        if not kept:
            return False
        self.record.append(
            replace(kept[-1], provenance={**kept[-1].provenance, OPENINGS: str(len(of_cell))})
        )
        self.messages.note(
            f"trial {trial.id}: the row of its evaluation was gone and is written anew from the "
            f"record of it; the {named(self.role)} data was not read again"
        )
        return True

    def _opened(self, trial: Run, earlier: Sequence[Opening]) -> tuple[Opening, Run]:
        """The trial with its metrics on the role, and the time and commit of the evaluation."""
        spec = spec_of(trial, self.folder)
        kept = has_weights(spec)
        begun: list[Opening] = []

        def begin(weights: str) -> None:
            for opening in earlier:
                other = " with other weights" if opening.weights not in ("", weights) else ""
                self.messages.note(
                    f"trial {trial.id}: the {named(self.role)} data was {opened_words(opening)}"
                    f"{other}; this is opening {len(earlier) + 1} of it"
                )
            begun.append(self.openings.begin(trial, self.role, what=SCORES, weights=weights))

        method = restored(
            trial, self.folder, self.data_dir, self.role, before=begin, messages=self.messages
        )
        with read_as(trial):
            metrics = method.evaluate(self.role)
        if self.role != "test" and not kept:  # of hundreds of trials the weights fill the disk
            remove_weights(spec)
        made = provenance(trial.method)
        reading = replace(
            trial,
            metrics=metrics,
            curve=(),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            provenance={**trial.provenance, **{f"read_{name}": made[name] for name in _READER}},
        )
        return begun[0], reading


def _of_trial(reading: Run, trial: Run) -> bool:
    """Whether an evaluation is of this trial, not of one with its number in an earlier sweep."""
    settings = [
        {name: value for name, value in item.config.items() if value is not None}
        for item in (reading, trial)
    ]
    return reading.key == trial.key and settings[0] == settings[1]
