"""What became of the selected: scores on test data, and what selection on source data lost."""

from __future__ import annotations

import math
from shlex import quote

import numpy as np

from raysearch.findings.sweep import oracle_goal
from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.openings import counts_in
from raysearch.render.format import score
from raysearch.render.readings import read_words
from raysearch.render.report.figure import Block, Note, Section, TableBlock
from raysearch.render.report.sweep import SweepView
from raysearch.render.report.words import counted, listed, short
from raysearch.statistics.intervals import mean_interval

__all__ = ["selection_section"]


def selection_section(sweep: SweepView) -> Section:
    """Test readings and selection regret, or how to make them."""
    test, regret = _test(sweep), _regret(sweep)
    blocks: list[Block] = [test, *([regret] if regret else [])]
    finding = regret.caption if isinstance(regret, TableBlock) else ""
    return Section(name="Selection", blocks=blocks, finding=finding)


def _test(sweep: SweepView) -> Block:
    table = sweep.record.test
    name = oracle_goal(sweep.card.goal, "test").name
    column = f"metric/{name}"
    if not table.num_rows or column not in table.column_names:
        return Note(
            title="Test data",
            text="The test data was not read yet. It is read once, for the selected trial:",
            commands=[f"python -m raysearch evaluate {quote(sweep.record.folder)} --trial best"],
        )
    values = column_values(table, column)
    groups: dict[tuple[str, int], list[float]] = {}
    pairs = zip(table.column("task").to_pylist(), table.column("trial").to_pylist(), strict=True)
    for key, value in zip(pairs, values.tolist(), strict=True):
        groups.setdefault(key, []).append(value)
    rows: list[list[str | int]] = []
    words = []
    for (task, trial), found in sorted(groups.items()):
        interval = mean_interval([found])
        spread = f" ± {short(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
        ends = f"{short(interval.low)} … {short(interval.high)}" if interval.bounded else "one cell"
        rows.append([task, trial, f"{short(interval.value)}{spread}", len(found), ends])
        words.append(f"{task} {short(interval.value)}")
    opened = read_words(counts_in(table)).capitalize()
    caption = f"{opened}, after selection: {name} of {listed(words)}."
    heads = (sweep.noun, "trial", f"{name}, mean ± sd", "cells", "95 % interval")
    return TableBlock(title="Test data", heads=heads, rows=rows, caption=caption)


def _regret(sweep: SweepView) -> Block | None:
    record = sweep.record
    if not record.role:
        return None
    title = "Selection regret"
    if not record.regrets:
        return Note(
            title=title,
            text=f"What selection on source data lost is known once {record.role} was read:",
            commands=[f"python -m raysearch evaluate {quote(record.folder)} --oracle"],
        )
    heads = ("pair", "chosen", "its score", "oracle's", "its score", "regret", "ρ of the metrics",
             "read", "missing")  # fmt: skip
    rows: list[list[str | int]] = [
        [
            one.task or "all pairs",
            "–" if one.chosen is None else one.chosen,
            score(one.chosen_value) or "–",
            "–" if one.oracle is None else one.oracle,
            score(one.oracle_value) or "–",
            "–" if math.isnan(one.value) else f"{one.value:+.4f}",
            "–" if math.isnan(one.agreement) else f"{one.agreement:+.2f}",
            one.read,
            one.missing,
        ]
        for one in record.regrets
    ]
    return TableBlock(title=title, heads=heads, rows=rows, caption=_words(sweep))


def _words(sweep: SweepView) -> str:
    regrets = [one for one in sweep.record.regrets if math.isfinite(one.value)]
    judged = oracle_goal(sweep.card.goal, sweep.record.role).name
    if not regrets:
        return f"No chosen trial was read on {sweep.record.role}, so its regret is not known."
    pairs = [one for one in regrets if one.task] or regrets
    worst = max(pairs, key=lambda one: one.value)
    none = sum(one.value <= 0 for one in pairs)
    text = (
        f"Selecting by {sweep.metric} lost {short(float(np.mean([o.value for o in pairs])))} of "
        f"{judged} on average over {counted(len(pairs), 'pair')}"
    )
    if len(pairs) > 1:
        text += f", most on {worst.task} ({worst.value:+.4f}), nothing on {none}"
    missing = sum(one.missing for one in pairs)
    rest = f"; {counted(missing, 'complete trial')} not read, so it may be more" if missing else ""
    return f"{text}{rest}. The oracle looked at target data: its choice is no fair competitor."
