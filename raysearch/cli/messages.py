"""The terminal's messages: what a command says while it works."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import partial
from typing import TextIO

from raysearch.api.messages import Messages
from raysearch.training.progress import Listener

__all__ = ["terminal_messages"]


def terminal_messages() -> Messages:
    """Progress on what is standard error then, and warnings on what it is now: see `hushed`."""
    return Messages(note=_note, warn=partial(_warn, sys.stderr), training=_trial_bar)


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _warn(stream: TextIO, text: str) -> None:
    stream.write(f"raysearch: {text}\n")


def _trial_bar(label: str) -> AbstractContextManager[Listener]:
    from raysearch.render.progress import TrialProgress  # rich takes a while to import

    return TrialProgress(label)
