"""`compare` and the tables of `export` as a user types them, on boards that were written here."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from raysearch.cli import main
from raysearch.config import flatten
from raysearch.leaderboard import Store
from raysearch.methods.carl.config import CarlConfig
from raysearch.run import Cell, Run, RunState

CONFIG = dict(flatten(CarlConfig()))
CARD = {
    "metric": "dev/va_pearson",
    "direction": "maximize",
    "cells": 5,
    "study": {"space": {"sampler": "random", "search": {}}},
    "tasks": ["sample"],
}


def sweep(name: str, scores: list[float], seeds: int = 5, tests: bool = False) -> str:
    """A finished sweep; seed s adds what is not the same for all configurations."""
    folder = Path("results") / name
    store, readings = Store(folder), Store(folder / "test")
    for number, score in enumerate(scores):
        for seed in range(seeds):
            value = score + 0.01 * ((seed * (number + 2)) % 5)
            trial = Run(
                sweep=name,
                number=number,
                cell=Cell("sample", seed),
                method="carl",
                state=RunState.COMPLETE,
                config={**CONFIG, "top_k": 0.1 + 0.1 * number},
                metrics={"dev/va_pearson": value, "dev/va_mae": 1 - value},
                seconds=4.0,
                finished="2026-01-02T03:04:05+00:00",
                provenance={"data_digest": "d", "encoder_digest": "e", "encoder": "tiny"},
            )
            store.append(trial)
            if tests:
                readings.append(replace(trial, metrics={"test/va_pearson": value / 2}))
    (folder / "sweep.json").write_text(json.dumps({**CARD, "cells": seeds}))
    return str(folder)


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return sweep("one", [0.3, 0.6, 0.5], tests=True), sweep("two", [0.3, 0.2, 0.4, 0.1], tests=True)


def test_two_sweeps(boards: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *boards]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "A  results/one:best, trial 1, 5 cells with package:minilm" in out
    assert "A is better: A − B = +0.2000 in dev/va_pearson" in out
    assert "test/va_pearson, higher is better" in out
    assert "expected best of n configurations" in out
    assert "not overtuned" in out
    assert "A's expected best is ahead at every budget shown, up to 2 configurations" in out


def test_json_holds_every_figure(
    boards: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *boards, "--format", "json", "--level", "0.9"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["a"] == {
        "label": "results/one:best",
        "trials": [1],
        "cells": 5,
        "encoders": ["package:minilm"],
        "selected_among": 3,
    }
    dev, test = found["metrics"]
    assert dev["difference"]["mean"] == pytest.approx(0.2)
    assert dev["difference"]["level"] == 0.9
    assert dev["difference"]["low"] < 0.2 < dev["difference"]["high"]
    assert dev["tasks"][0]["a_over_b"]["epsilon_min"] == 0
    assert test["metric"] == "test/va_pearson"
    assert found["expected_best"]["b"][0]["points"][0]["n"] == 1
    tuned = found["overtuning"][0]
    assert (tuned["default"], tuned["chosen"], tuned["incumbents"]) == (0, 1, [0, 1])
    assert tuned["gains"]["test_gain"] == pytest.approx(0.15)
    assert tuned["gains"]["relative"] == 0 and "not overtuned" in tuned["conclusion"]


def test_latex_has_no_bare_sign(
    boards: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *boards, "--format", "latex"]) == 0
    lines = capsys.readouterr().out.splitlines()
    code = [line for line in lines if not line.startswith("%")]
    assert any(line.startswith(r"dev/va\_pearson, all & 5") for line in code)
    assert all("_" not in line.replace(r"\_", "") for line in code)
    assert code.count(r"\end{tabular}") == sum(r"\begin{tabular}" in line for line in code) == 3


def test_numbers_default_and_a_metric_of_ones_own(
    boards: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    first = boards[0]
    assert main(["compare", f"{first}:1", f"{first}:default", "--metric", "dev/va_mae:min"]) == 0
    out = capsys.readouterr().out
    assert "dev/va_mae, lower is better" in out and "A is better" in out
    assert "expected best" not in out  # neither is what a sweep selected
    assert "Settings that differ: top_k." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results/one", "results/none"], "`results/none` must be of a sweep's folder"),
        (["results/one:9", "results/two"], "must be a complete trial of results/one"),
        ([f"results/one:{'9' * 5000}", "results/two"], "must be a complete trial of results/one"),
        (["results/one", "results/two", "--metric", "dev/f1"], "known: dev/va_mae, dev/va_pearson"),
        (["results/one", "results/two", "--level", "2"], "`--level` must be from 0.5"),
        (["results/one", "results/two", "--task", "nowhere"], "`--task` must be one of"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], said: str, boards: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_test_data_that_were_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    one = sweep("one", [0.3, 0.6])
    assert main(["compare", one, f"{one}:0", "--metric", "test/va_pearson"]) == 2
    assert "evaluate results/one --trial 1 reads them" in capsys.readouterr().err
    assert main(["compare", one, f"{one}:0"]) == 0
    assert "evaluate results/one --trial 0 --trial 1" in " ".join(
        capsys.readouterr().out.split()
    ).replace("- ", "")


def test_a_trained_baseline_takes_the_goal_of_the_sweep(
    boards: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    trained = Path(boards[1])
    (trained / "sweep.json").unlink()
    for order in (boards, boards[::-1]):
        assert main(["compare", order[0], f"{order[1]}:0"]) == 0
        assert "dev/va_pearson, higher is better" in capsys.readouterr().out
    # Without any sweep the goal is the method's own.
    assert main(["compare", str(trained), str(trained)]) == 0
    out = capsys.readouterr().out
    assert "dev/va_pearson, higher is better" in out
    assert "On sample A and B are the same trial." in out


def test_the_board_for_a_paper(boards: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", boards[0], "--as", "latex"]) == 0
    out = capsys.readouterr().out
    assert "rank & trial & dev/va\\_pearson & top\\_k \\\\" in out
    assert "1 & 1 & 0.6200 $\\pm$ 0.0158 & 0.2 \\\\" in out
    assert main(["export", boards[0], "--as", "markdown", "--top", "1"]) == 0
    out = capsys.readouterr().out
    assert "| 1 | 1 | 0.6200 ± 0.0158 | 0.2 |" in out and "| 2 |" not in out
    assert "3 of 3 configurations complete; on sample" in out
    assert main(["export", boards[0], "dir", "--as", "latex"]) == 2
    assert "`DIR` must be left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "words", "said"),
    [
        ("latex", ["--task", "foo"], "`--task` must be left out with --as latex"),
        ("markdown", ["--seed", "1"], "`--seed` must be left out with --as markdown"),
        ("latex", ["--data-dir", "x"], "`--data-dir` must be left out with --as latex"),
        ("model", ["--top", "3"], "`--top` must be left out with --as model"),
        ("config", ["--top", "3"], "`--top` must be left out with --as config"),
    ],
)
def test_options_that_a_form_does_not_read_are_refused(
    form: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "results/carl", "--as", form, *words]) == 2
    assert said in capsys.readouterr().err


def test_settings_as_yaml_fit_into_a_search_space(
    boards: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", f"{boards[0]}:best", "--as", "config"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert (found["method"], found["task"], found["seed"]) == ("carl", "sample", 0)
    assert found["setting"].pop("top_k") == pytest.approx(0.2)
    space = {
        "method": "carl",
        "objective": {"metric": "dev/va_pearson", "direction": "maximize"},
        "budget": {"trials": 2},
        "setting": found["setting"],
        "search": {"top_k": [0.1, 0.2]},
    }
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    assert main(["check", str(tmp_path / "space.yaml")]) == 0


def test_the_default_of_a_joint_sweep_is_trial_0_or_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trial 0 was stopped on its first pair; the first row of the other pair is trial 1's."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results/pairs"))
    for number, task in [(0, "en-es"), (1, "en-es"), (1, "en-nl"), (2, "en-es"), (2, "en-nl")]:
        store.append(
            Run(
                sweep="pairs",
                number=number,
                cell=Cell(task, 0),
                method="carl",
                state=RunState.PRUNED if number == 0 else RunState.COMPLETE,
                config=CONFIG,
                metrics={"dev/va_pearson": 0.1 * number},
            )
        )
    card = {**CARD, "cells": 2, "tasks": ["en-es", "en-nl"]}
    Path("results/pairs/sweep.json").write_text(json.dumps(card))
    assert main(["compare", "results/pairs", "results/pairs:default"]) == 2
    assert "`results/pairs:default` must be complete" in capsys.readouterr().err


def test_by_the_worst_pair_a_better_worst_pair_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Trial 1 is best by its worst pair, 0.4 against 0.3, though 0.05 behind by the mean."""
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results/pairs"))
    for number, scores in enumerate([{"en-es": 0.6, "en-nl": 0.3}, {"en-es": 0.4, "en-nl": 0.4}]):
        for (task, score), seed in itertools.product(scores.items(), range(4)):
            store.append(
                Run(
                    sweep="pairs",
                    number=number,
                    cell=Cell(task, seed),
                    method="carl",
                    state=RunState.COMPLETE,
                    config={**CONFIG, "top_k": 0.1 + number},
                    metrics={"dev/va_pearson": score + 0.01 * ((seed * (number + 1)) % 3)},
                )
            )
    card = {**CARD, "cells": 8, "tasks": ["en-es", "en-nl"], "aggregate": "worst"}
    Path("results/pairs/sweep.json").write_text(json.dumps(card))
    words = ["compare", "results/pairs", "results/pairs:default"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "A  results/pairs:best, trial 1" in out and "worst task" in out
    assert "A is better: A − B = +0.1000 in dev/va_pearson on the worst task of each" in out
    assert main([*words, "--format", "json"]) == 0
    [found, *_] = json.loads(capsys.readouterr().out)["metrics"]
    assert found["aggregate"] == "worst" and found["a"] > found["b"]
    assert found["difference"]["mean"] == pytest.approx(found["a"] - found["b"])
