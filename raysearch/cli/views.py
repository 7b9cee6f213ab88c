"""What `raysearch sweep` and `raysearch attach` show while a sweep runs: a picture, or JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Self

from rich.live import Live

from raysearch.events import Event, EventKind
from raysearch.render.live import LiveState
from raysearch.render.terminal import Terminal
from raysearch.run import Run
from raysearch.storage.uri import redacted

__all__ = ["JsonView", "LiveView"]

_WORTH_TELLING = 0.02
"""A run's share must have grown by so much: at most 50 lines a run."""


class LiveView:
    """The picture, drawn again and again in place; or a line for each run and message.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._console = clock, Terminal()
        self._drawn = ExitStack()
        self._state: LiveState | None = None
        self._rows: dict[str, Run] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._state is not None:
            self._state.event(Event(kind=EventKind.MESSAGE))
        self._drawn.close()

    def event(self, event: Event) -> None:
        """Take an event; the header comes first."""
        if event.header is not None:
            self._state = LiveState(event.header, self._clock)
            if self._console.is_terminal:
                self._drawn.enter_context(Live(self._state, console=self._console))
            else:
                self.say(event.header.headline)
        elif self._state is not None:
            self._state.event(event)
            if not self._console.is_terminal:
                self._tell(self._state, event)

    def _tell(self, state: LiveState, event: Event) -> None:
        """The event as a line, where it has one."""
        if event.kind is EventKind.TRIAL and event.record and not event.earlier:
            self._rows[event.run_id] = event.record
        elif event.kind is EventKind.FINISHED and event.run_id in self._rows:
            self.say(state.line(self._rows.pop(event.run_id), self._console.encoding))
        elif event.kind in (EventKind.MESSAGE, EventKind.WARNING):
            self.say(event.text)

    def say(self, text: str) -> None:
        """A line of its own; on a terminal above the picture."""
        self._console.print(text, soft_wrap=True)


class JsonView:
    """Writes every event as JSON on a line, without credentials; of the progress a part.

    Args:
        write: Takes each line, with its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._shares: dict[str, float] = {}
        """Of each run that is under way, the share that was written last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._shares.clear()

    def event(self, event: Event) -> None:
        """Take an event."""
        if event.kind is EventKind.PROGRESS and not self._is_worth_telling(event):
            return
        if event.run is not None:
            self._shares[event.run_id] = 0.0
            event = replace(event, run=replace(event.run, folder=redacted(event.run.folder)))
        elif event.kind is EventKind.FINISHED:
            self._shares.pop(event.run_id, None)
        self._write(replace(event, at=round(time.time(), 3)).to_json() + "\n")

    def _is_worth_telling(self, event: Event) -> bool:
        share = event.step / event.total if event.total else 0.0
        if share - self._shares.get(event.run_id, 0.0) < _WORTH_TELLING:
            return False
        self._shares[event.run_id] = share
        return True
