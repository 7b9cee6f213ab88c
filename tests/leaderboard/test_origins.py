"""Rows of two states of a file are a fault, of two versions a remark; silence is neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from raysearch.leaderboard.origins import origins
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.run import Run
from raysearch.sources import SOURCES, to_text

Make = Callable[..., Run]


def table(make_trial: Make, *provenances: Mapping[str, str]) -> pa.Table:
    parts = [
        trial_rows(make_trial(number, provenance=dict(made), task="en-es"))
        for number, made in enumerate(provenances)
    ]
    schema = unify(part.schema for part in parts)
    return pa.concat_tables(conform(part, schema) for part in parts)


def made(**digests: str) -> dict[str, str]:
    return {SOURCES: to_text({f"data {name}.txt": value for name, value in digests.items()})}


def test_two_states_of_a_file_are_named_with_their_trials(make_trial: Make) -> None:
    rows = table(make_trial, made(dev="a" * 64), made(dev="a" * 64, more="c"), made(dev="b" * 64))
    [fault] = origins(rows).faults
    assert "data dev.txt has aaaaaaaaaaaa (trials 0 to 1) and bbbbbbbbbbbb (trial 2)" in fault
    assert origins(rows).remarks == ()


def test_other_corpora_by_a_setting_are_no_fault(make_trial: Make) -> None:
    rows = table(make_trial, made(one="a"), made(two="b"), {})
    assert origins(rows).sentences == ()


def test_older_rows_are_told_apart_by_the_data_that_all_of_them_must_share(
    make_trial: Make,
) -> None:
    old = {"corpora": "xabsa:en-es", "data_digest": "d1", "dev_digest": "v1"}
    fine = table(make_trial, old, {**old, "data_digest": "d2"}, {**old, **made(dev="a")})
    assert origins(fine).sentences == ()
    [fault] = origins(table(make_trial, old, {**old, "dev_digest": "v2"})).faults
    assert "the development data of xabsa:en-es, en-es, has v1 (trial 0) and v2 (trial 1)" in fault
    carl = {"corpora": "facebook+mr", "data_digest": "d1"}
    assert origins(table(make_trial, carl, {**carl, "data_digest": "d2"})).faults
    assert not origins(table(make_trial, carl, {"corpora": "mr", "data_digest": "d2"})).faults


def test_versions_are_a_remark(make_trial: Make) -> None:
    one = {"torch": "2.13.0", "python": "3.11.7", "host": "a"}
    rows = table(make_trial, one, {**one, "python": "3.11.9", "host": "b"})
    assert origins(rows).sentences == ()
    [remark] = origins(table(make_trial, one, one, {**one, "torch": "2.14.0"})).remarks
    assert "torch 2.13.0 (trials 0 to 1) and 2.14.0 (trial 2); they may round" in remark
