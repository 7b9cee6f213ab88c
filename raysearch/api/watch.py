"""Watches a sweep on a cluster from a laptop: shows it live and keeps a copy of its rows.

The job's output is its sweep's events as JSON (`raysearch.events`), from the first line on each
time, so that a late watcher sees all of it. Rows are copied to ``RESULTS/NAME`` here; a file in it
names the original, and no other sweep may use that folder. The sweep does not need the copy.
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
from raysearch.cluster.slurm import session
from raysearch.cluster.slurm.site import is_slurm_file
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

__all__ = ["COPY", "Watcher", "refuse_copy", "refuse_others", "watch"]

COPY = "copy.json"
"""File in a folder of results that names the original of which it is a copy."""


def refuse_copy(folder: Path) -> None:
    """Check that a folder is not the copy of a cluster's sweep, before a sweep starts in it.

    Raises:
        ConfigError: It is.
    """
    if root := _copied(folder):
        raise ConfigError(
            f"a sweep must continue where it is, but {folder} is a copy of {root}, on a cluster; "
            f"add --cluster, or name another with --name"
        )


def refuse_others(folder: Path, root: str) -> None:
    """Check that a folder is empty or the copy of this sweep, before rows are copied into it.

    Raises:
        ConfigError: It belongs to another sweep.
    """
    if folder.is_dir() and any(folder.iterdir()) and _copied(folder) != root:
        other = _copied(folder) or "one of this machine"
        raise ConfigError(
            f"{folder} must hold the rows of {root}, but holds those of another sweep, {other}; "
            f"name another folder with --results, or this sweep with --name"
        )


def _copied(folder: Path) -> str:
    """The original of a copy; empty if the folder is no copy."""
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
        write: Called with the lines that are no events, and with how the sweep ended.
        messages: Has the sweep's view, and is told if another process keeps the rows.

    Returns:
        Ray's status of the ended job; empty after Ctrl-C.
    """
    if is_slurm_file(cluster):
        return _watch_jobs(job, results, write, messages)
    with Watcher(results, write, messages, cluster=cluster) as watcher:
        try:
            return jobs.follow(cluster, job, watcher.take_line)
        except KeyboardInterrupt:
            return ""


def _watch_jobs(job: str, results: Path, write: Callable[[str], object], messages: Messages) -> str:
    """The same for jobs of Slurm: each session of theirs has its view."""
    base, folder = session.latest(results, job)
    with ExitStack() as stack:
        shown: list[tuple[session.Session, Watcher]] = []

        def take(of: session.Session, line: str) -> None:
            if not shown or shown[-1][0] != of:
                stack.close()
                watcher = stack.enter_context(Watcher(folder.parent, write, messages))
                shown.append((of, watcher))
            shown[-1][1].take_line(line)

        def tell(text: str) -> None:
            messages.note(f"raysearch: {text}")

        try:
            code = session.follow(folder, base, take, tell)
        except KeyboardInterrupt:
            return ""
    if not shown:
        log = folder / session.FOLDER / f"job-{base}.log"
        tell(f"{base} ended before its sweep began; {log} may say why")
        return "FAILED"
    return "STOPPED" if code in (None, 130) else "SUCCEEDED" if code == 0 else "FAILED"


class Watcher:
    """Processes the lines of a job's output; those that are no events are shown unchanged.

    Args:
        results: The folder that holds a folder for each sweep.
        write: As for `watch`.
        messages: As for `watch`.
        cluster: Whose sweep's rows are copied; None where `results` are the sweep's own.
    """

    def __init__(
        self,
        results: Path,
        write: Callable[[str], object],
        messages: Messages,
        *,
        cluster: str | None = None,
    ) -> None:
        self._cluster, self._results = cluster, results
        self._write, self._messages = write, messages
        self._clock = _Clock()
        self._open = ExitStack()
        self._header: SweepHeader | None = None
        self._said, self._line = "", 0

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the view; write how the sweep ended, if it has."""
        self._open.close()
        self._write(self._said)
        self._said = ""

    def take_line(self, line: str) -> None:
        """Take a line of the job's output.

        Raises:
            ConfigError: It begins as an event and is none that this version writes.
        """
        self._line += 1
        try:
            event = Event.from_json(line)
            if event is not None:
                self._clock.set(event.at)
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
        """Process the first event, which names the sweep and thus the folder of its rows."""
        try:
            parse_card(header.card)
        except (AttributeError, TypeError, ValueError) as error:
            raise strange_header(error) from error
        self._store: Store | None = None
        self._known: dict[Any, str] = {}
        if self._cluster is not None:
            self._copy_to(self._results / header.card["name"], header)
        self._view = self._open.enter_context(self._messages.view(self._clock))
        self._header = header

    def _copy_to(self, folder: Path, header: SweepHeader) -> None:
        """Keep the rows in a folder from now on, if no other process does."""
        refuse_others(folder, header.root)
        _write(folder / COPY, {"root": header.root})
        try:
            self._lock = self._open.enter_context(sweep_lock(folder))
        except StoreError:
            self._messages.note(f"raysearch: another process keeps {folder} up to date")
        else:
            _write(folder / "sweep.json", header.card)
            self._store = Store(folder)
            self._known = {trial.key: trial.finished for trial in self._store.trials()}

    def _ending(self, header: SweepHeader, summary: SweepSummary) -> str:
        """How the sweep ended, with the next commands; weights are copied only on request."""
        rows = str(self._results / header.card["name"])
        card, root = parse_card(header.card), header.root
        if self._cluster is None:
            return ending_text(card, summary, rows=root)
        if is_uri(root):
            return ending_text(card, summary, rows=rows, stored=root)
        words = ("ray", "rsync-down", self._cluster, f"{root}/leases/", f"{rows}/leases/")
        fetch = shlex.join(words)
        return ending_text(card, summary, rows=rows, fetch=fetch)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    text = json.dumps(content, indent=1) + "\n"
    write_files(path.parent, {path.name: text.encode()})


class _Clock:
    """The head's clock, estimated from the times of its events."""

    def __init__(self) -> None:
        self._at = self._set_at = self._latest = 0.0

    def set(self, at: float) -> None:
        """Set the clock to the time at which an event was written."""
        self._at, self._set_at = at, time.monotonic()

    def __call__(self) -> float:
        self._latest = max(self._latest, self._at + time.monotonic() - self._set_at)
        return self._latest
