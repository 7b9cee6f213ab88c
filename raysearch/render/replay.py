"""How is said whether rows could be trained again: a sentence a row, or a table of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysearch.findings.audit import Outcome, Replay

__all__ = ["replay_record", "replay_sentences"]


def replay_sentences(replay: Replay) -> list[str]:
    """What a replay found, first the verdict, then what differs in provenance."""
    row = replay.row
    name = f"trial {row.number}, {row.cell.task} seed {row.cell.seed}"
    ended = f" ({row.state} after report {len(row.curve)})" if row.state != "complete" else ""
    most = f"differs by at most {_amount(replay.largest)} ({replay.where})"
    if replay.largest == float("inf"):
        most = f"differs: {replay.where}"
    elif replay.unequal:
        most += f", in {replay.unequal} of {replay.compared} numbers"
    said = {
        Outcome.EQUAL: f"bit-equal in all {replay.compared} numbers",
        Outcome.CLOSE: f"{most}, which another machine or version explains",
        Outcome.OTHER: f"{most}, and the row was made of something else: it is not judged",
        Outcome.DIFFERS: f"{most}, and nothing in its provenance explains that",
    }[replay.outcome]
    lines = [f"{name}{ended}: {said}"]
    for fields in (replay.identity, replay.machine):
        lines += [f"  {field}: {_both(pair)}" for field, pair in fields.items()]
    first, second = replay.commits
    if first != second:
        lines.append(f"  commit: {_both((first[:10], second[:10]))}")
    if replay.outcome is Outcome.OTHER and replay.unequal < replay.compared / 4:
        equal = replay.compared - replay.unequal
        lines.append(
            f"  {equal} numbers are bit-equal all the same: look at how this row came about"
        )
    if replay.outcome is Outcome.OTHER and "code" in replay.identity and first:
        lines.append(f"  to judge it: git checkout {first[:10]}, then the same command")
    return lines


def replay_record(replay: Replay) -> dict[str, Any]:
    """A replay as one JSON object; numbers that are not finite are null."""
    row = replay.row
    finite = replay.largest != float("inf")
    return {
        "sweep": row.sweep,
        "trial": row.number,
        "task": row.cell.task,
        "seed": row.cell.seed,
        "state": str(row.state),
        "outcome": str(replay.outcome),
        "compared": replay.compared,
        "unequal": replay.unequal,
        "largest": replay.largest if finite else None,
        "where": replay.where,
        "identity": _pairs(replay.identity),
        "machine": _pairs(replay.machine),
        "commit": {"row": replay.commits[0], "here": replay.commits[1]},
    }


def _pairs(fields: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    return {name: {"row": pair[0], "here": pair[1]} for name, pair in fields.items()}


def _both(pair: tuple[str, str]) -> str:
    first, second = (value or "not stated" for value in pair)
    if len(first) == len(second) == 64:  # digests: enough to tell them apart
        first, second = first[:12], second[:12]
    return f"row {first}, here {second}"


def _amount(value: float) -> str:
    return f"{value:.2g}"
