"""Receivers of a command's progress: notes, warnings, and views of a run or a sweep.

The functions of `raysearch.api` take a `Messages`. By default progress is not shown, and warnings
are Python's own.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from raysearch.events import QuietView, View
from raysearch.printable import printable
from raysearch.render.output import hushed, lasting_output, safe_output
from raysearch.training.progress import Listener, NullListener

__all__ = ["PROGRESS", "QUIET", "Messages", "shown"]

Clock = Callable[[], float]
"""Seconds that never go back."""


def _nowhere(text: str) -> None:
    """Drop a sentence."""


def _python_warning(text: str) -> None:
    warnings.warn(printable(text), stacklevel=3)


def _unwatched(label: str) -> AbstractContextManager[Listener]:
    """Train without showing it."""
    return nullcontext(NullListener())


@dataclass(frozen=True, kw_only=True)
class Messages:
    """What is called while a command works.

    Attributes:
        note: With a sentence on what happens, without a line end.
        warn: With a sentence that also concerns whoever wants to see no progress.
        training: With the label of a trial; the block trains it and reports to the listener.
        picture: Makes what shows a sweep while it runs, from a clock; None for warnings only.
    """

    note: Callable[[str], None] = _nowhere
    warn: Callable[[str], None] = _python_warning
    training: Callable[[str], AbstractContextManager[Listener]] = _unwatched
    picture: Callable[[Clock], View] | None = None

    def view(self, clock: Clock = time.monotonic) -> View:
        """The view of a sweep: its picture, or one that passes on warnings only."""
        return QuietView(self.warn) if self.picture is None else self.picture(clock)


QUIET = Messages()
"""No progress; warnings are Python's."""


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _bar(label: str) -> AbstractContextManager[Listener]:
    from raysearch.render.progress import TrialProgress  # rich takes a while to import

    return TrialProgress(label)


def _picture(clock: Clock) -> View:
    from raysearch.render.live import LiveView  # rich takes a while to import

    return LiveView(clock)


PROGRESS = Messages(note=_note, training=_bar, picture=_picture)
"""Progress on standard error, a sweep's on standard output; warnings are Python's."""


@contextmanager
def shown(quiet: bool) -> Iterator[Messages]:
    """Messages to a caller from Python, who sees progress on standard error unless `quiet`.

    What is written inside is printable, and goes nowhere where nobody takes it any more.
    """
    with hushed(quiet), lasting_output(), safe_output():
        yield QUIET if quiet else PROGRESS
