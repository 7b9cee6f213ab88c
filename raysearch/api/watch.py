"""A sweep on a cluster, watched from a laptop: its picture, its rows, what is next.

The job's output is its sweep's events as JSON (`raysearch.events`), from the first line on each
time, so that a watcher who comes late sees all of it. Rows go to ``RESULTS/NAME`` here: a copy,
that says of what, and into which no other sweep may go. Nothing here is needed by the sweep.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from raysearch.api.messages import QUIET, Messages
from raysearch.cluster.remote import jobs
from raysearch.errors import ConfigError, StoreError, quoted, reason_of
from raysearch.events import Event, EventKind, SweepHeader, strange_header
from raysearch.leaderboard import Store
from raysearch.leaderboard.card import parse_card
from raysearch.printable import without_colour
from raysearch.render.sweep_summary import ending_text
from raysearch.search.study.lock import sweep_lock
from raysearch.storage import write_files
from raysearch.storage.uri import is_uri
from raysearch.summary import SweepSummary

__all__ = ["COPY", "refuse_copy", "refuse_others", "watch"]

COPY = "copy.json"
"""In a folder of results: that it is a copy, and of what."""


def refuse_copy(folder: Path) -> None:
    """A sweep of this machine must not go into the copy of a cluster's.

    Raises:
        ConfigError: It would.
    """
    if root := _copied(folder):
        raise ConfigError(
            f"a sweep must go on where it is, but {folder} is a copy of {root}, on a cluster; add "
            f"--cluster, or name another with --name"
        )


def refuse_others(folder: Path, root: str) -> None:
    """The copy of a cluster's sweep must not go into another sweep.

    Raises:
        ConfigError: It would.
    """
    if folder.is_dir() and any(folder.iterdir()) and _copied(folder) != root:
        other = _copied(folder) or "one of this machine"
        raise ConfigError(
            f"{folder} must hold the rows of {root}, but holds those of another sweep, {other}; "
            f"name another folder with --results, or this sweep with --name"
        )


def _copied(folder: Path) -> str:
    """What a folder is a copy of; empty when it is none."""
    try:
        return str(json.loads((folder / COPY).read_text())["root"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"`{folder / COPY}` must say what {folder} is a copy of, but: {error!r}; move the "
            "folder away: `raysearch attach` brings the rows again"
        ) from error


def watch(
    cluster: str,
    job: str,
    results: Path,
    *,
    write: Callable[[str], object],
    messages: Messages = QUIET,
) -> str:
    """Show a job's events until it ends or Ctrl-C, and keep its rows.

    Args:
        cluster: The cluster file or a dashboard's URL.
        job: The job's id.
        results: The folder that holds a folder for each sweep.
        write: Takes the lines that are no events, and how the sweep ended.
        messages: Where to say that another process keeps the rows; has what shows the sweep.

    Returns:
        Ray's word for how the job ended; empty after Ctrl-C.
    """
    with _Watcher(cluster, results, write, messages) as watcher:
        try:
            return jobs.follow(cluster, job, watcher.hear)
        except KeyboardInterrupt:
            return ""


class _Watcher:
    """Takes the lines of a job; those that are no events are shown as they are."""

    def __init__(
        self, cluster: str, results: Path, write: Callable[[str], object], messages: Messages
    ) -> None:
        self._cluster, self._results = cluster, results
        self._write, self._messages = write, messages
        self._clock = _Clock()
        self._open = ExitStack()
        self._header: SweepHeader | None = None
        self._said, self._line = "", 0

    def __enter__(self) -> _Watcher:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Leave the picture as it is; say how the sweep ended, if it has."""
        self._open.close()
        self._write(self._said)
        self._said = ""

    def hear(self, line: str) -> None:
        """Take a line of the job's output.

        Raises:
            ConfigError: It begins as an event and is none that this version writes.
        """
        self._line += 1
        try:
            event = Event.from_json(line)
            if event is not None:
                self._clock.hear(event.at)
                self._take(event)
                return
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ConfigError(
                f"line {self._line} of the job's output must be an event of a sweep, but "
                f"{reason_of(error)}: {quoted(line)}; has the cluster another version of raysearch?"
            ) from error
        if self._header:
            self._view.event(Event(kind=EventKind.OUTPUT, text=without_colour(line)))
        else:
            self._write(f"{without_colour(line)}\n")

    def _take(self, event: Event) -> None:
        if event.header is not None:
            self._begin(event.header)
        elif self._header is None:
            return
        elif event.record is not None:
            if self._store and self._known.get(event.record.key) != event.record.finished:
                self._lock.check()
                self._store.append(event.record)
        elif event.summary is not None:
            self._said = self._ending(self._header, event.summary)
        self._view.event(event)

    def _begin(self, header: SweepHeader) -> None:
        """The first line: what sweep it is, so where its rows go here."""
        try:
            parse_card(header.card)
        except (AttributeError, TypeError, ValueError) as error:
            raise strange_header(error) from error
        folder = self._results / header.card["name"]
        refuse_others(folder, header.root)
        self._store: Store | None = None
        self._known: dict[Any, str] = {}
        _write(folder / COPY, {"root": header.root})
        try:
            self._lock = self._open.enter_context(sweep_lock(folder))
        except StoreError:
            self._messages.note(f"raysearch: another process keeps {folder} up to date")
        else:
            _write(folder / "sweep.json", header.card)
            self._store = Store(folder)
            self._known = {trial.key: trial.finished for trial in self._store.trials()}
        self._view = self._open.enter_context(self._messages.view(self._clock))
        self._header = header

    def _ending(self, header: SweepHeader, summary: SweepSummary) -> str:
        """What is next, in commands of this machine; weights are not copied unasked."""
        rows = str(self._results / header.card["name"])
        card, root = parse_card(header.card), header.root
        if is_uri(root):
            return ending_text(card, summary, rows=rows, stored=root)
        words = ("ray", "rsync-down", self._cluster, f"{root}/leases/", f"{rows}/leases/")
        fetch = shlex.join(words)
        return ending_text(card, summary, rows=rows, fetch=fetch)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, whenever this process is killed."""
    text = json.dumps(content, indent=1) + "\n"
    write_files(path.parent, {path.name: text.encode()})


class _Clock:
    """The head's clock, as far as its events tell it: what is past is shown as it was."""

    def __init__(self) -> None:
        self._at = self._heard = self._latest = 0.0

    def hear(self, at: float) -> None:
        """It was so late there when this event was written."""
        self._at, self._heard = at, time.monotonic()

    def __call__(self) -> float:
        self._latest = max(self._latest, self._at + time.monotonic() - self._heard)
        return self._latest
