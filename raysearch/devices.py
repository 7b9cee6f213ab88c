"""The device in a row, as text, and its kind.

The one place that writes and reads the text in a row's column ``device``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

__all__ = ["Kind", "cpu_device", "cpu_threads", "kind_of", "kinds_of"]

Kind = Literal["CPU", "GPU", "unknown"]

_CPU = re.compile(r"cpu(?: \((\d+) threads\))?")


def cpu_device(threads: int) -> str:
    """The device of a trial on the processor, with so many threads of torch: at least 1."""
    return f"cpu ({threads} threads)"


def cpu_threads(device: str) -> int | None:
    """The threads that a row had on the processor; None on a GPU, or where it does not say."""
    match = _CPU.fullmatch(device)
    return int(match[1]) if match and match[1] else None


def kind_of(device: str | None) -> Kind:
    """``CPU``, ``GPU`` for the name of one, ``unknown`` for a row that began on no device."""
    if not device:
        return "unknown"
    return "CPU" if _CPU.fullmatch(device) else "GPU"


def kinds_of(devices: Iterable[str | None]) -> set[Kind]:
    """The kinds that rows were trained on."""
    return {kind_of(device) for device in devices}
