"""The terminal's messages: what a command says while it works."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TextIO

from raysearch.api.messages import PROGRESS, QUIET, Messages

__all__ = ["terminal_messages"]


def terminal_messages(quiet: bool) -> Messages:
    """Progress where it is wanted, and warnings on what is standard error now: see `hushed`."""
    return replace(QUIET if quiet else PROGRESS, warn=partial(_warn, sys.stderr))


def _warn(stream: TextIO, text: str) -> None:
    stream.write(f"raysearch: {text}\n")
