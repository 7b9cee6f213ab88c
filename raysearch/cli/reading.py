"""What does `raysearch evaluate` read of data that no selection may see, and what does it keep?

Test is read once per selected configuration, after selection; target dev, an oracle where a
method has one, is read for every complete trial, to say what selection on source data lost.
Every reading is recorded in ``results/<sweep>/test`` or ``oracle``, with its time and commit;
asking again shows the record and reads nothing. That the data is about to be opened is recorded
before it is (`raysearch.leaderboard.openings`): a reading that was cut off is told of, and made
again as a further opening; one whose row was lost is written anew without opening anything.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from raysearch import corpora
from raysearch.api.restore import lease_of, oracle_role, restored, trials_of
from raysearch.cli.opened import alone, named, opened_words
from raysearch.errors import StoreError
from raysearch.leaderboard import Store
from raysearch.leaderboard.keys import made_by
from raysearch.leaderboard.openings import (
    OPENINGS,
    SCORES,
    Opening,
    Openings,
    count_of,
    readings_of,
)
from raysearch.leaderboard.origins import origins
from raysearch.run import Run
from raysearch.storage.uri import redacted

__all__ = ["readings"]

_READER = ("raysearch", "package", "commit", "dirty", "code")
"""What a reading says of the sources that read it, each with ``read_`` before its name."""


def readings(args: argparse.Namespace) -> tuple[str, list[Run]]:
    """The role, and every cell of the chosen trials, read now where it was not before."""
    wanted = args.trial or ["all" if args.oracle else "best"]
    chosen = trials_of(args.folder, wanted, metric=args.metric, task=args.task)
    role = oracle_role(chosen[0].method) if args.oracle else "test"
    for text in origins(Store(args.folder).table()).sentences:
        sys.stderr.write(f"{text}\n")
    record = readings_of(args.folder, "oracle" if args.oracle else "test")
    data_dir = str(corpora.data_dir(args.data_dir))
    known = {trial.key: trial for trial in record.trials()}
    if any(trial.key not in known for trial in chosen):
        with alone(args.folder, role) as openings:
            known = {trial.key: trial for trial in record.trials()}  # read since the first look
            if not args.oracle:
                _say_known(chosen, known, openings)
            missing = [trial for trial in chosen if trial.key not in known]
            _read_missing(missing, role, record, openings, args.folder, data_dir)
        known = {trial.key: trial for trial in record.trials()}
    elif not args.oracle:
        _say_known(chosen, known, Openings(args.folder))
    return role, [known[trial.key] for trial in chosen]


def _say_known(chosen: Sequence[Run], known: Mapping[Any, Run], openings: Openings) -> None:
    """Say what was read before: of these trials, of others of the same task, and without a row."""
    for trial in chosen:
        if trial.key in known:
            found = known[trial.key]
            often = count_of(found)
            times = f", and was opened {often} times in all" if often > 1 else ""
            sys.stderr.write(
                f"trial {trial.id}: test was read at {found.finished} by "
                f"{made_by(found.provenance, 'read_')}{times}; showing the record\n"
            )
    fresh = {trial.cell.task for trial in chosen if trial.key not in known}
    for task in sorted(fresh):
        now = {trial.number for trial in chosen if trial.cell.task == task}
        before = {trial.number for trial in known.values() if trial.cell.task == task} - now
        if before:
            numbers = ", ".join(map(str, sorted(before)))
            sys.stderr.write(
                f"{task}: test was read before, of trial {numbers}; say so where you report it\n"
            )
    told = {trial.id for trial in (*chosen, *known.values())}
    for opening in openings.all("test"):
        if opening.trial not in told:
            sys.stderr.write(
                f"trial {opening.trial}: test was {opened_words(opening)}, and there is no row of "
                "it; say so where you report another\n"
            )


def _read_missing(
    missing: Sequence[Run],
    role: str,
    record: Store,
    openings: Openings,
    folder: str,
    data_dir: str,
) -> None:
    """Read and record one cell after the other; of one that was cut off the next run tells."""
    from raysearch.training.checkpoint import has_weights

    before = openings.all(role)
    missing = [t for t in missing if not _written_anew(t, role, before, record)]
    if role != "test" and missing:
        kept = sum(has_weights(lease_of(trial, folder)) for trial in missing)
        again = (
            f", {len(missing) - kept} are trained again first (a sweep with --keep all keeps them)"
            if kept < len(missing)
            else ""
        )
        sys.stderr.write(f"{len(missing)} cells to be read: {kept} have their weights{again}\n")
    for trial in missing:
        earlier = [opening for opening in before if opening.trial == trial.id]
        opening, reading = _read(trial, role, folder, data_dir, openings, earlier)
        try:
            often = max(len(earlier) + 1, openings.counts()[opening.rows, trial.id])
            reading = replace(reading, provenance={**reading.provenance, OPENINGS: str(often)})
            openings.finish(opening, reading)
        except StoreError as error:
            _put_back(opening, trial, openings, folder)
            raise StoreError(
                f"{error}. The {named(role)} data was read for trial {trial.id} and nothing keeps "
                f"what was read but this line: {json.dumps(dict(reading.metrics))}. Reading it "
                "again will count as another opening"
            ) from error
        try:
            record.append(reading)
        except StoreError as error:
            raise StoreError(
                f"{error}. What was read of trial {trial.id} is kept in "
                f"{redacted(openings.place)}: "
                "the same command writes its row from there and reads nothing again"
            ) from error


def _put_back(opening: Opening, trial: Run, openings: Openings, folder: str) -> None:
    """See that an opening still counts, where the records were removed and the sweep was not."""
    with suppress(StoreError):  # there is an error already, and its line says what was read
        rows = Store(folder).trials()
        if any(_of_trial(row, trial) and row.finished == trial.finished for row in rows):
            openings.put_back(opening)


def _written_anew(trial: Run, role: str, before: Sequence[Opening], record: Store) -> bool:
    """Whether the reading of a trial whose row is gone was kept, so that its row is now again."""
    of_cell = [opening for opening in before if opening.trial == trial.id]
    kept = [item.reading for item in of_cell if item.reading and _of_trial(item.reading, trial)]
    if not kept:
        return False
    record.append(
        replace(kept[-1], provenance={**kept[-1].provenance, OPENINGS: str(len(of_cell))})
    )
    sys.stderr.write(
        f"trial {trial.id}: the row of its reading was gone and is written anew from the record of "
        f"it; the {named(role)} data was not read again\n"
    )
    return True


def _of_trial(reading: Run, trial: Run) -> bool:
    """Whether a reading is of this trial, not of one that had its number in a former sweep."""
    settings = [
        {name: value for name, value in item.config.items() if value is not None}
        for item in (reading, trial)
    ]
    return reading.key == trial.key and settings[0] == settings[1]


def _read(
    trial: Run,
    role: str,
    folder: str,
    data_dir: str,
    openings: Openings,
    earlier: Sequence[Opening],
) -> tuple[Opening, Run]:
    """The trial with its metrics on the role, and when and by which commit it was read."""
    from raysearch.training.checkpoint import has_weights, remove_weights
    from raysearch.training.provenance import provenance

    lease = lease_of(trial, folder)
    kept = has_weights(lease)
    begun: list[Opening] = []

    def begin(weights: str) -> None:
        for opening in earlier:
            other = " with other weights" if opening.weights not in ("", weights) else ""
            sys.stderr.write(
                f"trial {trial.id}: the {named(role)} data was {opened_words(opening)}{other}; "
                f"this is opening {len(earlier) + 1} of it\n"
            )
        begun.append(openings.begin(trial, role, what=SCORES, weights=weights))

    metrics = restored(trial, folder, data_dir, role, before=begin).evaluate(role)
    if role != "test" and not kept:  # of hundreds of trials the weights would fill the disk
        remove_weights(lease)
    made = provenance(trial.method)
    reading = replace(
        trial,
        metrics=metrics,
        curve=(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance={
            **trial.provenance,
            **{f"read_{name}": made[name] for name in _READER},
        },
    )
    return begun[0], reading
