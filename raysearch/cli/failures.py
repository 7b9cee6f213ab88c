"""Turns failures of other libraries and of the system into one sentence for the user.

Where a library or the system is known to fail, this program says so at that place. What is left
of such failures reaches the command line, which says them here. Everything else is a bug and keeps
its traceback.
"""

from __future__ import annotations

import traceback

from raysearch.errors import one_line
from raysearch.storage.whole import is_full, unwritten

__all__ = ["said_of"]

_LIBRARIES = frozenset(
    {
        *("botocore", "huggingface_hub", "matplotlib", "numpy", "optuna", "pandas", "psycopg"),
        *("pyarrow", "ray", "requests", "safetensors", "scipy", "sklearn", "sqlalchemy"),
        *("sqlite3", "tensorboard", "tokenizers", "torch", "transformers", "urllib3", "yaml"),
    }
)
"""Import names."""


def said_of(error: Exception) -> str | None:
    """One sentence for a failure of the system or of a library; None for a bug of ours.

    Args:
        error: As it was caught, with its traceback.
    """
    if isinstance(error, MemoryError):
        return (
            "this machine must have memory for what runs, but has none left; run the same command "
            "again with less at a time, or when less else runs here"
        )
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error)
    library = _library(error)
    if not library:
        return None
    reason = one_line(error) or type(error).__name__
    return (
        f"{library} must do what it is asked, but says: {reason}; run the same command again, and "
        f"if that ends here too, report it with its place, {_place(error)}"
    )


def _of_system(error: OSError) -> str:
    what = str(error.filename or "a file or connection")
    if is_full(error):
        return f"{what if error.filename else 'the output'} must be written, but {unwritten(error)}"
    return (
        f"{what} must be usable, but the system says: {error.strerror} ({_place(error)}); mend "
        "that and run the same command again"
    )


def _library(error: Exception) -> str:
    """By the class of the error, or by the code that raised it; "" for none."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    raiser = str(frames[-1].f_globals.get("__name__", "")) if frames else ""
    roots = [name.partition(".")[0] for name in (type(error).__module__, raiser)]
    return next((root for root in roots if root in _LIBRARIES), "")


def _place(error: Exception) -> str:
    """The line of this package that called what failed."""
    asked = "raysearch"
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] == "raysearch":
            asked = f"{name}:{line}"
    return asked
