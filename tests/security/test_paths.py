"""A name from a command line, a space, a row or a data file stays in the folder that it is for."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.api.messages import PROGRESS
from raysearch.cli import main
from raysearch.cli.remote import watch
from raysearch.cli.sweep import JsonView
from raysearch.cluster.remote import jobs
from raysearch.corpora.absa.files import languages
from raysearch.errors import ConfigError
from raysearch.events import Event, EventKind, SweepHeader
from raysearch.leaderboard import Store
from raysearch.objective import Best
from raysearch.render.tensorboard import write_curves
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.search.space.space import IDENTITY, identity_of, load_space
from raysearch.storage.whole import new_folder
from raysearch.summary import Ending, SweepSummary

ROOT = Path(__file__).parents[2]
HOSTILE = [
    "..",
    ".",
    "../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    ".hidden",
    "-x",
    "a?b",
    "a%2fb",
    "a#b",
    "a\nb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_sweep_names(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    words = ["sweep", "carl", "--set", "encoder=tiny", "--results", str(results)]
    assert main([*words, f"--name={name}"]) == 2
    assert "`--name` must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_name_that_comes_from_the_space_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "...yaml"  # without its suffix, the folder above
    space.write_text((ROOT / "search_spaces" / "carl.yaml").read_text())
    results = tmp_path / "results"
    assert main(["sweep", "carl", "--space", str(space), "--results", str(results)]) == 2
    assert "`--name` must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [space]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_single_trials(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "a" / "results"
    settings = ["--set", "encoder=tiny", "--results", str(results)]
    assert main(["train", "carl", *settings, f"--name={name}"]) == 2
    assert "`--name` must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*HOSTILE, 7, None])
def test_name_of_a_sweep_in_the_output_of_a_cluster(
    name: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"name": name, "method": "m", "metric": "dev/x", "direction": "maximize", "trials": 1}
    opening = {"card": card, "headline": "h", "root": "/r", "seconds": None}
    line = json.dumps({"news": "sweep", "at": 0.0, **opening})
    monkeypatch.setattr(jobs, "follow", lambda cluster, job, hear: hear(line))
    results = tmp_path / "a" / "results"
    said = "a sweep's name in a job's events must be the name of a|`name` must be a text"
    with pytest.raises(ConfigError, match=said):
        watch("cluster.yaml", "job", results, PROGRESS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("card", [{}, None, [], {"name": "x"}, {"metric": 1, "direction": "x"}])
def test_card_in_the_output_of_a_cluster(
    card: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = {"card": card, "headline": "h", "root": "/r", "seconds": None}
    line = json.dumps({"news": "sweep", "at": 0.0, **opening})
    monkeypatch.setattr(jobs, "follow", lambda cluster, job, hear: hear(line))
    with pytest.raises(ConfigError, match="a job's first event must say what sweep it is"):
        watch("cluster.yaml", "job", tmp_path, PROGRESS)


def test_commands_that_a_watcher_is_told_of_are_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root and tasks come from the cluster; the user copies the commands into a shell."""
    tasks = ["en-es; touch x", "b"]
    card = {"name": "noop", "method": "m", "metric": "dev/x", "direction": "maximize", "trials": 1}
    opening = SweepHeader(
        card={**card, "tasks": tasks, "cells": 2}, headline="h", root="/r; touch x", seconds=None
    )
    lines: list[str] = []
    summary = SweepSummary(ending=Ending.DONE, asked=1, best={"": Best(0, 0.5)})
    with JsonView(lines.append) as view:
        view.event(Event(kind=EventKind.SWEEP, header=opening))
        view.event(Event(kind=EventKind.ENDING, summary=summary))
    monkeypatch.setattr(jobs, "follow", lambda cluster, job, hear: [hear(x) for x in lines])
    watch("cluster.yaml", "job", tmp_path, PROGRESS)
    said = capsys.readouterr().out
    assert "'/r; touch x/leases/'" in said and "--task 'en-es; touch x'" in said
    assert said.count("; touch x") == 2


def test_name_in_the_card_of_a_sweep_to_be_recovered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep").mkdir()
    space = load_space(ROOT / "search_spaces" / "carl.yaml")
    card = {"name": "../../x", IDENTITY: identity_of(space, 0)}
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps(card))
    words = ["recover", str(tmp_path / "sweep"), "--results", str(tmp_path / "a" / "b")]
    assert main(words) == 2
    assert "sweep.json must be the name of a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]


def test_exports_stay_in_their_folder_and_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of a sweep from elsewhere, whose tasks are paths, and two that look alike."""
    settings = ["encoder=tiny", "epochs=0.5", "batch_size=16", "reports=1"]
    words = [part for pair in settings for part in ("--set", pair)]
    assert main(["train", "carl", *words, "--name", "one", "--results", str(tmp_path)]) == 0
    sweep, thesis = tmp_path / "one", tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter").write_text("mine")
    [trial] = Store(sweep).trials()
    tasks = [str(thesis), "../../thesis", "..", "a/b", "a_b"]
    for task in tasks:
        planted = replace(trial, cell=Cell(task, 0))
        Store(sweep).append(planted)
        shutil.copytree(sweep / "leases" / trial.id, sweep / "leases" / planted.id)
    out = tmp_path / "out"
    with new_folder(out) as content:
        assert main(["export", f"{sweep}:0", str(out), "--task", "all"]) == 2
        assert "another makes it now" in capsys.readouterr().err
        content.mkdir()
    out.rmdir()
    assert main(["export", f"{sweep}:0", str(out), "--task", "all"]) == 0
    made = sorted(out.iterdir())
    assert len(made) == 1 + len(tasks) and {"sample", "a_b"} < {path.name for path in made}
    assert all((path / "model.safetensors").is_file() for path in made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "thesis"]
    assert [path.name for path in thesis.iterdir()] == ["chapter"]
    link = tmp_path / "link"
    link.symlink_to(thesis)
    assert main(["export", f"{sweep}:0", str(link), "--task", "sample"]) == 2
    assert "must not exist yet" in capsys.readouterr().err


def test_runs_for_tensorboard_stay_in_their_folder(tmp_path: Path) -> None:
    """A row's sweep and task are whatever its writer put there."""
    report = Report(rung=1, step=1, seconds=0.1, metrics={"dev/x": 0.5})
    outside = tmp_path / "thesis"
    trials = [
        Run(
            sweep=sweep,
            number=0,
            cell=Cell(task, 0),
            method="m",
            state=RunState.COMPLETE,
            config={},
            curve=(report,),
        )
        for sweep, task in [("../thesis", "a"), (str(outside), "a"), ("..", "../../thesis")]
    ]
    assert write_curves(trials, tmp_path / "runs") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert len(list((tmp_path / "runs").rglob("events.*"))) == 3


@given(task=st.text() | st.sampled_from(HOSTILE), number=st.integers(0, 10**9))
def test_folder_of_a_run(task: str, number: int) -> None:
    """The task comes from spaces and, with `evaluate` and `export`, from rows."""
    spec = RunSpec(
        sweep="s", number=number, cell=Cell(task, 0), method="carl", config={}, folder=""
    )
    runs = Path("/results/s/leases")
    assert (runs / spec.id).resolve().parent == runs
    assert not spec.id.startswith((".", "-"))


@pytest.mark.parametrize("pair", ["en-../x", "../en-es", "en-/etc", "en-es/..", "..-..", "en-e\0s"])
def test_language_pairs(pair: str) -> None:
    with pytest.raises(ConfigError, match="two different languages"):
        languages(pair)
