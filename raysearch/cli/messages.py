"""The terminal's messages: what a command says while it works."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TextIO

from raysearch.api.messages import PROGRESS, Messages

__all__ = ["terminal_messages"]


def terminal_messages() -> Messages:
    """Progress on what is standard error then, and warnings on what it is now: see `hushed`."""
    return replace(PROGRESS, warn=partial(_warn, sys.stderr))


def _warn(stream: TextIO, text: str) -> None:
    stream.write(f"raysearch: {text}\n")
