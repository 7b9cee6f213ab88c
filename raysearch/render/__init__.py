"""How it is shown: rich values for the terminal, made of records; nothing here prints.

What the command line draws with can be taken from here; it is loaded when it is first used, so
that a help opens at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysearch.render.readings import readings_table
    from raysearch.render.terminal import Terminal

__all__ = ["Terminal", "readings_table"]

_LAZY = {"Terminal": "terminal", "readings_table": "readings"}
"""Name to its module."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
