"""`raysearch sweep` over tasks: its arguments, its card, and what it says at its end."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from noop_sweep import noop_plan, noop_space

from raysearch import api
from raysearch.api import sweep_plan
from raysearch.api.options import SweepOptions, absolute_folders
from raysearch.api.sweep import ending_of
from raysearch.api.sweep_plan import write_card
from raysearch.cli import main
from raysearch.cluster.worker import TrainingRunner
from raysearch.errors import ConfigError
from raysearch.events import Event, EventKind
from raysearch.leaderboard.card import parse_card, used_up_text
from raysearch.objective import Best
from raysearch.run import Cell, RunState
from raysearch.search.plan import SweepPlan
from raysearch.storage.uri import absolute
from raysearch.summary import Ending, PaperResult, SweepSummary

PAIRS = ("en-es", "en-fr", "en-nl")


def plan_of(folder: Path, *, seeds: int = 2, mode: str = "per_task", **more: str) -> SweepPlan:
    space = replace(noop_space(trials=5, seeds=seeds), mode=mode, **more)  # type: ignore[arg-type]
    cells = [Cell(task, seed) for seed in range(seeds) for task in PAIRS]
    return noop_plan(folder, space, cells=lambda config: cells)


def test_everything_wrong_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--trials", "0", "--seed", "-1", "--quota", "0", "--name", "a/b", "--time", "x"]
    assert main(["sweep", "carl", *words, "--hang-limit", "x", "--set", "nosuch=1"]) == 2
    lines = capsys.readouterr().err.splitlines()
    starts = [
        *("raysearch: unknown setting `nosuch`", "`--trials` must", "`--time` must"),
        *("`--name` must", "`--quota` must", "`--hang-limit` must", "`seed` must"),
    ]
    assert len(lines) == len(starts)
    assert all(line.startswith(start) for line, start in zip(lines, starts, strict=True))


def test_every_value_that_is_none_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "carl", "--trials", "x", "--seed", "y", "--keep", "some"]) == 2
    said = capsys.readouterr().err
    for option, value in (("trials", "int value: 'x'"), ("seed", "int"), ("keep", "choice")):
        assert f"argument --{option}: invalid {value}" in said
    assert said.count("see `raysearch sweep --help`") == 1
    assert main(["sweep", "--trials", "x"]) == 2
    said = capsys.readouterr().err
    assert "argument --trials: invalid" in said and "required: METHOD" in said


@pytest.mark.parametrize("name", ["nobody/nothing", "./nowhere", "package:nosuch"])
def test_a_misspelt_encoder_is_said_before_ray_starts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(self: object, name: str, **options: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    monkeypatch.setattr(import_module("raysearch.api.sweep"), "run_sweep", pytest.fail)
    words = ["sweep", "carl", "--set", f"encoder={name}", "--results", str(tmp_path)]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert name in said and ("there is no encoder" in said or "packaged encoder" in said)
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_is_searched_is_looked_for_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path("search_spaces/carl.yaml").read_text()
    assert "encoder: " in text
    lines = [line for line in text.splitlines() if not line.strip().startswith("encoder:")]
    at = lines.index("search:")
    lines[at + 1 : at + 1] = ["  encoder: [tiny, ./nowhere]"]
    (tmp_path / "two.yaml").write_text("\n".join(lines))
    words = ["sweep", "carl", "--space", str(tmp_path / "two.yaml"), "--results", str(tmp_path)]
    assert main(words) == 2
    assert "there is no encoder './nowhere'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["carl", "--pairs", "en-es"],
            "`--pairs` must go with a method of language pairs, but carl has none; leave it out",
        ),
        (
            ["msmo", "--pairs", "en-es", "--set", "pairs=en-fr"],
            "`pairs` must be given once, but came by `--pairs` and by `--set`",
        ),
        (
            ["msmo", "--pairs", "en-es,enfr"],
            "`pairs` must be like en-es or en-pt_BR, two languages, but got",
        ),
        (["msmo", "--pairs", ","], "`pairs` must name at least one language pair"),
        (["carl", "--warm-start", "2"], "`warm_start` must be 0 unless `mode` is per_task"),
        (
            ["carl", "--mode", "per_task", "--aggregate", "worst"],
            "`aggregate` must be left out where `mode` is per_task, but got worst",
        ),
        (
            ["carl", "--quota", ".nan"],
            "`--quota` must be a number of GB in (0, 1e+09]",
        ),
        (["carl", "--quota", "0"], "`--quota` must be a number of GB in (0, 1e+09]"),
        (
            ["carl", "--hang-limit", "never"],
            "`--hang-limit` must be like 90s, 30m or 2h, but got 'never'",
        ),
    ],
)
def test_mistakes(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", *arguments, "--results", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_slots_are_as_many_as_the_cores_that_may_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sweep_plan, "usable_cores", lambda: 5)
    options = SweepOptions("carl", results=tmp_path)
    assert sweep_plan.plan_of(options).slots == 5
    assert sweep_plan.plan_of(replace(options, cpus_per_worker=2)).slots == 2


@pytest.mark.parametrize(
    ("mode", "aggregate", "cells"), [("joint", "worst", 6), ("per_task", "mean", 2)]
)
def test_the_card_names_the_tasks(tmp_path: Path, mode: str, aggregate: str, cells: int) -> None:
    plan = plan_of(tmp_path, mode=mode, aggregate=aggregate)
    write_card(plan)
    card = json.loads((tmp_path / "sweep.json").read_text())
    assert (card["mode"], card["aggregate"], card["cells"]) == (mode, aggregate, cells)
    assert card["tasks"] == list(PAIRS) and card["trials"] == 5


def test_the_end_of_a_search_for_each_task(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    summary = SweepSummary(
        ending=Ending.DONE,
        asked=15,
        best={"en-es": Best(12, 0.51234), "en-fr": Best(1, 0.4)},
        papers={
            "en-es": PaperResult(0, 0.5, ""),
            "en-fr": PaperResult(1, 0.4, "stopped early"),
            "en-nl": PaperResult(2, math.nan, "no memory"),
        },
    )
    assert ending_of(plan, summary).splitlines() == [
        "task   best dev/score  trial  the paper's own         trial",
        "en-es  0.5123          12     0.5000                  0",
        "en-fr  0.4000          1      0.4000 (stopped early)  1",
        "en-nl  none                   no memory               2",
        f"  all trials    python -m raysearch leaderboard {tmp_path}",
        f"  test, once    python -m raysearch evaluate {tmp_path} --trial best",
        f"  its encoder   python -m raysearch export {tmp_path}:12 DIR",
        f"  its encoder   python -m raysearch export {tmp_path}:1 DIR",
        "  more trials   the same command with --trials 10",
    ]


def test_the_end_of_a_search_over_all_tasks(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, mode="joint", aggregate="worst")
    summary = SweepSummary(
        ending=Ending.TIME,
        asked=5,
        unfinished=2,
        best={"": Best(3, 0.25)},
        papers={"": PaperResult(0, math.nan, "not finished yet")},
    )
    text = ending_of(plan, summary)
    assert text.startswith(
        "2 configurations are open: run the same command again\n"
        "best: dev/score 0.2500 on the worst task, trial 3\n"
        "  the paper's own setting, trial 0, has not finished yet\n"
    )
    assert f"export {tmp_path}:best DIR" in text and "--trials 10" in text
    freed = ending_of(plan, replace(summary, freed=1_234_000_000)).splitlines()[0]
    assert freed == "freed 1.2 GB: checkpoints, weights and stages that were of no more use"
    told = replace(summary, origins={"drawn": 2, "paper": 1, "modelled": 2}, used_up=("",))
    assert ending_of(plan, told).splitlines()[1:3] == [
        "configurations: 1 paper, 2 drawn, 2 modelled",
        "the search space is used up: no configuration is left that was not tried",
    ]
    assert "more trials" not in ending_of(plan, told)
    nothing = ending_of(plan, replace(summary, best={}))
    assert nothing.endswith("\nno trial has ended yet\n")  # and no board would say why
    counts = {RunState.FAILED: 2, RunState.PRUNED: 1}
    assert ending_of(plan, replace(summary, best={}, trials=counts)).endswith(
        "\nno configuration was completed, but trials ended: 1 pruned, 2 failed; why: "
        f"python -m raysearch leaderboard {tmp_path}\n"
    )


def test_the_card_says_that_a_space_is_used_up(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    write_card(plan, used_up=("en-es", "en-nl"))
    card = parse_card(json.loads((tmp_path / "sweep.json").read_text()))
    assert card.used_up == ("en-es", "en-nl")
    assert used_up_text(card.used_up) == (
        "the search space of en-es, en-nl is used up: no configuration is left that was not tried"
    )


def test_folders_of_this_machine_reach_workers_by_their_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my" / "reviews").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    given = {"corpus": "my/reviews", "encoder": "org/model", "steps": 3, "pairs": ("en-xx",)}
    found = absolute_folders(given)
    assert found == {**given, "corpus": str(tmp_path / "my" / "reviews")}


@pytest.mark.parametrize(
    "option, root",
    [("", ""), ("cache", "{here}/cache"), ("/x/cache", "/x/cache"), ("s3://b/p", "s3://b/p")],
)
def test_where_stages_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute(option) == root.format(here=tmp_path)


def test_workers_are_told_where_stages_lie(tmp_path: Path) -> None:
    plan = replace(plan_of(tmp_path), runner=None, stages="s3://b/p", stages_limit=10**9)
    runner = plan.shape.runner
    assert isinstance(runner, TrainingRunner)
    assert (runner.stages, runner.limit) == ("s3://b/p", 10**9)


def test_quiet_hides_no_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def search(options: Any, view: Any, messages: Any) -> Any:
        view.event(Event(kind=EventKind.MESSAGE, text="starting"))
        view.event(Event(kind=EventKind.WARNING, text="`--quota` is full"))
        raise ConfigError("ended")

    monkeypatch.setattr(api, "search", search)
    assert main(["sweep", "carl", "-q"]) == 2
    assert capsys.readouterr().err == "raysearch: `--quota` is full\nraysearch: ended\n"
