"""A metric from the first report to the last, by hand."""

import pytest

from raysearch.analysis.experiment import curve_change
from raysearch.findings.experiment import Arm
from raysearch.run import Cell, Report, Run, RunState


def arm(values: dict[int, tuple[float, ...]]) -> Arm:
    cells = {}
    for seed, curve in values.items():
        reports = tuple(
            Report(rung=n, step=10 * n, seconds=n, metrics={"dev/x": value})
            for n, value in enumerate(curve, 1)
        )
        cells[Cell("a", seed)] = Run(
            sweep="s",
            number=0,
            cell=Cell("a", seed),
            method="carl",
            state=RunState.COMPLETE,
            config={},
            curve=reports,
        )
    return Arm(settings={}, paper=False, literal=False, cells=cells, failed={})


def test_cells_are_paired_and_arms_of_a_cell_count_once() -> None:
    first = arm({0: (0.2, 0.9, 0.4), 1: (0.3, 0.9, 0.5)})
    second = arm({0: (0.4, 0.0, 0.6), 1: (0.5, 0.0, 0.9)})
    found = curve_change([first, second], "dev/x")
    assert found is not None
    assert found.steps == (10, 30)
    assert found.first == pytest.approx(0.35) and found.last == pytest.approx(0.6)
    assert found.change.count == 2
    assert found.change.value == pytest.approx((0.2 + 0.3) / 2)


def test_without_two_reports_there_is_no_course() -> None:
    assert curve_change([arm({0: (0.2,)})], "dev/x") is None
    assert curve_change([arm({0: (0.2, 0.3)})], "dev/y") is None
