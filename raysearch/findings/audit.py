"""Results of an audit, and of training a row again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from raysearch.run import Run

__all__ = ["Finding", "Outcome", "Replay"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding of an audit.

    Attributes:
        fault: Whether it is a fault rather than a remark.
        where: The row or file, for example ``trial 3, sample seed 0``.
        what: A sentence.
    """

    fault: bool
    where: str
    what: str


class Outcome(StrEnum):
    """Verdict of a replay on a row."""

    EQUAL = "bit-equal"
    CLOSE = "close"
    OTHER = "not comparable"
    DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A row and the result of training it again.

    Attributes:
        row: The row.
        again: The metrics of the repetition.
        outcome: The verdict.
        compared: Numbers compared: every metric of every report, and those of the row.
        unequal: How many of them are not equal bit for bit.
        largest: The largest difference, absolute for values below 1 and relative above; inf
            if one side lacks a number or ended differently.
        where: The number that differs most, for example ``dev/f1 at report 2``; any other
            difference if it is not a number; empty if there is none.
        identity: Name to the values of row and repetition for digests that differ.
        machine: The same for device, processor and versions.
        commits: The row's commit and this one.
    """

    row: Run
    again: Mapping[str, float]
    outcome: Outcome
    compared: int
    unequal: int
    largest: float
    where: str
    identity: Mapping[str, tuple[str, str]]
    machine: Mapping[str, tuple[str, str]]
    commits: tuple[str, str]
