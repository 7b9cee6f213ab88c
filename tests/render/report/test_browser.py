"""The page as a reader has it: in Chromium, from a file, without a network."""

import base64
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from raysearch.api.report import page_of
from raysearch.run import Cell, RunState

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=window.evil=1><script>window.evil=1</script>"
SECONDS, MEGABYTES = 3.0, 15.0


def wide(chrome: webdriver.Chrome, width: int, theme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"media": "", "features": [{"name": "prefers-color-scheme", "value": theme}]}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def opened(chrome: webdriver.Chrome, page: Path) -> float:
    """Open the page, wait for its last figure, and give the seconds to its load event."""
    chrome.get_log("browser")
    chrome.get_log("performance")
    chrome.get(page.as_uri())
    entry = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    taken = float(chrome.execute_script(f"return {entry}")) / 1000
    end = time.monotonic() + 90
    while chrome.execute_script("return document.documentElement.dataset.ready") != "true":
        assert time.monotonic() < end, "the figures are not drawn"
        time.sleep(0.05)
    return taken


def check_quiet(chrome: webdriver.Chrome) -> None:
    """Every figure is drawn, nothing was said on the console, nothing was asked of a network."""
    figures = chrome.execute_script("return window.report.figures")
    drawn = chrome.execute_script("return [...window.report.drawn]")
    assert sorted(drawn) == sorted(figures)
    assert chrome.execute_script("return window.report.errors") == []
    marks = "return document.querySelectorAll('#' + arguments[0] + ' .main-svg').length"
    assert all(chrome.execute_script(marks, name) for name in figures)
    assert "WebGL is not supported" not in chrome.page_source.partition("<script")[0]
    assert [e for e in chrome.get_log("browser") if e["level"] != "INFO"] == []
    messages = [json.loads(entry["message"])["message"] for entry in chrome.get_log("performance")]
    asked = {
        message["params"]["request"]["url"].partition(":")[0]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    }
    assert asked <= {"file", "data", "blob"}, asked


@pytest.fixture
def pairs_page(make_pairs, make_record, tmp_path) -> Path:
    """A joint sweep over two pairs, and a sweep whose every text is an attack."""
    trials = [trial for trial in make_pairs("joint") if trial.cell.task in ("en-es", "en-nl")]
    evil = []
    for trial in trials[:30]:
        fields = {"sweep": EVIL, "cell": Cell(EVIL, trial.cell.seed), "reason": EVIL}
        fields |= {"provenance": {"host": EVIL}}
        fields |= {"config": {**trial.config, "schedule": EVIL + str(trial.number % 3)}}
        evil.append(dataclasses.replace(trial, **fields))
    trials[0] = dataclasses.replace(trials[0], seconds=3700.0)  # 1h01m sorts behind 30s
    joint = make_record(trials, card={"cells": 6})
    path: Path = tmp_path / "report.html"
    path.write_text(page_of([joint, make_record(evil)]), encoding="utf-8")
    return path


def test_on_a_dark_phone_every_figure_is_drawn_and_nothing_runs_or_sticks_out(
    browser: webdriver.Chrome, pairs_page: Path
) -> None:
    wide(browser, 390, "dark")
    opened(browser, pairs_page)
    check_quiet(browser)
    assert browser.execute_script("return window.evil") is None
    assert EVIL in browser.find_element(By.TAG_NAME, "main").text
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert ground(browser) < 60


def test_on_a_desk_the_controls_work_and_paper_is_light(
    browser: webdriver.Chrome, pairs_page: Path
) -> None:
    wide(browser, 1280)
    opened(browser, pairs_page)
    assert ground(browser) > 200
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    assert len(base64.b64decode(shot["data"])) > 10_000, "a blank page"
    browser.set_script_timeout(300)  # of drawing without a GPU, on a busy machine
    captions = browser.execute_async_script(EVERY_VIEW)
    assert len(captions) > 30 and all(caption.strip() for caption in captions)
    browser.find_element(By.ID, "theme").click()
    until(browser, "return document.querySelector('.plot').dataset.drawn.split(':')[0]", "dark")
    assert ground(browser) < 60
    sort_and_filter(browser)
    check_quiet(browser)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    ink = "return getComputedStyle(document.querySelector('.caption')).color"
    assert ground(browser) == 255 and browser.execute_script(ink) == "rgb(0, 0, 0)"
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF") and len(pdf) > 100_000


EVERY_VIEW = """
const done = arguments[0];
(async () => {
  const captions = [];
  for (const select of document.querySelectorAll('.head select')) {
    const name = select.id.replace(/-view$/, '');
    for (let index = select.options.length - 1; index >= 0; index--) {
      select.selectedIndex = index;
      select.dispatchEvent(new Event('change'));
      while (document.getElementById(name).dataset.drawn !== 'light:' + index)
        await new Promise(resume => setTimeout(resume, 5));
      captions.push(document.getElementById(name + '-caption').textContent);
    }
  }
  done(captions);
})();
"""
"""Chooses every view of every figure, waits until it is drawn, and gives the captions."""


def ground(chrome: webdriver.Chrome) -> int:
    """How much red the page's background has."""
    colour = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    return int(colour.split("(")[1].split(",")[0])


def until(chrome: webdriver.Chrome, script: str, wanted: str) -> None:
    end = time.monotonic() + 20
    while (found := chrome.execute_script(script)) != wanted:
        assert time.monotonic() < end, (script, found)
        time.sleep(0.02)


def sort_and_filter(chrome: webdriver.Chrome) -> None:
    """The table of trials: by a head, down and up, and by what is typed."""
    field = chrome.find_element(By.CSS_SELECTOR, "input[data-filter]")
    table = chrome.find_element(By.ID, field.get_attribute("data-filter"))
    head = table.find_elements(By.CSS_SELECTOR, "th button")[1]
    script = "return [...arguments[0].tBodies[0].rows].map(row => +row.cells[1].textContent)"
    for turn in (1, -1):
        chrome.execute_script("arguments[0].click()", head)
        numbers = chrome.execute_script(script, table)
        assert numbers == sorted(numbers, reverse=turn < 0) and len(numbers) > 5
    times = table.find_elements(By.CSS_SELECTOR, "th button")[7]
    chrome.execute_script("arguments[0].click()", times)
    script = "return [...arguments[0].tBodies[0].rows].map(row => row.cells[7].textContent)"
    shown_times = chrome.execute_script(script, table)
    assert shown_times[0].endswith("s") and "h" in shown_times[-1], shown_times
    field.send_keys("pruned")
    shown = "return [...arguments[0].tBodies[0].rows].filter(row => !row.hidden).length"
    assert 0 < chrome.execute_script(shown, table) < len(numbers)


def test_ten_thousand_trials_open_at_once(
    browser: webdriver.Chrome, make_trial: Callable, make_record: Callable, tmp_path: Path
) -> None:
    path = tmp_path / "large.html"
    path.write_text(page_of([large_record(make_trial, make_record)]), encoding="utf-8")
    assert path.stat().st_size / 1e6 < MEGABYTES
    wide(browser, 1280)
    taken = [opened(browser, path)]
    while min(taken) >= SECONDS and len(taken) < 4:  # other processes share the machine
        taken.append(opened(browser, path))
    assert min(taken) < SECONDS, taken
    check_quiet(browser)


def large_record(make_trial: Callable, make_record: Callable):
    """10,000 trials, a third stopped early: twenty of them made, and their rows repeated."""
    states = [RunState.PRUNED if n % 3 == 1 else RunState.COMPLETE for n in range(20)]
    trials = [
        make_trial(n, metrics={"dev/f1": 0.5}, config={"kind": "ab"[n % 2]}, state=states[n])
        for n in range(20)
    ]
    record = make_record(trials)
    random = np.random.default_rng(0)
    table, curves = grown(record.table, random, 20), grown(record.curves, random, 60)
    return dataclasses.replace(record, table=table, curves=curves)


def grown(table: pa.Table, random: np.random.Generator, rows: int) -> pa.Table:
    """500 times the rows, with trial numbers, scores and settings of their own."""
    assert table.num_rows == rows
    large = pa.concat_tables([table] * 500)
    number = np.repeat(np.arange(500), rows) * 20 + np.tile(table.column("trial").to_numpy(), 500)
    changes = {"trial": pa.array(number)}
    for name in table.column_names:
        if name in ("config/learning_rate", "config/top_k", "config/temperature", "metric/dev/f1"):
            changes[name] = pa.array(random.random(len(number)))
    for name, column in changes.items():
        large = large.set_column(large.column_names.index(name), name, column)
    return large
