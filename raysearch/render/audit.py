"""Shows an audit and the results of training rows again: as sentences and as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from raysearch.findings.audit import Finding, Outcome, Replay
from raysearch.printable import counted
from raysearch.render.format import glyphs_for, score
from raysearch.render.table import bare_table
from raysearch.run import MetricGoal

__all__ = ["AuditBoard", "replay_record", "replay_sentences"]

_STYLES = {Outcome.DIFFERS: "bold red", Outcome.OTHER: "yellow", Outcome.EQUAL: "green"}


@dataclass(frozen=True, kw_only=True)
class AuditBoard:
    """A printable audit of a leaderboard.

    Attributes:
        folder: The audited path.
        rows: Number of rows.
        seed: Seed of the sample.
        replays: Rows that were trained again.
        refused: Row to why it could not be trained again.
        findings: Findings in all rows.
        goals: Sweep to its ranking metric.
        studies: Sweep to the number of compared cells in its study; None without one.
    """

    folder: str
    rows: int
    seed: int
    replays: Sequence[Replay]
    refused: Mapping[str, str]
    findings: Sequence[tuple[str, Finding]]
    goals: Mapping[str, MetricGoal]
    studies: Mapping[str, int | None]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = glyphs_for(options.encoding)
        drawn = len(self.replays) + len(self.refused)
        yield Text(f"{self.folder}: audit", style="bold")
        yield Text(
            f"{counted(self.rows, 'row')} looked at, {drawn} trained again (sample of --seed "
            f"{self.seed})"
        )
        yield Text(self._compared())
        yield Text()
        if self.replays:
            table = bare_table()
            for head in ("sweep", "trial", "cell", "state", "row", "again"):
                right = head in ("trial", "row", "again")
                table.add_column(head, justify="right" if right else "left", no_wrap=True)
            table.add_column("verdict")
            for item in self.replays:
                style = _STYLES.get(item.outcome, "")
                cells = [text or glyphs.none for text in self._line(item)]
                table.add_row(*map(Text, cells), Text(_verdict(item), style=style))
            yield table
            yield Text()
        for place, why in self.refused.items():
            yield Text(f"not trained again: {place}: {why}", style="yellow")
        for sweep, finding in self.findings:
            kind = "fault" if finding.fault else "remark"
            style = "bold red" if finding.fault else ""
            yield Text(f"{kind}: {sweep}: {finding.where}: {finding.what}", style=style)
        yield Text(self.conclusion())

    def conclusion(self) -> str:
        """What the audit shows, and what it does not."""
        count = {kind: sum(r.outcome is kind for r in self.replays) for kind in Outcome}
        faults = sum(finding.fault for _, finding in self.findings)
        whole = (
            f"{counted(faults, 'fault')} in what was looked at of all rows"
            if faults
            else "no fault in all rows"
        )
        said = ", ".join(
            f"{count[kind]} {kind.value}"
            for kind in Outcome
            if count[kind] or kind is Outcome.EQUAL
        )
        text = f"{whole}; of {len(self.replays)} trained again {said}"
        if 0 < len(self.replays) < self.rows and count[Outcome.EQUAL] == len(self.replays):
            # Rule of three: without a miss in n, fewer than 3 / n miss at 95 % confidence.
            share = 1 - 0.05 ** (1 / len(self.replays))
            text += (
                f"; so at most {100 * share:.0f} % of all rows would fail (95 % confidence), "
                "and a larger sample says more"
            )
        return text

    def _compared(self) -> str:
        """The studies that the rows were compared with, and the missing ones."""
        known = {place: count for place, count in self.studies.items() if count is not None}
        records = sum(known.values())
        studies = counted(len(known), "study", "studies")
        text = f"compared with {counted(records, 'record')} of {studies}; " if known else ""
        without = [place for place in self.studies if place not in known]
        if not without:
            return text.removesuffix("; ")
        more = f" and {len(without) - 3} more" if len(without) > 3 else ""
        return f"{text}no study to compare the rows of {', '.join(without[:3])}{more} with"

    def _line(self, item: Replay) -> list[str]:
        row = item.row
        goal = self.goals.get(row.sweep)
        name = goal.name if goal else ""
        return [
            row.sweep,
            str(row.number),
            f"{row.cell.task} s{row.cell.seed}",
            str(row.state),
            score(row.metrics.get(name, float("nan"))),
            score(item.again.get(name, float("nan"))),
        ]


def _verdict(item: Replay) -> str:
    if item.outcome is Outcome.EQUAL:
        return str(item.outcome)
    fields = ", ".join([*item.identity, *item.machine])
    most = f"by {item.largest:.2g} in {item.where}" if item.largest < float("inf") else item.where
    return f"{item.outcome}: {most}" + (f" ({fields})" if fields else "")


def replay_sentences(replay: Replay) -> list[str]:
    """Sentences on a replay: the verdict, then differences in provenance."""
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
        Outcome.OTHER: f"{most}, and the row was made of something else: not comparable",
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
        lines.append(f"  to compare it: git checkout {first[:10]}, then the same command")
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
    if len(first) == len(second) == 64:  # digests: their beginnings differ, too
        first, second = first[:12], second[:12]
    return f"row {first}, here {second}"


def _amount(value: float) -> str:
    return f"{value:.2g}"
