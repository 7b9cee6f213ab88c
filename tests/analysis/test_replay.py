"""What a replay comes to: equal, close, not comparable or different."""

from dataclasses import replace
from typing import Any

import pytest

from raysearch.analysis.replay import compare_replay
from raysearch.devices import cpu_device
from raysearch.findings.audit import Outcome
from raysearch.run import RunState

MADE = {"code": "c1", "data_digest": "d1", "encoder_digest": "e1", "torch": "2.13.0", "cpu": "A"}


@pytest.fixture
def row(make_trial: Any) -> Any:
    return make_trial(0, 0.5, provenance=MADE, device=cpu_device(1))


def moved(trial: Any, by: float) -> Any:
    """The same with one metric of the last report, and of the row, moved."""
    last = trial.curve[-1]
    metrics = {**last.metrics, "dev/va_pearson": last.metrics["dev/va_pearson"] + by}
    return replace(
        trial, metrics=metrics, curve=(*trial.curve[:-1], replace(last, metrics=metrics))
    )


def test_the_same_is_bit_equal_whoever_made_it(row: Any) -> None:
    other = replace(row, seconds=99.0, provenance={**MADE, "code": "c2", "cpu": "B"})
    found = compare_replay(row, other)
    assert found.outcome is Outcome.EQUAL
    assert (found.compared, found.unequal, found.where) == (6, 0, "")
    assert set(found.identity) == {"code"} and set(found.machine) == {"cpu"}


def test_the_last_bit_counts_where_nothing_differs(row: Any) -> None:
    found = compare_replay(row, moved(row, 1e-15))
    assert found.outcome is Outcome.DIFFERS
    assert found.unequal == 2 and found.where == "dev/va_pearson at report 2"


@pytest.mark.parametrize(
    ("by", "outcome"), [(1e-6, Outcome.CLOSE), (9e-3, Outcome.CLOSE), (0.02, Outcome.DIFFERS)]
)
def test_another_machine_explains_little(row: Any, by: float, outcome: Outcome) -> None:
    again = replace(moved(row, by), device=cpu_device(2))
    found = compare_replay(row, again)
    assert found.outcome is outcome
    assert found.machine == {"device": ("cpu (1 threads)", "cpu (2 threads)")}
    assert found.largest == pytest.approx(by)


def test_other_code_or_data_is_not_judged(row: Any) -> None:
    again = replace(moved(row, 0.3), provenance={**MADE, "data_digest": "d2"})
    found = compare_replay(row, again)
    assert found.outcome is Outcome.OTHER
    assert found.identity == {"data_digest": ("d1", "d2")}


def test_an_end_of_another_kind_is_no_small_thing(row: Any) -> None:
    failed = replace(row, state=RunState.FAILED, reason="collapsed", curve=(), metrics={})
    found = compare_replay(row, failed)
    assert found.outcome is Outcome.DIFFERS
    assert "the row is complete, here it is failed (collapsed)" in found.where
    shorter = replace(row, curve=row.curve[:1])
    assert "reports are at steps [(1, 10), (2, 20)]" in compare_replay(row, shorter).where


def test_nan_equals_nan_and_a_missing_metric_does_not(row: Any) -> None:
    bare = replace(row, curve=(), metrics={"a": float("nan")})
    assert compare_replay(bare, bare).outcome is Outcome.EQUAL
    assert compare_replay(bare, replace(bare, metrics={})).outcome is Outcome.DIFFERS
