"""Where a command's progress goes: sentences, warnings, and a listener for a trial trained here.

The functions of `raysearch.api` take a `Messages`. By default progress is not shown, and warnings
are Python's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from raysearch.printable import printable
from raysearch.training.progress import Listener, NullListener

__all__ = ["QUIET", "Messages"]


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
        training: With the label of a trial; the block trains it, and its listener is told.
    """

    note: Callable[[str], None] = _nowhere
    warn: Callable[[str], None] = _python_warning
    training: Callable[[str], AbstractContextManager[Listener]] = _unwatched


QUIET = Messages()
"""No progress; warnings are Python's."""
