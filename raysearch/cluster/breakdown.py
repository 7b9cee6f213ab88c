"""Turns breakdowns of Ray or a slot into one sentence for the user, where they are no bug of ours.

The error for a process that Ray's memory monitor has killed depends on where it is noticed: an
`OutOfMemoryError`, an actor that died of one, or the text of either.
"""

from __future__ import annotations

import re
import traceback

from raysearch.errors import RaysearchError, one_line

__all__ = ["ShortOfMemoryError", "is_lack_of_memory", "ray_breakdown", "slot_breakdown"]

_MEMORY = ("ray.exceptions.OutOfMemoryError", "low on memory", "Memory on the node")
"""Matches the memory monitor only: a trial too large for its GPU is the trial's own failure."""

_OF_RAY = re.compile(r"^ray\.[\w.]+: (.+)", re.MULTILINE)
"""Matches a traceback line with an error of Ray's own; a task's error has its cause's class."""


class ShortOfMemoryError(RaysearchError):
    """The machine has too little memory for so many slots."""


def is_lack_of_memory(text: str) -> bool:
    """Whether Ray's message about a process means that memory ran out."""
    return any(word in text for word in _MEMORY)


def slot_breakdown(text: str, slots: int) -> Exception:
    """The sweep's error for a broken slot; a bug where Ray does not say why.

    Args:
        text: The traceback, or Ray's message.
        slots: Number of slots.
    """
    if is_lack_of_memory(text):
        fewer = f"with fewer than {slots} `--slots`, " if slots > 1 else ""
        return ShortOfMemoryError(
            f"this machine must have memory for what runs, but is short of it, so that Ray ended a "
            f"slot; run the same command again {fewer}with a smaller `batch_size` or encoder, or "
            f"when less else runs here"
        )
    if said := _OF_RAY.findall(text):
        return _gone(said[-1])
    return RuntimeError(f"a slot broke: {text}")


def ray_breakdown(error: Exception, slots: int) -> Exception:
    """The sweep's error for one of Ray's own, which means that Ray is no longer usable."""
    found = slot_breakdown("".join(traceback.format_exception(error)), slots)
    if isinstance(found, ShortOfMemoryError):
        return found
    return _gone(str(error))


def _gone(said: str) -> RaysearchError:
    return RaysearchError(
        f"Ray must stay up while a sweep runs, but said: {one_line(said)}; run the same command "
        "again, which continues from here"
    )
