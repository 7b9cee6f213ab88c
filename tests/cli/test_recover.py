"""`raysearch recover`: from rows and card on disk to a study that the same sweep goes on with."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.api.sweep_plan import write_card
from raysearch.cli import main
from raysearch.config import as_scalar
from raysearch.leaderboard import Store
from raysearch.run import Run, RunSpec, RunState
from raysearch.seal import seal
from raysearch.search.plan import SweepPlan, method_cells
from raysearch.search.space.space import load_space
from raysearch.search.study.journal import RunJournal
from raysearch.search.study.ledger import StudyLedger

SPACE = """\
method: carl
objective: {metric: dev/va_pearson}
budget: {trials: 3}
search:
  sigma: {low: 0.01, high: 1, log: true}
  token_choice: [salient, half_random]
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPlan:
    """A sweep of two finished trials and one begun, whose study is lost."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(SPACE)
    space = load_space(tmp_path / "space.yaml").with_overrides({"layers": "2"})
    plan = SweepPlan(
        name="demo",
        folder=Path("results/demo"),
        space=space,
        cells=method_cells(space),
        seed=4,
    )
    plan.folder.mkdir(parents=True)
    write_card(plan)
    with open_study(plan) as ledger:
        for _ in range(3):
            item = ledger.ask()
            assert item is not None
            about: dict[str, Any] = {"number": item.number, "cell": item.cells[0]}
            about |= {"sweep": "demo", "method": "carl"}
            if item.number == 2:
                RunJournal(plan.root).write(RunSpec(**about, config=item.config, folder="x"))
                continue
            config = {name: as_scalar(value) for name, value in item.config.items()}
            row = Run(
                **about,
                config=config,
                state=RunState.COMPLETE,
                metrics={"dev/va_pearson": 0.5},
                finished="2026-01-01T00:00:00+00:00",
            )
            Store(plan.root).append(ledger.finish_cell(item.number, row))
    (plan.folder / "study.db").unlink()
    return plan


def open_study(plan: SweepPlan) -> StudyLedger:
    return StudyLedger.open(plan.url, plan.name, plan.space, cells=plan.cells, seed=plan.seed)


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    assert main(["recover", *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def test_the_sweep_goes_on(plan: SweepPlan, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "results/demo/", code=0)
    assert text.startswith(
        "recovered: demo with 3 configurations (2 complete, 0 pruned, 0 failed, 1 to continue) in "
        "sqlite:///"
    )
    with open_study(plan) as ledger:
        assert ledger.asked == 3 and ledger.ask() is None
        assert [item.number for item in ledger.open_configurations()] == [2]
        assert len(list(ledger.finished_trials())) == 2
    again = said(capsys, "results/demo")
    assert "has one of the name `demo` with 3 trials; run the sweep again" in again


def test_a_root_apart_from_the_drivers_folder(
    plan: SweepPlan, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    uri = f"file://{tmp_path}/results/demo"
    assert "recovered: demo" in said(capsys, uri, "--results", "elsewhere", code=0)
    assert (tmp_path / "elsewhere" / "demo" / "study.db").exists()
    assert not (plan.folder / "study.db").exists()


def test_what_is_no_sweep_is_one_sentence(
    plan: SweepPlan, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no sweep.json" in said(capsys, "empty")
    assert "has no sweep.json" in said(capsys, "nowhere")
    assert not (tmp_path / "nowhere").exists()
    card = plan.folder / "sweep.json"
    text = card.read_text()
    card.write_text("{")
    assert "must be what a sweep writes" in said(capsys, "results/demo")
    card.write_text(json.dumps(seal({**json.loads(text), "name": "../other"})))
    assert "must be the name of a folder" in said(capsys, "results/demo")
    older = {name: value for name, value in json.loads(text).items() if name != "study"}
    card.write_text(json.dumps(seal(older)))
    assert "a raysearch wrote it that did not say so yet" in said(capsys, "results/demo")
    card.write_text(text)
    for part in (plan.folder / "trials").glob("part-*"):
        part.write_bytes(b"damaged" * 20)
    text = said(capsys, "results/demo")
    assert "must be a Parquet file of rows as raysearch writes them, but" in text
    assert ".;" not in text  # the reason is Arrow's sentence
    assert not (plan.folder / "study.db").exists()


def test_verify_compares_the_rows_with_the_study(
    plan: SweepPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "results/demo", code=0)

    def verify(code: int) -> dict[str, Any]:
        assert main(["verify", "results/demo", "--sample", "0%", "--format", "json"]) == code
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    found = verify(1)  # these rows have no curve; every other fault is of the comparison
    assert found["rows"] == 2 and found["studies"] == {"results/demo": 2}
    assert not any("study" in item["what"] for item in found["findings"])
    gone = next((plan.folder / "trials").glob("part-00001*"))
    whole = gone.read_bytes()
    gone.unlink()
    [what] = [i for i in verify(1)["findings"] if "study" in i["what"]]
    assert what["where"].startswith("trial 1, ") and "not in the rows" in what["what"]
    gone.write_bytes(whole)
    [row] = [trial for trial in Store(plan.root).trials() if trial.number == 1]
    later = {"metrics": {"dev/va_pearson": 0.75}, "finished": "2026-01-02T00:00:00+00:00"}
    Store(plan.root).append(replace(row, **later))
    [what] = [i for i in verify(1)["findings"] if "study" in i["what"]]
    assert "metric/dev/va_pearson: 0.75 in the row, 0.5 in the study" in what["what"]
    study = plan.folder / "study.db"
    study.write_bytes(study.read_bytes().replace(b'"steps', b'"stepz'))
    [what] = [i for i in verify(1)["findings"] if i["where"] == "study"]
    assert "is damaged: the seal of trial" in what["what"]
    study.unlink()
    assert verify(1)["studies"] == {"results/demo": None}
    assert not study.exists()


CARDS: dict[str, Any] = {
    "metric": "train/loss",
    "direction": "minimize",
    "mode": "per_task",
    "aggregate": "worst",
    "cells": 5,
    "tasks": ["emobank"],
    "method": "msmo",
    "study": {"seed": 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CARDS)
@pytest.mark.parametrize("sealed", [True, False])
def test_verify_compares_the_card_with_the_study(
    plan: SweepPlan, capsys: pytest.CaptureFixture[str], name: str, sealed: bool
) -> None:
    said(capsys, "results/demo", code=0)

    def faults() -> list[str]:
        assert main(["verify", "results/demo", "--sample", "0%", "--format", "json"]) == 1
        found = json.loads(capsys.readouterr().out)["findings"]
        return [item["what"] for item in found if item["where"] == "sweep.json"]

    assert faults() == []
    path = plan.folder / "sweep.json"
    card = {key: value for key, value in json.loads(path.read_text()).items() if key != "seal"}
    planted = {**card, name: {**card[name], **CARDS[name]} if name == "study" else CARDS[name]}
    path.write_text(json.dumps(seal(planted) if sealed else planted))
    what = faults()
    assert ("has no seal" in what[0]) is not sealed
    assert f"`{name}" in what[-1] and "in the study" in what[-1]
    assert all("the same `raysearch sweep` command writes it anew" in text for text in what)
    path.write_text(json.dumps(card))
    assert len(faults()) == 1


def test_the_card_of_an_older_study_needs_no_seal(
    plan: SweepPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "results/demo", code=0)
    path = plan.folder / "sweep.json"
    card = json.loads(path.read_text())
    older = {name: card[name] for name in ("name", "method", "metric", "direction", "cells")}
    path.write_text(json.dumps(older))
    with sqlite3.connect(plan.folder / "study.db") as connection:
        connection.execute("DELETE FROM trial_user_attributes WHERE key = 'seal'")
        connection.execute(
            "UPDATE study_user_attributes SET value_json = json_set(json_remove(value_json, "
            "'$.seal', '$.attribute'), '$.version', 1) WHERE key = 'raysearch'"
        )
    connection.close()
    for direction, count in (("maximize", 0), ("minimize", 1)):
        path.write_text(json.dumps({**older, "direction": direction}))
        assert main(["verify", "results/demo", "--sample", "0%", "--format", "json"]) == 1
        found = json.loads(capsys.readouterr().out)["findings"]
        assert len([item for item in found if item["where"] in ("sweep.json", "study")]) == count
