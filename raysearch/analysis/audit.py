"""Checks a leaderboard for faults and gaps that can be found without training.

A *fault* is something that no honest sweep produces; a *remark* is something a reader should know,
such as a configuration with missing cells. Whether a row's number is true only shows in training it
again (`raysearch.analysis.replay`); here every row is checked.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from raysearch.errors import StoreError, quoted
from raysearch.findings.audit import Finding
from raysearch.leaderboard.card import SweepCard
from raysearch.leaderboard.openings import SCORES, Opening, Openings, count_of, readings_of
from raysearch.leaderboard.origins import origins
from raysearch.leaderboard.parts import Parts
from raysearch.leaderboard.schema import (
    KEY,
    TRIAL_COLUMNS,
    conform,
    curve_rows,
    read_trials,
    trial_rows,
    unify,
)
from raysearch.leaderboard.store import Store
from raysearch.printable import counted
from raysearch.run import Run, RunState
from raysearch.sources import SOURCES
from raysearch.storage import open_storage
from raysearch.training.rungs import report_rungs

__all__ = ["audit", "compare_card", "compare_with_study", "draw_rows"]

_SHOWN = 4
"""Fields of a row that are reported."""
_REPORTS = 1000
"""The most that a setting may ask for."""
_NEEDED = ("code", "data_digest", "encoder_digest", "torch")
"""Provenance that is required for checking a row."""


def audit(store: Store) -> list[Finding]:
    """Check every row of a sweep, its curves, its card, and the readings of its test data."""
    try:
        trials, readings = store.trials(), readings_of(store.folder).trials()
        card = store.card()
    except StoreError as error:  # the other checks need readable rows
        return [Finding(fault=True, where="files", what=what) for what in str(error).splitlines()]
    found: list[Finding] = []
    found += _twice(store)
    for trial in trials:
        where = _name(trial)
        found += [Finding(fault=True, where=where, what=what) for what in _row_faults(trial, card)]
    found += _sources(trials)
    found += _origins(store)
    found += _cells(trials, card)
    found += _readings(trials, readings)
    found += _openings(store)
    return found


def compare_with_study(rows: Sequence[Run], records: Sequence[Run]) -> list[Finding]:
    """Differences between the rows and the study's records of the same cells.

    Args:
        rows: The leaderboard's.
        records: The study's, read before the rows: a sweep writes a record before its row.
    """
    found = []
    shown, known = ({trial.key: trial for trial in part} for part in _alike_typed(rows, records))
    for key in sorted(shown.keys() | known.keys()):
        row, record = shown.get(key), known.get(key)
        if row is not None and record is not None:
            names = _differing(row, record)
            more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            said = "; ".join(names[:_SHOWN]) + more
            what = f"the row and its record in the study differ in {said}" if names else ""
        elif row is None:
            what = "it is in the study and not in the rows; run the sweep again, which writes it"
        else:
            what = "it is in the rows and not in the study"
        if what:
            _, number, task, seed = key
            where = f"trial {number}, {task} seed {seed}"
            found.append(Finding(fault=True, where=where, what=what))
    return found


def compare_card(store: Store, said: Mapping[str, Any], *, sealed: bool) -> list[Finding]:
    """Differences between ``sweep.json`` and the study in the rules of ranking.

    Args:
        store: The leaderboard, whose card is readable.
        said: The study's card fields (`raysearch.search.study.records`).
        sealed: Whether the study's version seals cards.
    """
    card = store.card_fields()
    if card is None:
        return []
    cure = "the same `raysearch sweep` command writes it anew"
    found = []
    if sealed and not store.is_card_sealed():
        found.append(f"it has no seal, and its study is of a version that seals it; {cure}")
    for name, value in said.items():
        if name not in card and not sealed:  # an older sweep did not write it
            continue
        own = card.get(name, _UNSAID.get(name))
        if name == "tasks" and said["mode"] == "per_task" and _are_among(value, own):
            continue  # the study has not reached the others yet
        if own != value:
            parts = [name]
            if isinstance(own, dict) and isinstance(value, dict):
                parts = [f"{name}.{key}" for key in _unlike(own, value)]
            found.append(
                f"{', '.join(f'`{part}`' for part in parts)} must be as the study has it, but is "
                f"{quoted(own)}, and in the study {quoted(value)}; {cure}"
            )
    return [Finding(fault=True, where="sweep.json", what=what) for what in found]


_UNSAID = {"mode": "joint", "aggregate": "mean"}
"""Meaning of a field that a card lacks."""


def _are_among(some: Sequence[str], names: object) -> bool:
    return isinstance(names, list) and all(name in names for name in some)


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    names = sorted(first.keys() | second.keys())
    return [name for name in names if first.get(name) != second.get(name)]


def draw_rows(trials: Sequence[Run], share: float, seed: int) -> list[Run]:
    """A random sample of the rows that have numbers, complete or stopped early.

    Args:
        trials: Rows of one leaderboard, in a reproducible order.
        share: Fraction of the rows, in (0, 1]; at least one row is drawn if there is any.
        seed: The same seed draws the same rows of the same leaderboard.
    """
    rows = [trial for trial in trials if trial.state is not RunState.FAILED and trial.metrics]
    count = min(len(rows), max(1, math.ceil(share * len(rows) - 1e-9)))
    chosen = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [rows[index] for index in sorted(chosen.tolist())]


def _row_faults(trial: Run, card: SweepCard | None) -> Iterator[str]:
    """Faults of a single row."""
    missing = [name for name in _NEEDED if not trial.provenance.get(name)]
    if missing and trial.state is not RunState.FAILED:
        yield f"its provenance lacks {', '.join(missing)}, so that it cannot be compared"
    rungs, steps = [[getattr(r, name) for r in trial.curve] for name in ("rung", "step")]
    reports = trial.config.get("reports")
    wanted = int(reports) if isinstance(reports, int | float) and 0 < reports <= _REPORTS else 0
    if rungs != list(range(1, len(rungs) + 1)) and not _is_short(rungs, steps, wanted):
        yield f"its reports must be 1, 2, …, but are {rungs}"
    if trial.state is RunState.FAILED:
        return
    if not trial.curve:
        yield "it has no curve to compare its numbers with"
        return
    last = trial.curve[-1]
    if not _same(trial.metrics, last.metrics):
        names = [n for n in last.metrics if not _alike(trial.metrics.get(n), last.metrics[n])]
        name = names[0] if names else "a metric"
        row, curve = trial.metrics.get(name, math.nan), last.metrics.get(name, math.nan)
        yield f"{name} is {row:.6g} in the row and {curve:.6g} at its last report"
    if trial.state is RunState.COMPLETE:
        if wanted and rungs[-1] != wanted:
            has = counted(len(rungs), "report")
            yield f"it is complete with {has}, and its settings ask for {reports}"
        if trial.steps != last.step:
            yield f"it says {counted(trial.steps, 'step')}, and its last report {last.step}"
        if card and not math.isfinite(trial.metrics.get(card.goal.name, math.nan)):
            yield f"it is complete and has no finite {card.goal.name}"


def _is_short(rungs: Sequence[int], steps: Sequence[int], reports: int) -> bool:
    """Whether these are the reports, or the first ones, of a trial with fewer steps than those."""
    following = all(step == steps[0] + index for index, step in enumerate(steps))
    due = ([*report_rungs(total, reports).values()] for total in range(reports))
    return following and any(list(rungs) == each[: len(rungs)] for each in due)


def _twice(store: Store) -> list[Finding]:
    """Rows that are in several files with different content.

    A merge leaves equal copies for a moment, or if it is interrupted.
    """
    seen: dict[tuple[object, ...], tuple[str, dict[str, object]]] = {}
    found = []
    parts = Parts(open_storage(store.folder, make=False), "trials", TRIAL_COLUMNS)
    for name, table in parts.files():
        for row in table.to_pylist():
            key = tuple(row[column] for column in KEY)
            known = {n: v for n, v in row.items() if v is not None}
            if key in seen and not _same(seen[key][1], known):
                where = f"trial {row['trial']}, {row['task']} seed {row['seed']}"
                what = f"two rows that differ, in {seen[key][0]} and {name}; the second counts"
                found.append(Finding(fault=True, where=where, what=what))
            seen[key] = (name, known)
    return found


def _sources(trials: Sequence[Run]) -> list[Finding]:
    """Whether the cells of one trial, which differ only in their seed, have the same sources."""
    found = []
    digests: dict[tuple[str, int, str, bool], set[str]] = defaultdict(set)
    for trial in trials:
        for name, value in trial.provenance.items():
            if name.endswith("_digest") and value:
                # Rows that name their sources cover more files of an encoder than older ones.
                newer = name == "encoder_digest" and SOURCES in trial.provenance
                digests[name, trial.number, trial.cell.task, newer].add(value)
    for (name, number, task, _), values in digests.items():
        if len(values) > 1:
            what = f"its cells are of different data or encoders, {name} {_shortened(values)}"
            found.append(Finding(fault=True, where=f"trial {number}, {task}", what=what))
    return found


def _origins(store: Store) -> list[Finding]:
    """Whether rows that are ranked together have the same files, encoder and versions."""
    made = origins(store.table())
    found = [Finding(fault=True, where="sources", what=what) for what in made.faults]
    return found + [Finding(fault=False, where="versions", what=what) for what in made.remarks]


def _cells(trials: Sequence[Run], card: SweepCard | None) -> list[Finding]:
    """Configurations with missing cells."""
    if card is None or not card.cells:
        return []
    states: dict[int, Counter[RunState]] = defaultdict(Counter)
    for trial in trials:
        states[trial.number][trial.state] += 1
    found = []
    for number, counts in sorted(states.items()):
        done = counts[RunState.COMPLETE]
        if set(counts) == {RunState.COMPLETE} and done < card.cells:
            what = f"{done} of {counted(card.cells, 'cell')} are in; it has no rank until all are"
            found.append(Finding(fault=False, where=f"trial {number}", what=what))
        if sum(counts.values()) > card.cells:
            what = f"{counted(sum(counts.values()), 'cell')}, and the sweep has {card.cells}"
            found.append(Finding(fault=True, where=f"trial {number}", what=what))
    return found


def _readings(trials: Sequence[Run], readings: Sequence[Run]) -> list[Finding]:
    """Readings of test without a row, or with other settings than their row's."""
    rows = {trial.key: trial for trial in trials}
    found = []
    for reading in readings:
        row = rows.get(reading.key)
        what = ""
        if row is None:
            what = "test was read of a trial that is not there"
        elif not _same(_known(row), _known(reading)):
            what = "test was read of other settings than the row's"
        if what:
            found.append(Finding(fault=True, where=_name(reading), what=what))
    return found


def _openings(store: Store) -> list[Finding]:
    """Differences between the records of opened data and the rows."""
    records = Openings(store.folder).all()
    if not records:
        return []
    rows = {
        (name, trial.id): trial
        for name in ("test", "oracle")
        for trial in readings_of(store.folder, name).rows_as_written()
    }
    found = [
        Finding(fault=item.damaged, where=f"trial {item.trial}", what=_opening_words(item))
        for item in records
        if item.damaged or not item.finished
    ]
    kept = {(item.rows, item.trial): item for item in records if item.reading is not None}
    for key, item in kept.items():
        row, reading, what = rows.get(key), item.reading, ""
        if row is None:
            what = (
                f"{item.role} was read and the row of it is gone; `raysearch evaluate` writes it "
                "anew from the record of it, without reading again"
            )
        elif reading is not None and not _same(dict(row.metrics), dict(reading.metrics)):
            what = f"the row of what was read of {item.role} differs from the record of it"
        if what:
            found.append(Finding(fault=True, where=f"trial {item.trial}", what=what))
    return found + _more_than_said(records, rows)


def _more_than_said(
    records: Sequence[Opening], rows: Mapping[tuple[str, str], Run]
) -> list[Finding]:
    """Readings that say fewer openings than there were when they were written."""
    known: dict[tuple[str, str], list[Opening]] = defaultdict(list)
    for item in records:
        key = item.rows, item.trial
        # An experiment may open test for a measure of its own after the row was written.
        later = not item.damaged and item.what != SCORES
        if key in rows and not (later and item.began >= rows[key].finished):
            known[key].append(item)
    found = []
    for key, items in known.items():
        if len(items) > (said := count_of(rows[key])):
            what = (
                f"its row says that {items[0].role} was opened "
                f"{counted(said, 'time')}, and there are {counted(len(items), 'record')} of that"
            )
            found.append(Finding(fault=True, where=f"trial {key[1]}", what=what))
    return found


def _opening_words(opening: Opening) -> str:
    if opening.damaged:
        return f"the record of an opening of {opening.role} is damaged"
    return (
        f"{opening.role} was opened at {opening.began} by {opening.by} (begun, not finished), and "
        "nothing that was read is kept"
    )


def _alike_typed(rows: Sequence[Run], records: Sequence[Run]) -> list[list[Run]]:
    """Both as one table would return them, where a setting has one type in all rows."""
    parts = [[(trial_rows(trial), curve_rows(trial)) for trial in part] for part in (rows, records)]
    schema = unify(row.schema for part in parts for row, _ in part)
    return [[read_trials(conform(row, schema), curve)[0] for row, curve in part] for part in parts]


def _differing(row: Run, record: Run) -> list[str]:
    """The fields that differ, with both values."""
    first, second = _fields(row), _fields(record)
    return [
        f"{name}: {quoted(first.get(name))} in the row, {quoted(second.get(name))} in the study"
        for name in sorted(first.keys() | second.keys())
        if not _alike(first.get(name), second.get(name))
    ]


def _fields(trial: Run) -> dict[str, object]:
    """Every value of a trial, by the column that has it."""
    bare = ("method", "state", "reason", "steps", "seconds", "device", "finished")
    found: dict[str, object] = {name: getattr(trial, name) for name in bare}
    for group in ("config", "metrics", "provenance"):
        values = getattr(trial, group)
        found |= {f"{group.removesuffix('s')}/{name}": value for name, value in values.items()}
    for report in trial.curve:
        here = {"step": report.step, "seconds": report.seconds, **report.metrics}
        found |= {f"report {report.rung}, {name}": value for name, value in here.items()}
    return found


def _known(trial: Run) -> dict[str, object]:
    return {name: value for name, value in trial.config.items() if value is not None}


def _same(first: object, second: object) -> bool:
    """Equality of mappings in which NaN equals NaN."""
    if isinstance(first, dict) and isinstance(second, dict):
        if set(first) != set(second):
            return False
        return all(_alike(value, second[name]) for name, value in first.items())
    return first == second


def _alike(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float) and math.isnan(first):
        return math.isnan(second)
    return first == second


def _shortened(digests: Iterable[str]) -> str:
    return ", ".join(sorted(digest[:12] for digest in digests))


def _name(trial: Run) -> str:
    return f"trial {trial.number}, {trial.cell.task} seed {trial.cell.seed}"
