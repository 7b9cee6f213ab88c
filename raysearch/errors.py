"""Errors that the user can fix, and the wording of their messages.

The tree::

    RaysearchError            one clear message, exit code 2, no traceback
    ├── ConfigError           one or several settings, spaces or arguments that cannot be used
    ├── DataError             a corpus that is missing, damaged or against its description
    │   └── MissingDataError  files of a known corpus that are not here
    ├── RoleError             code asked for data whose role it may not open
    ├── EncoderError          an encoder that is missing or cannot be read
    ├── StoreError            a results folder or study that cannot be read or written
    └── RunError              one trial cannot continue; its row fails with this reason
        └── UnhealthyError    a failure signature of the method was measured

A message says the rule, the value, where, and what to do. Anything that is not a
`RaysearchError` is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from raysearch.printable import printable

__all__ = [
    "ConfigError",
    "DataError",
    "EncoderError",
    "MissingDataError",
    "RaysearchError",
    "RoleError",
    "RunError",
    "StoreError",
    "TooLargeError",
    "UnhealthyError",
    "gathered",
    "known_names",
    "one_line",
    "quoted",
    "reason_of",
    "shortened",
    "unknown_name",
]


class RaysearchError(Exception):
    """An error that the user can fix; the command line prints it and exits with 2.

    Text that its message quotes, from a file, a row or another program, is made printable.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(RaysearchError):
    """Settings that cannot be used: every problem found, one per line.

    Args:
        problems: One sentence per problem.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


@contextmanager
def gathered(problems: list[str]) -> Iterator[None]:
    """Add the problems of a `ConfigError` inside to a list, so that others are found, too."""
    try:
        yield
    except ConfigError as error:
        problems += error.problems


class DataError(RaysearchError):
    """A corpus that is missing, damaged, or does not match its description."""


class MissingDataError(DataError):
    """Files of a known corpus that are not here, and may be had."""

    @staticmethod
    def joined(errors: Sequence[DataError]) -> DataError:
        """One error for several; of this class if all are."""
        missing = all(isinstance(error, MissingDataError) for error in errors)
        return (MissingDataError if missing else DataError)("\n".join(map(str, errors)))


class RoleError(RaysearchError):
    """A split was requested whose role the caller has not opened."""


class EncoderError(RaysearchError):
    """An encoder that is missing or cannot be read."""


class StoreError(RaysearchError):
    """A results folder, leaderboard part or study that cannot be read or written."""


class RunError(RaysearchError):
    """This trial cannot be evaluated; its row fails with this reason, others continue."""


class TooLargeError(RaysearchError):
    """This trial needs more memory than its GPU has; another GPU may have it."""


class UnhealthyError(RunError):
    """A failure signature of the method was measured; the reason states the values."""


def known_names(names: Sequence[str]) -> str:
    """Names for the end of an error: "known: a, b, c" in sorted order."""
    return "known: " + ", ".join(sorted(names))


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """One sentence for an unknown name, with the nearest known one."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else known_names(known)
    return f"unknown {what} `{name}`; {hint}"


def quoted(value: object) -> str:
    """An external value's repr, shortened to fit a line."""
    try:
        return shortened(repr(value))
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return f"{type(value).__name__} of too many digits"


def shortened(text: str, most: int = 60) -> str:
    """An external text, shortened to fit a line."""
    return text if len(text) <= most else text[: most - 4] + "…"


def one_line(said: object, most: int = 300) -> str:
    """Another program's message, which may be long, as one line that fits a sentence."""
    return shortened(" ".join(str(said).split()), most)


def reason_of(error: Exception) -> str:
    """Why reading a record failed, as a clause; a KeyError's own text is only the key."""
    return f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
