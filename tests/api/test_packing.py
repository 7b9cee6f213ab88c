"""`--pack`: fractions of a GPU, slots, what rows say, and mistakes; GPUs are faked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from noop_sweep import noop_plan, noop_space

from raysearch.api import packing
from raysearch.api.messages import Messages
from raysearch.api.packing import packed
from raysearch.cli import main
from raysearch.cluster.packing import Packing, Peak, fraction, pack_by_peak
from raysearch.cluster.worker import TrainingRunner
from raysearch.errors import ConfigError
from raysearch.run import RunSpec
from raysearch.search.plan import SweepPlan
from raysearch.search.space.parameters import Parameter

GB = 10**9


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPlan:
    """On a machine of 2 GPUs and CPUs for 16 trials."""
    monkeypatch.setattr(packing, "visible_gpus", lambda: 2)
    return noop_plan(tmp_path, noop_space(), slots=16, runner=None)


@pytest.mark.parametrize(
    ("pack", "slots", "workers", "share", "at_once"),
    [
        ("4", None, 1, 0.25, 8),
        ("3", None, 1, 0.3333, 6),
        ("3", 2, 1, 0.3333, 2),  # what the user says
        ("3", None, 2, 0.3333, 3),  # two workers each
        ("50", None, 1, 0.02, 16),  # no more than the CPUs allow
        ("1", None, 4, 1.0, 1),
    ],
)
def test_a_number(
    plan: SweepPlan, pack: str, slots: int | None, workers: int, share: float, at_once: int
) -> None:
    plan = replace(plan, workers_per_trial=workers, slots=slots or plan.slots)
    found = packed(plan, pack, slots=slots)
    assert (found.gpus_per_worker, found.slots) == (share, at_once)
    runner = found.shape.runner
    assert isinstance(runner, TrainingRunner) and dict(runner.annotations) == {"pack": pack}


def test_without_the_option_nothing_changes(plan: SweepPlan) -> None:
    assert packed(plan, None, slots=None) is plan


@pytest.mark.parametrize("trials", [1, 2, 3, 6, 7, 11, 13, 10_000])
def test_so_many_shares_fit_one_gpu_as_ray_counts(trials: int) -> None:
    each = fraction(trials)
    assert round(each * 10_000) == pytest.approx(each * 10_000, abs=1e-9)
    assert 0 < round(each * 10_000) * trials <= 10_000


def peak(taken: float, total: float = 80) -> Peak:
    return Peak(taken=int(taken * GB), total=int(total * GB), device="a GPU")


@pytest.mark.parametrize(
    ("taken", "trials"), [(3, 22), (33, 2), (34, 1), (79, 1), (80, 1)]
)  # 80 / (3 · 1.2) = 22.2, 80 / (33 · 1.2) = 2.02, 80 / (34 · 1.2) = 1.96
def test_as_many_as_fit_with_the_margin(taken: float, trials: int) -> None:
    assert pack_by_peak([peak(taken)]).trials == trials


def test_one_that_does_not_fit_is_said() -> None:
    with pytest.raises(ConfigError, match="takes 81.00 GB of the 80.00 GB of a GPU"):
        pack_by_peak([peak(81)])


def test_the_type_that_holds_the_fewest_decides_if_it_holds_any() -> None:
    peaks = [peak(10, 80), peak(9, 24), peak(9, 8)]  # 80 / 12 = 6.7, 24 / 10.8 = 2.2
    assert pack_by_peak(peaks) == Packing(trials=2, peak=peaks[1])


def test_what_was_measured_stands_in_the_rows() -> None:
    assert Packing(trials=2, peak=peak(3)).annotations == {
        "pack": "2",
        "pack_peak_bytes": "3000000000",
        "pack_total_bytes": "80000000000",
        "pack_margin": "0.2",
    }


def test_auto_measures_the_largest_that_the_space_allows(
    plan: SweepPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    messages = Messages(note=notes.append)
    specs: list[RunSpec] = []

    def measure(spec: RunSpec, **settings: Any) -> tuple[Peak, ...]:
        specs.append(spec)
        return (peak(10),)

    monkeypatch.setattr(packing, "measure_on_cluster", measure)
    more = (
        Parameter(name="batch_size", kind="choice", choices=(16, 256, 64)),
        Parameter(name="max_length", kind="int", low=16, high=96),
    )
    space = replace(plan.space, parameters=(*plan.space.parameters, *more))
    found = packed(replace(plan, space=space), "auto", slots=None, messages=messages)
    assert (specs[0].config["batch_size"], specs[0].config["max_length"]) == (256, 96)
    assert (found.gpus_per_worker, found.slots) == (fraction(6), 12)
    assert found.annotations["pack_peak_bytes"] == "10000000000"
    said = "\n".join(notes)
    assert "a trial (batch_size 256, max_length 96) takes 10.00 GB of the 80.00 GB of a GPU" in said
    assert "with 20% on top, 6 share a GPU" in said


def test_a_cluster_must_be_told_how_many_trials_run_at_once(plan: SweepPlan) -> None:
    joined = replace(plan, address="auto")
    with pytest.raises(ConfigError, match="`--slots` must be given with `--pack`"):
        packed(joined, "2", slots=None)
    assert packed(joined, "2", slots=7).gpus_per_worker == 0.5


@pytest.mark.parametrize(
    ("pack", "said"),
    [
        ("0", "`--pack` must be auto or a number from 1 to 10000, but got '0'"),
        ("-1", "but got '-1'"),
        ("1.5", "but got '1.5'"),
        ("all", "but got 'all'"),
        ("2", "`--pack` must have a GPU to share, but this machine has none; leave it out"),
        ("auto", "`--pack` must have a GPU to share, but this machine has none; leave it out"),
    ],
)
def test_mistakes(
    pack: str,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "visible_gpus", lambda: 0)
    assert main(["sweep", "carl", f"--pack={pack}", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
