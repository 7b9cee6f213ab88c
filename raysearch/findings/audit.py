"""What an audit finds, and what training a row again says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from raysearch.run import Run

__all__ = ["Finding", "Outcome", "Replay"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that an audit found.

    Attributes:
        fault: Whether it is a fault, and not a remark.
        where: The row or file, for example ``trial 3, sample seed 0``.
        what: A sentence.
    """

    fault: bool
    where: str
    what: str


class Outcome(StrEnum):
    """What a replay says of a row."""

    EQUAL = "bit-equal"
    CLOSE = "close"
    OTHER = "not judged"
    DIFFERS = "differs"


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A row beside what training it again gave.

    Attributes:
        row: The row.
        again: Its metrics as they came out here.
        outcome: What it comes to.
        compared: Numbers compared: every metric of every report, and those of the row.
        unequal: How many of them are not equal bit for bit.
        largest: The largest difference, absolute for values below 1 and relative above; inf
            where one side lacks a number or ended otherwise.
        where: The number that differs most, for example ``dev/f1 at report 2``; what else
            differs where it is no number; empty where nothing does.
        identity: Name to row's and this run's value of digests that differ.
        machine: The same of device, processor and versions.
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
