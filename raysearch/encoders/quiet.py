"""Silence of transformers and of the hub's client on the terminal.

Their reports and progress bars would tear the live leaderboard and fill the workers' logs.
What goes wrong reaches the user as an exception, not as a line of theirs.
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
    """Kind and text of an error of theirs, which may be a page long, for use in a sentence."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":. ")
    return text if len(text) <= _ROOM else text[: _ROOM - 1] + "…"


@contextmanager
def quiet() -> Iterator[None]:
    """Within it neither library writes anything below an error; restores what was set."""
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
