"""What the user reads when Ray or a slot breaks: one sentence, where it is no bug of ours.

What Ray raises for a process that its memory monitor has ended differs with the place where it is
noticed: an `OutOfMemoryError`, an actor that died of one, or the text of either.
"""

from __future__ import annotations

import re
import traceback

from raysearch.errors import RaysearchError, one_line

__all__ = ["ShortOfMemoryError", "is_lack_of_memory", "ray_breakdown", "slot_breakdown"]

_MEMORY = ("ray.exceptions.OutOfMemoryError", "low on memory", "Memory on the node")
"""Of its memory monitor only: a trial too large for its GPU is that trial's own failure."""

_OF_RAY = re.compile(r"^ray\.[\w.]+: (.+)", re.MULTILINE)
"""A line of a traceback with an error of Ray's own; a task's error has the class of its cause."""


class ShortOfMemoryError(RaysearchError):
    """The machine has too little memory for so many slots."""


def is_lack_of_memory(text: str) -> bool:
    """Whether what Ray says of a process means that memory was short."""
    return any(word in text for word in _MEMORY)


def slot_breakdown(text: str, slots: int) -> Exception:
    """The sweep's error for a slot that broke; where Ray does not say why, a bug.

    Args:
        text: The traceback, or what Ray says.
        slots: How many there were.
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
    """The sweep's error for one of Ray's own, which says that Ray is no more what it was."""
    found = slot_breakdown("".join(traceback.format_exception(error)), slots)
    if isinstance(found, ShortOfMemoryError):
        return found
    return _gone(str(error))


def _gone(said: str) -> RaysearchError:
    return RaysearchError(
        f"Ray must stay up while a sweep runs, but said: {one_line(said)}; run the same command "
        "again, which goes on from here"
    )
