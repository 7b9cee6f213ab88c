"""Report section on provenance: sources, differences, and commands to reproduce the numbers."""

from __future__ import annotations

from shlex import quote

from raysearch.leaderboard.keys import distinct
from raysearch.leaderboard.origins import origins
from raysearch.printable import counted
from raysearch.render.report.figure import Block, Note, Section, TableBlock, listed
from raysearch.render.report.sweep import SweepView
from raysearch.sources import SOURCES

__all__ = ["origin_section"]

_OF_A_ROW = ("stage_key", "steps_reused", "weights_sha256", SOURCES)
"""Columns that naturally differ from row to row."""
_MATTERS = ("commit", "code", "torch", "encoder_digest", "data_digest", "precision", "tf32")
"""Columns that may change a number."""


def origin_section(sweep: SweepView) -> Section:
    """All provenance with its values, what differs, and the commands."""
    table = sweep.record.table
    names = [
        n.removeprefix("provenance/") for n in table.column_names if n.startswith("provenance/")
    ]
    rows: list[list[str | int]] = []
    mixed = []
    for name in ("device", *(name for name in names if name not in _OF_A_ROW)):
        column = name if name == "device" else f"provenance/{name}"
        values = [str(value) for value in distinct(table, column) if value not in (None, "")]
        if values:
            rows.append([name, listed(values, 4), len(values)])
        most = _within_a_task(sweep, column)
        if most > 1 and name in _MATTERS:
            mixed.append(f"{name} ({most})")
    made = origins(table)
    caption = " ".join([_words(sweep, mixed), *(f"{text}." for text in made.sentences)])
    blocks: list[Block] = [_again(sweep)]
    if rows:
        heads = ("what", "value", "values")
        blocks.append(TableBlock(title="Provenance", heads=heads, rows=rows, caption=caption))
    dirty = _dirty(sweep)
    return Section(
        name="Provenance",
        blocks=blocks,
        finding=caption if mixed or dirty or made.sentences else "",
    )


def _within_a_task(sweep: SweepView, column: str) -> int:
    """Most distinct values within a task: each pair has its own data."""
    table = sweep.record.table
    found: dict[str, set[str]] = {}
    rows = zip(table.column("task").to_pylist(), table.column(column).to_pylist(), strict=True)
    for task, value in rows:
        if value not in (None, ""):
            found.setdefault(task, set()).add(value)
    return max(map(len, found.values()), default=0)


def _dirty(sweep: SweepView) -> int:
    table = sweep.record.table
    if "provenance/dirty" not in table.column_names:
        return 0
    return int(table.column("provenance/dirty").to_pylist().count("true"))


def _words(sweep: SweepView, mixed: list[str]) -> str:
    rows = sweep.record.table.num_rows
    parts = []
    if mixed:
        parts.append(
            f"The rows are not all of one kind: {listed(mixed)} has "
            "several values within a task, so trials may differ by more than their settings."
        )
    else:
        parts.append(
            f"All {counted(rows, 'row')} have the same code, packages, data and "
            "encoder, but for what belongs to a task."
        )
    dirty = _dirty(sweep)
    if dirty:
        parts.append(
            f"{counted(dirty, 'row')} came from a source tree with changes that no commit holds: "
            "`code` is the digest of what ran."
        )
    return " ".join(parts)


def _again(sweep: SweepView) -> Note:
    """The commands that reproduce the numbers."""
    folder = quote(sweep.record.folder)
    table = sweep.record.table
    commits = (
        distinct(table, "provenance/commit") if "provenance/commit" in table.column_names else ()
    )
    known = [str(commit) for commit in commits if commit]
    first = sweep.contests[0]
    commands = [f"git checkout {known[0]}"] if len(known) == 1 else []
    commands.append(f"python -m raysearch leaderboard {folder}")
    if first.complete:
        best = first.complete[0]
        task = f" --task {quote(first.task)}" if first.task and len(sweep.per_task) > 1 else ""
        named = quote(f"{sweep.record.folder}:{best.trial}")
        commands.append(f"python -m raysearch export {named} DIR{task}")
    space = sweep.record.card
    text = (
        f"The sweep searched {counted(len(sweep.ranges), 'setting')}"
        + (f" with {space.sampler}" if space.sampler else "")
        + "; its space, seed and cells are in sweep.json, every setting of a trial in its row. "
        "Exporting a trial whose weights were not kept trains it again, which gives the same "
        "numbers on the same kind of machine."
    )
    return Note(title="How to run it again", text=text, commands=commands)
