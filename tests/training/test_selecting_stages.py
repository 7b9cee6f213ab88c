"""A stage that chooses its result by dev: no reports of the trial, shared with one that reports."""

from pathlib import Path
from typing import Any

import pytest

from raysearch.config import read_config
from raysearch.methods import get_method
from raysearch.methods.stage import Stage
from raysearch.run import Cell, Run, RunSpec
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run
from raysearch.training.steps import stage_rungs

SMALL = {
    "encoder": "tiny",
    "pairs": ["en-es"],
    "variant": "acs",
    "batch_size": 4,
    "steps": 6,
    "student_steps": 2,
    "distill_steps": 4,
    "selection_from": 0.0,
    "reports": 2,
    "learning_rate": 1e-3,
    "guards": "report",
}


def run(folder: Path, distillation: str) -> Run:
    settings: dict[str, Any] = {**SMALL, "distillation": distillation}
    read_config(get_method("msmo").config_type, settings, where="test")
    spec = RunSpec(
        sweep="s",
        number=0,
        cell=Cell("en-es", 0),
        method="msmo",
        config=settings,
        folder=str(folder / distillation / "leases" / "a"),
    )
    found = execute_run(spec, NullListener(), data_dir="nowhere", stages=str(folder / "stages"))
    assert found is not None and not found.reason
    return found


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Each trained with nothing to take over."""
    return {kind: run(tmp_path_factory.mktemp(kind), kind) for kind in ("none", "single")}


def curve(found: Run) -> list[tuple[int, int, dict[str, float]]]:
    return [(report.rung, report.step, dict(report.metrics)) for report in found.curve]


@pytest.mark.parametrize("order", [("none", "single"), ("single", "none")])
def test_a_teacher_is_the_trial_without_a_student(
    tmp_path: Path, cold: dict[str, Run], order: tuple[str, str]
) -> None:
    """Whichever comes first, the other takes its training over and has the same numbers."""
    first, second = (run(tmp_path, kind) for kind in order)
    assert first.provenance["steps_reused"] == "0"
    assert second.provenance["steps_reused"] == "6"
    for kind, found in zip(order, (first, second), strict=True):
        assert curve(found) == curve(cold[kind])
        assert found.steps == cold[kind].steps


def test_reports_of_a_trial_are_those_of_its_last_stage(cold: dict[str, Run]) -> None:
    assert [report.step for report in cold["none"].curve] == [3, 6]
    # 6 steps of the teacher and 2 of the start of the student come before.
    assert [report.step for report in cold["single"].curve] == [10, 12]


def test_rungs_of_a_selecting_stage_are_spread_over_its_steps() -> None:
    teacher = Stage("teacher", (), 6, reports=False, selects=True)
    alone = Stage("teacher", (), 6)
    last = Stage("distill", (), 4)
    found = stage_rungs([teacher, Stage("start", (), 5, reports=False), last], 2)
    assert found == [{3: 1, 6: 2}, {}, {2: 1, 4: 2}]
    assert found[0] == stage_rungs([alone], 2)[0]
