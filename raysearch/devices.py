"""Formats and parses the device in a row's column ``device``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

__all__ = ["Kind", "cpu_device", "cpu_threads", "kind_of", "kinds_of"]

Kind = Literal["CPU", "GPU", "unknown"]

_CPU = re.compile(r"cpu(?: \((\d+) threads\))?")


def cpu_device(threads: int) -> str:
    """The text for a trial on the CPU with this many torch threads, at least 1."""
    return f"cpu ({threads} threads)"


def cpu_threads(device: str) -> int | None:
    """A row's CPU threads; None for a GPU or an unknown number."""
    match = _CPU.fullmatch(device)
    return int(match[1]) if match and match[1] else None


def kind_of(device: str | None) -> Kind:
    """``CPU``, ``GPU`` for the name of one, ``unknown`` for a row that started on no device."""
    if not device:
        return "unknown"
    return "CPU" if _CPU.fullmatch(device) else "GPU"


def kinds_of(devices: Iterable[str | None]) -> set[Kind]:
    """The kinds that rows were trained on."""
    return {kind_of(device) for device in devices}
