"""Writes and reads the rows of a sweep.

A sweep's folder holds ``trials/`` and ``curves/`` (see `parts`) and ``sweep.json``, whose
``metric``, ``direction`` and ``cells`` say how its trials are ranked. The rows are derived
from the study: running the sweep again restores a lost folder. The folder may be anywhere that
`raysearch.storage` supports, such as ``s3://bucket/sweeps/carl``.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs

from raysearch.errors import ConfigError, StoreError, quoted
from raysearch.leaderboard.card import SweepCard, parse_card, parse_goal, read_card
from raysearch.leaderboard.parts import CURE, Contents, Parts
from raysearch.leaderboard.row_check import key_faults, schema_faults, value_faults
from raysearch.leaderboard.schema import (
    CURVE_COLUMNS,
    KEY,
    TRIAL_COLUMNS,
    curve_rows,
    read_trials,
    trial_rows,
)
from raysearch.run import MetricGoal, Run
from raysearch.storage import RETRY_LONG, Storage, UnansweredError, open_storage
from raysearch.storage.uri import is_uri, join, redacted

__all__ = ["Store", "find_stores", "load_card", "load_goal"]

_log = logging.getLogger(__name__)
_CARD = "sweep.json"
_PARTS = 32
"""Parts that trigger a merge: a reader opens one in a millisecond."""
_ROWS_PER_PART = 256
"""One more part is allowed per this many merged rows, so that merging costs each trial the same."""


class Store:
    """The leaderboard of one sweep; one writing process, any number of readers.

    Methods may be called from several threads.

    Args:
        folder: The sweep's folder, or a URI that Arrow supports, such as ``s3://bucket/sweep``.
            It need not exist, and is created by the first row only.
        cure: Advice on a damaged file, to follow "; ".

    Raises:
        StoreError: The URI's scheme is unknown.
    """

    def __init__(self, folder: str | Path, cure: str = CURE) -> None:
        self.folder, self._cure = str(folder), cure
        self._use(open_storage(self.folder, make=False))
        self._lock = threading.Lock()
        self._looked = False
        # Key to time of finish of the rows in merged files, and of those in parts.
        self._merged: dict[tuple[Any, ...], Any] = {}
        self._fresh: dict[tuple[Any, ...], Any] = {}
        self._curved: set[tuple[Any, ...]] = set()

    def append(self, trial: Run) -> None:
        """Add a finished trial: at most one file in ``trials/`` and one in ``curves/``.

        A trial that exists already changes nothing; a later run of the same cell replaces it.
        Once this returns, killing the process loses nothing.

        Raises:
            StoreError: The disk is full, or the folder cannot be written; the row may be
                missing. Or the trial's row could not be read back; then nothing is written.
        """
        row, reports = _rows_of(trial)
        finished = row.column("finished")[0].as_py()
        with self._lock:
            if not self._looked:
                self._look()
            if trial.key in self._merged and self._merged[trial.key] == finished:
                if reports.num_rows and trial.key not in self._curved:  # lost since
                    self._curves.write(trial.id, reports)
                    self._curved.add(trial.key)
                return
            if reports.num_rows:  # first, so that a reader who sees the trial finds its curve
                self._curves.write(trial.id, reports)
            self._trials.write(trial.id, row)
            self._fresh[trial.key] = finished
            limit = _PARTS + len(self._merged) // _ROWS_PER_PART
            if len(self._fresh) > limit or trial.key in self._merged:
                try:
                    self._compact()
                except StoreError as error:  # the row is written, and the next one merges again
                    _log.warning("the rows of %s are merged later: %s", self._place, error)

    def compact(self) -> None:
        """Merge all parts into one file each of trials and curves.

        `append` does so often enough by itself; readers need not wait.

        Raises:
            StoreError: The disk is full, or the folder cannot be written; no row is lost.
        """
        with self._lock:
            if self._looked:
                self._compact()
            else:
                self._look()

    def read(self) -> Contents:
        """All readable rows of *trials*, and a sentence for every file that cannot be read.

        Raises:
            StoreError: The folder cannot be listed, or has a newer schema.
        """
        return self._trials.read()

    def table(self) -> pa.Table:
        """All rows of *trials*, each key once, in no particular order.

        Raises:
            StoreError: As `read`, or some file cannot be read.
        """
        return _whole(self._trials.read())

    def curves(self) -> pa.Table:
        """All rows of *curves*, each report once.

        Raises:
            StoreError: As `table`.
        """
        return _whole(self._curves.read())

    def trials(self) -> list[Run]:
        """Every finished trial as a record, by number and cell.

        Raises:
            StoreError: As `table`.
        """
        return _in_order(read_trials(self.table(), self.curves()))

    def readable(self) -> tuple[list[Run], tuple[str, ...]]:
        """Like `trials` without unreadable ones, and a sentence for every unreadable file.

        Raises:
            StoreError: As `read`.
        """
        rows, curves = self._trials.read(), self._curves.read()
        found = _in_order(read_trials(rows.table, curves.table))
        return found, rows.problems + curves.problems

    def keys(self) -> set[tuple[Any, ...]]:
        """`Run.key` of every readable row, without reading the rows."""
        return set(self._trials.rows("", KEY))

    def card(self) -> SweepCard | None:
        """The parsed ``sweep.json``; None if there is none.

        Raises:
            StoreError: The file is not what a sweep writes.
        """
        try:
            found = self._raw_card()
            return None if found is None else parse_card(found[0])
        except ValueError as error:
            raise StoreError(
                f"`{join(self._place, _CARD)}` must hold `metric` and `direction` as a sweep "
                f"writes them, but: {error}; name the metric with --metric NAME:max or NAME:min, "
                "or run the sweep again, which writes it anew"
            ) from error

    def card_fields(self) -> dict[str, Any] | None:
        """The content of ``sweep.json`` without its seal; None if there is none.

        Raises:
            StoreError: The file cannot be read or is not as it was written.
        """
        found = self._whole_card()
        return None if found is None else found[0]

    def is_card_sealed(self) -> bool:
        """Whether ``sweep.json`` exists and has a seal; older versions wrote none.

        Raises:
            StoreError: As `card_fields`.
        """
        found = self._whole_card()
        return found is not None and found[1]

    def _whole_card(self) -> tuple[dict[str, Any], bool] | None:
        try:
            return self._raw_card()
        except ValueError as error:
            raise StoreError(
                f"`{join(self._place, _CARD)}` must be what a sweep writes, but: {error}; where "
                "the study is there, the same `raysearch sweep` command writes it anew; else put a "
                "copy of it there"
            ) from error

    def _raw_card(self) -> tuple[dict[str, Any], bool] | None:
        try:
            with self._storage.open(_CARD) as file:
                return read_card(file.read())
        except FileNotFoundError:
            return None
        except UnansweredError as error:
            raise StoreError(str(error)) from error
        except OSError as error:
            raise ValueError(error.strerror or str(error)) from error

    def exists(self) -> bool:
        """Whether the folder has anything of a sweep.

        Raises:
            StoreError: The folder cannot be listed.
        """
        try:
            return self._storage.exists(_CARD) or bool(self._storage.files("trials"))
        except OSError as error:
            raise StoreError(f"`{self._place}` must be readable, but: {error}") from error

    def _use(self, storage: Storage) -> None:
        self._storage, self._place = storage, storage.uri
        self._trials = Parts(storage, "trials", TRIAL_COLUMNS, self._cure)
        self._curves = Parts(storage, "curves", CURVE_COLUMNS, self._cure)

    def _look(self) -> None:
        """Load the state that an earlier process left; finish its interrupted merge."""
        self._use(open_storage(self.folder, retry=RETRY_LONG))
        self._curves.merge()
        self._trials.merge()
        self._merged = self._finished("merged-")
        self._fresh = self._finished("part-")
        self._curved = set(self._curves.rows("", KEY))
        self._looked = True

    def _finished(self, prefix: str) -> dict[tuple[Any, ...], Any]:
        rows = self._trials.rows(prefix, [*KEY, "finished"])
        return {row[:-1]: row[-1] for row in rows}

    def _compact(self) -> None:
        self._curves.merge()
        if self._trials.merge():
            self._merged |= self._fresh
            self._fresh = {}
        else:  # a part is damaged: what is there is not what was written
            self._looked = False


def _in_order(trials: list[Run]) -> list[Run]:
    return sorted(trials, key=lambda trial: (trial.number, trial.cell))


def find_stores(path: str | Path) -> list[Store]:
    """The sweep at a path, or all sweeps in the folders directly below it, by name.

    Raises:
        StoreError: The folder does not exist, or has no sweep.
    """
    here = Store(path)
    if here.exists():
        return [here]
    filesystem, root = _open(str(path))
    begin = "name another, or begin with `python -m raysearch sweep carl`"
    try:
        found = filesystem.get_file_info(pa.fs.FileSelector(root))
    except FileNotFoundError as error:
        raise StoreError(
            f"`{redacted(path)}` must be a folder of results, but there is no such folder; {begin}"
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise StoreError(
            f"`{redacted(path)}` must be a folder of results, but: {str(error).splitlines()[0]}; "
            f"{begin}"
        ) from error
    below = sorted(info.base_name for info in found if info.type == pa.fs.FileType.Directory)
    stores = [Store(join(path, name)) for name in below]
    stores = [store for store in stores if _may_be_sweep(store)]
    if not stores:
        raise StoreError(
            f"`{redacted(path)}` must hold a sweep's folder (one with trials/ in it), but "
            f"has none; "
            f"{begin}"
        )
    return stores


def _may_be_sweep(store: Store) -> bool:
    """Whether it has anything of a sweep, or cannot be listed, which its reader will report."""
    try:
        return store.exists()
    except StoreError:
        return True


def load_card(folder: str | Path, metric: str | None = None) -> SweepCard:
    """The card of a sweep, with the user's metric instead of its own if given.

    A configuration needs all cells of the sweep by any metric; one that lacks the metric in
    some of them is not complete by it (`raysearch.leaderboard.rank`).

    Args:
        folder: The sweep's folder or URI.
        metric: As for `parse_goal`; None for the goal in ``sweep.json``.

    Raises:
        ConfigError: `metric` is malformed, or is None and there is no ``sweep.json``.
        StoreError: ``sweep.json`` is damaged.
    """
    explicit = metric is not None and ":" in metric
    try:
        card = Store(folder).card()
    except StoreError:
        if not explicit:
            raise
        card = None
    if metric is None:
        if card is None:
            raise ConfigError(
                f"`--metric` must be given, because {redacted(folder)} has no sweep.json "
                f"that names "
                "one; for example --metric dev/va_pearson, or --metric NAME:min where lower is "
                "better"
            )
        return card
    own = card is not None and not explicit and card.goal.name == metric
    goal = card.goal if card is not None and own else parse_goal(metric)
    return SweepCard(goal=goal) if card is None else replace(card, goal=goal)


def load_goal(folder: str | Path, metric: str | None = None) -> MetricGoal:
    """The goal of `load_card`."""
    return load_card(folder, metric).goal


def _rows_of(trial: Run) -> tuple[pa.Table, pa.Table]:
    """The trial's rows of both tables, as a reader would see them.

    Raises:
        StoreError: A reader would refuse them, and the whole leaderboard with them.
    """
    try:
        row, reports = trial_rows(trial), curve_rows(trial)
        faults = [
            *schema_faults(row.schema, TRIAL_COLUMNS, None),
            *schema_faults(reports.schema, CURVE_COLUMNS, None),
        ] or [*value_faults(row), *value_faults(reports), *key_faults(reports, CURVE_COLUMNS)]
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        faults = [str(error)]
    if faults:
        raise StoreError(
            f"trial {trial.number} of {quoted(trial.cell.task)} seed {trial.cell.seed} must make a "
            f"row that can be read again, but {'; '.join(faults)}"
        )
    return row, reports


def _whole(contents: Contents) -> pa.Table:
    if contents.problems:
        raise StoreError("\n".join(contents.problems))
    return contents.table


def _open(uri: str) -> tuple[pa.fs.FileSystem, str]:
    if not is_uri(uri):
        return pa.fs.LocalFileSystem(), str(Path(uri))
    filesystem, path = pa.fs.FileSystem.from_uri(uri)
    return filesystem, path.rstrip("/")
