"""Turns breakdowns of Ray or a slot into one sentence for the user, where they are no bug of ours.

The error for a process that Ray's memory monitor has killed depends on where it is noticed: an
`OutOfMemoryError`, an actor that died of one, or the text of either. Where a container or a job has
a limit of its own, the kernel kills before the monitor does, and Ray does not know why: `oom_kills`
tells that.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from raysearch.errors import RaysearchError, one_line

__all__ = [
    "KERNEL_KILLED",
    "ShortOfMemoryError",
    "is_lack_of_memory",
    "oom_kills",
    "ray_breakdown",
    "slot_breakdown",
]

KERNEL_KILLED = "the kernel ended a process of a node low on memory"
_MEMORY = ("ray.exceptions.OutOfMemoryError", "low on memory", "Memory on the node")
"""Matches what lacks host memory only: a trial too large for its GPU is the trial's own failure."""

_OF_RAY = re.compile(r"^ray\.[\w.]+: (.+)", re.MULTILINE)
"""Matches a traceback line with an error of Ray's own; a task's error has its cause's class."""


class ShortOfMemoryError(RaysearchError):
    """The machine has too little memory for so many slots."""


def is_lack_of_memory(text: str) -> bool:
    """Whether Ray's message about a process means that memory ran out."""
    return any(word in text for word in _MEMORY)


def oom_kills(statistics: Path = Path("/proc/vmstat")) -> int:
    """Processes that the kernel has killed for want of memory since it booted, in any container.

    Args:
        statistics: The kernel's counters; without the one of these, 0.
    """
    try:
        counters = dict(line.split(maxsplit=1) for line in statistics.read_text().splitlines())
        return int(counters.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def slot_breakdown(text: str, slots: int) -> Exception:
    """The sweep's error for a broken slot; a bug where Ray does not say why.

    Args:
        text: The traceback, or Ray's message.
        slots: Number of slots.
    """
    if is_lack_of_memory(text):
        fewer = f"with fewer than {slots} `--slots`, " if slots > 1 else ""
        return ShortOfMemoryError(
            "this machine must have memory for what runs, but is short of it, so that a slot was "
            f"ended; run the same command again {fewer}with a smaller `batch_size` or encoder, or "
            "when less else runs here"
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
