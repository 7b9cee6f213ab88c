import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from selenium import webdriver

from raysearch.leaderboard import SweepCard
from raysearch.leaderboard.schema import (
    CURVE_COLUMNS,
    conform,
    curve_rows,
    empty_table,
    trial_rows,
    unify,
)
from raysearch.methods import notes_of
from raysearch.render.report import SweepRecord
from raysearch.run import MetricGoal, Report, Run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def as_table(tables: list[pa.Table]) -> pa.Table:
    schema = unify([table.schema for table in tables])
    return pa.concat_tables([conform(table, schema) for table in tables])


@pytest.fixture
def make_record() -> Callable[..., SweepRecord]:
    """What is read of a sweep with these trials; a trial without a curve gets one of three."""

    def curve(trial: Run, metric: str) -> tuple[Report, ...]:
        score = trial.metrics.get(metric)
        if trial.curve or score is None:
            return trial.curve
        metrics = [{metric: score * part, "train/loss": 1 - part} for part in (0.5, 0.8, 1.0)]
        return tuple(
            Report(rung=rung, step=10 * rung, seconds=float(rung), metrics=values)
            for rung, values in enumerate(metrics, 1)
        )

    def build(trials: list[Run], metric: str = "dev/f1", **changes: Any) -> SweepRecord:
        card = {"tasks": tuple(dict.fromkeys(trial.cell.task for trial in trials))}
        card |= changes.pop("card", {})
        rows = []
        for index, trial in enumerate(trials):
            end = (BEGIN + timedelta(seconds=31 * index)).isoformat()
            rows.append(replace(trial, curve=curve(trial, metric), finished=end))
        curves = [curve_rows(trial) for trial in rows if trial.curve]
        fields = {
            "folder": "results/msmo",
            "card": SweepCard(goal=MetricGoal(metric), **card),
            "table": as_table([trial_rows(trial) for trial in rows]),
            "curves": as_table(curves) if curves else empty_table(CURVE_COLUMNS),
            "papers": {},
            "test": empty_table(CURVE_COLUMNS),
            "notes": notes_of(trials[0].method),
        }
        return SweepRecord(**{**fields, **changes})

    return build


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Debian's Chromium without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and driver, "the test needs the mark `browser`"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile: Path = tmp_path_factory.mktemp("chromium")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chrome.set_page_load_timeout(120)
    try:
        yield chrome
    finally:
        chrome.quit()
