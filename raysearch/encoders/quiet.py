"""Silences transformers and the hub's client on the terminal.

Their reports and progress bars would break the live leaderboard and fill the workers' logs.
Errors still reach the user as exceptions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging as transformers_logging

__all__ = ["in_one_line", "quiet"]

_ROOM = 240


def in_one_line(error: BaseException) -> str:
    """Type and text of one of their errors, which may be a page long, for use in a sentence."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":. ")
    return text if len(text) <= _ROOM else text[: _ROOM - 1] + "…"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence everything below an error in both libraries inside; restores their settings."""
    loud = transformers_logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    hub_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(loud[0])
        hub_logging.set_verbosity(loud[1])
        if bars:
            transformers_logging.enable_progress_bar()
