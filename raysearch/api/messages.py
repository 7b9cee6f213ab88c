"""Receivers of a command's progress: notes, warnings, and views of a run or a sweep.

The functions of `raysearch.api` take a `Messages`, in which views are handed in. By default
progress is not shown, and warnings are Python's own. The documented calls (`raysearch.sweep`) and
the command line hand in `PROGRESS`.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from raysearch import render
from raysearch.events import QuietView, View
from raysearch.printable import printable
from raysearch.render.output import hushed, lasting_output, safe_output
from raysearch.training.progress import Listener, NullListener

__all__ = ["PROGRESS", "QUIET", "Messages", "shown"]

Clock = Callable[[], float]
"""Seconds that never go back."""


def _nowhere(text: str) -> None:
    """Ignore a note."""


def _python_warning(text: str) -> None:
    warnings.warn(printable(text), stacklevel=3)


def _unwatched(label: str) -> AbstractContextManager[Listener]:
    """A listener that shows nothing."""
    return nullcontext(NullListener())


@dataclass(frozen=True, kw_only=True)
class Messages:
    """Callbacks of a running command.

    Attributes:
        note: With a sentence on what happens, without a line end.
        warn: With a sentence that also concerns whoever wants to see no progress.
        training: With the label of a trial; the block trains it and reports to the listener.
        make_view: Makes the view of a running sweep, from a clock; None shows warnings only.
    """

    note: Callable[[str], None] = _nowhere
    warn: Callable[[str], None] = _python_warning
    training: Callable[[str], AbstractContextManager[Listener]] = _unwatched
    make_view: Callable[[Clock], View] | None = None

    def view(self, clock: Clock = time.monotonic) -> View:
        """A view of a sweep: the one handed in, or one that passes on warnings only."""
        return QuietView(self.warn) if self.make_view is None else self.make_view(clock)


QUIET = Messages()
"""No progress; warnings are Python's."""


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


PROGRESS = Messages(
    note=_note,
    training=lambda label: render.TrialProgress(label),
    make_view=lambda clock: render.LiveView(clock),
)
"""Progress on standard error, a sweep's on standard output; warnings are Python's."""


@contextmanager
def shown(quiet: bool) -> Iterator[Messages]:
    """Messages to a caller from Python: `PROGRESS`, or `QUIET` if so wanted.

    Inside, everything written is printable, and writing to a closed pipe is no error.
    """
    with hushed(quiet), lasting_output(), safe_output():
        yield QUIET if quiet else PROGRESS
