"""What an audit finds without training anything."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from raysearch.analysis.audit import audit, compare_with_study, draw_rows
from raysearch.findings.audit import Finding
from raysearch.leaderboard import Store
from raysearch.leaderboard.part_file import encode
from raysearch.run import RunState

MADE = {"code": "c1", "data_digest": "d1", "encoder_digest": "e1", "torch": "2.13.0"}
CONFIG = {"encoder": "tiny", "layers": 0, "reports": 2, "top_k": 0.1}


@pytest.fixture
def store(tmp_path: Path, make_trial: Callable[..., Any]) -> Store:
    """Two configurations of two seeds, of which one is stopped early after its first cell."""
    store = Store(tmp_path / "carl")
    for number, seed in [(0, 0), (0, 1), (1, 0)]:
        store.append(
            make_trial(
                number, 0.1 * number + 0.01 * seed, seed=seed, provenance=MADE, config=CONFIG
            )
        )
    stopped = make_trial(2, 0.2, provenance=MADE, config=CONFIG, state=RunState.PRUNED)
    store.append(replace(stopped, curve=stopped.curve[:1], steps=10))
    card = {"metric": "dev/va_pearson", "direction": "maximize", "cells": 2}
    (tmp_path / "carl" / "sweep.json").write_text(json.dumps(card))
    return store


def faults(store: Store) -> list[tuple[str, str]]:
    return [(finding.where, finding.what) for finding in audit(store) if finding.fault]


def again(store: Store, number: int, **changes: Any) -> Any:
    """Write a row of seed 0 anew, as someone would who tampers with it."""
    row = next(t for t in store.trials() if t.number == number and t.cell.seed == 0)
    store.append(replace(row, **{"finished": "2026-01-03T00:00:00+00:00", **changes}))
    return row


def test_an_honest_board_has_no_fault_and_says_what_is_missing(store: Store) -> None:
    assert audit(store) == [
        Finding(
            fault=False,
            where="trial 1",
            what="1 of 2 cells are in; it has no rank until all are",
        )
    ]


def test_a_number_that_its_curve_does_not_have(store: Store) -> None:
    again(store, 1, metrics={"dev/va_pearson": 0.9, "loss": 2.0})
    assert faults(store) == [
        (
            "trial 1, emobank seed 0",
            "dev/va_pearson is 0.9 in the row and 0.1 at its last report",
        )
    ]


def test_a_row_in_two_files_that_differ(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "carl" / "trials"
    [source] = [p for p in folder.glob("part-00001*")]
    table = pq.read_table(source)
    (folder / "part-zz.parquet").write_bytes(source.read_bytes())
    assert faults(store) == []  # a copy is what a merge leaves for a moment
    column = table.column_names.index("metric/loss")
    changed = table.set_column(column, "metric/loss", [[1.5]])
    (folder / "part-zz.parquet").write_bytes(encode(changed))
    found = faults(store)
    assert any("two rows that differ, in part-00001" in what for _, what in found), found


def test_cells_of_different_data(store: Store) -> None:
    again(store, 0, provenance={**MADE, "data_digest": "d2"})
    [(where, what)] = faults(store)
    assert where == "trial 0, emobank" and "data_digest d1, d2" in what


def test_no_digest_no_curve_too_few_reports(store: Store) -> None:
    row = again(store, 1, provenance={"code": "c1"})
    assert "lacks data_digest, encoder_digest, torch" in faults(store)[0][1]
    again(store, 1, config={**CONFIG, "reports": 3}, finished="2026-01-04T00:00:00+00:00")
    assert any("complete with 2 reports" in what for _, what in faults(store))
    again(store, 1, steps=19, finished="2026-01-05T00:00:00+00:00")
    assert any("says 19 steps, and its last report 20" in what for _, what in faults(store))
    assert row.steps == 20


def test_a_reading_of_no_row_or_of_other_settings(store: Store, tmp_path: Path) -> None:
    row = store.trials()[0]
    record = Store(tmp_path / "carl" / "test")
    record.append(replace(row, metrics={"test/va_pearson": 0.3}, curve=()))
    assert faults(store) == []
    record.append(replace(row, config={**CONFIG, "top_k": 0.9}, finished="2026-02-01T00:00:00"))
    assert "of other settings" in faults(store)[0][1]
    record.append(replace(row, number=7, curve=()))
    assert any("of a trial that is not there" in what for _, what in faults(store))


def test_versions_of_the_code_are_a_remark(store: Store) -> None:
    again(store, 1, provenance={**MADE, "code": "c2"})
    assert faults(store) == []
    assert any(
        "several versions: code c1 (trials 0, 2) and c2 (trial 1)" in finding.what
        for finding in audit(store)
    )


def test_the_sample_is_the_seeds_and_never_empty(store: Store) -> None:
    trials = store.trials()
    assert draw_rows(trials, 0.5, seed=1) == draw_rows(trials, 0.5, seed=1)
    assert len(draw_rows(trials, 0.5, seed=1)) == 2
    assert len(draw_rows(trials, 0.01, seed=1)) == 1
    assert draw_rows(trials, 1, seed=4) == trials
    drawn = {draw_rows(trials, 0.01, seed=seed)[0].id for seed in range(40)}
    assert len(drawn) == 4
    assert draw_rows([], 0.5, seed=0) == []


def compared(store: Store, records: Any) -> list[tuple[str, str]]:
    found = compare_with_study(store.trials(), records)
    assert all(finding.fault for finding in found)
    return [(finding.where, finding.what) for finding in found]


def test_rows_equal_the_studys_records_also_where_the_table_is_wider(store: Store) -> None:
    records = store.trials()
    assert compared(store, records) == []
    wider = {**CONFIG, "layers": 0.5, "top_k": "all", "focal": None, "new": True}
    other = replace(records[0], number=5, config=wider)
    store.append(other)
    assert compared(store, [*records, other]) == []


def test_a_row_that_is_missing_and_one_that_nobody_recorded(store: Store) -> None:
    records = store.trials()
    extra = replace(records[0], number=7)
    assert compared(store, [*records[1:], extra]) == [
        ("trial 0, emobank seed 0", "it is in the rows and not in the study"),
        (
            "trial 7, emobank seed 0",
            "it is in the study and not in the rows; run the sweep again, which writes it",
        ),
    ]


def test_each_differing_field_is_named_with_both_values(store: Store) -> None:
    first, *others = store.trials()
    curve = (replace(first.curve[0], metrics={"dev/va_pearson": 0.25}), *first.curve[1:])
    for changes, said in (
        ({"metrics": {**first.metrics, "loss": 1.5}}, "metric/loss: 2.0 in the row, 1.5 in the s"),
        ({"config": {**first.config, "top_k": 0.2}}, "config/top_k: 0.1 in the row, 0.2 in the"),
        ({"steps": 21}, "steps: 20 in the row, 21 in the study"),
        ({"finished": ""}, "finished: '2026-01-02T03:04:05+00:00' in the row, '' in the study"),
        ({"curve": curve}, "report 1, dev/va_pearson: 0.0 in the row, 0.25 in the study"),
        ({"provenance": {**MADE, "torch": "2"}}, "provenance/torch: '2.13.0' in the row, '2' in"),
    ):
        [(where, what)] = compared(store, [replace(first, **changes), *others])
        assert where == "trial 0, emobank seed 0" and said in what


def test_a_damaged_curve_card_or_reading_is_a_finding(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "carl"
    Store(folder / "test").append(replace(store.trials()[0], curve=()))
    for path in [
        next((folder / "curves").glob("part-*")),
        next((folder / "test" / "trials").glob("part-*")),
        folder / "sweep.json",
    ]:
        whole = path.read_bytes()
        path.write_bytes(b"damaged")
        [(where, what)] = faults(store)
        assert where == "files" and str(path) in what
        path.write_bytes(whole)
    assert faults(store) == []


@pytest.mark.parametrize(
    ("rungs", "steps", "reports", "state", "expected"),
    [
        ([2], [1], 2, "complete", []),  # one step, or none that is reported
        ([2, 4], [1, 2], 4, "complete", []),
        ([2], [1], 4, "pruned", []),
        ([1, 3, 4], [1, 9, 12], 4, "complete", ["its reports must be 1, 2, …, but are [1, 3, 4]"]),
        ([1, 4], [1, 2], 4, "complete", ["its reports must be 1, 2, …, but are [1, 4]"]),
        ([1], [1], float("inf"), "complete", []),  # of a stranger
        ([1], [1], 2, "complete", ["it is complete with 1 report, and its settings ask for 2"]),
    ],
)
def test_a_trial_with_fewer_steps_than_reports(
    rungs, steps, reports, state, expected, tmp_path, make_trial
):
    made = make_trial(0, 0.2, provenance=MADE, config={**CONFIG, "reports": reports})
    at = zip(rungs, steps, strict=True)
    curve = tuple(replace(made.curve[-1], rung=rung, step=step) for rung, step in at)
    store = Store(tmp_path / "short")
    store.append(replace(made, curve=curve, steps=steps[-1], state=RunState(state)))
    assert [what for _, what in faults(store)] == expected
