"""Readings of test and of the oracle: what is read, once, by which rule, and what is recorded."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from raysearch.cli import main
from raysearch.config import flatten
from raysearch.leaderboard import Store
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.run import Cell, Run, RunState
from raysearch.training import checkpoint

CONFIG = dict(flatten(MsmoConfig(pairs=("en-es", "en-fr"))))
SCORES = {  # trial, pair, source dev, target dev
    "per_task": [(0, "en-es", 0.6, 0.3), (1, "en-es", 0.5, 0.4), (2, "en-fr", 0.4, 0.2)],
    "joint": [
        (0, "en-es", 0.6, 0.3),
        (0, "en-fr", 0.6, 0.3),
        (1, "en-es", 0.5, 0.4),
        (1, "en-fr", 0.4, 0.2),
    ],
}


class Weights:
    """Stands for the trained weights: what was asked of which trial, and the oracle's answer."""

    def __init__(self, mode: str) -> None:
        self.target = {(number, pair): value for number, pair, _, value in SCORES[mode]}
        self.read: list[tuple[int, str, int, str]] = []
        self.trained: list[str] = []

    def load(self, spec, *, key, digest):
        kept = (Path(spec.folder) / "final.safetensors").exists()
        return checkpoint.Weights({}, "0" * 64) if kept else None

    def restore(self, spec, kept, *, roles, data_dir):
        assert kept == {}
        weights, cell = self, spec.cell

        class Restored:
            def evaluate(self, role):
                assert roles == ("train", "dev", role)
                weights.read.append((spec.number, cell.task, cell.seed, role))
                value = weights.target[spec.number, cell.task] + 0.01 * cell.seed
                return {f"{role}/f1": value, f"{role}/recall": 0.5}

        return Restored()

    def train(self, row, spec, listener, *, data_dir):
        self.trained.append(spec.id)
        path = Path(spec.folder) / "final.safetensors"
        path.parent.mkdir(parents=True)
        path.touch()
        again = next(t for t in Store(path.parents[2]).trials() if t.id == spec.id)
        return replace(again, metrics=again.metrics)


@pytest.fixture(params=["per_task"])
def mode(request):
    return request.param


@pytest.fixture
def weights(tmp_path, monkeypatch, mode):
    """A sweep of two pairs and two seeds; trial 0 has kept its weights, the others have not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    store = Store("results/msmo")
    for number, pair, score, _ in SCORES[mode]:
        for seed in range(2):
            trial = _trial(number, pair, seed, {"dev/f1": score + 0.01 * seed})
            store.append(trial)
            if number == 0:
                folder = Path("results/msmo/leases", trial.id)
                folder.mkdir(parents=True)
                (folder / "final.safetensors").touch()
    store.append(_trial(9, "en-es", 0, {"dev/f1": 0.9}, state=RunState.PRUNED))
    card = {
        "metric": "dev/f1",
        "direction": "maximize",
        "cells": 2 if mode == "per_task" else 4,
        "mode": mode,
        "aggregate": "mean",
        "tasks": ["en-es", "en-fr"],
    }
    Path("results/msmo/sweep.json").write_text(json.dumps(card))
    found = Weights(mode)
    monkeypatch.setattr(import_module("raysearch.api.train"), "load_weights", found.load)
    monkeypatch.setattr(import_module("raysearch.api.train"), "restore_method", found.restore)
    monkeypatch.setattr(import_module("raysearch.api.train"), "train_again", found.train)
    return found


def _trial(number, pair, seed, metrics, state=RunState.COMPLETE, method="msmo", config=CONFIG):
    return Run(
        sweep="msmo",
        number=number,
        cell=Cell(pair, seed),
        method=method,
        state=state,
        config={**config, **({"critic_clip": 0.01 * (number + 1)} if method == "msmo" else {})},
        metrics=metrics,
        finished="2026-01-02T03:04:05+00:00",
        provenance={"commit": "trained"},
    )


def test_best_is_the_best_of_each_pair_and_is_read_once(weights, capsys):
    assert main(["evaluate", "results/msmo"]) == 0
    cells = [(0, "en-es", seed, "test") for seed in range(2)]
    cells += [(2, "en-fr", seed, "test") for seed in range(2)]
    assert weights.read == cells
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert ["pair", "trial", "cells", "f1", "recall"] in lines
    assert ["en-es", "0", "2", "0.305", "±", "0.007", "0.500", "±", "0.000"] in lines
    assert "was read" not in said.err

    assert main(["evaluate", "results/msmo"]) == 0
    assert weights.read == cells
    again = capsys.readouterr()
    assert again.err.count("test was read at") == 4 and "showing the record" in again.err
    assert again.out == said.out


def test_a_reading_says_when_and_by_which_commit(weights):
    assert main(["evaluate", "results/msmo", "--task", "en-es"]) == 0
    readings = Store("results/msmo/test").trials()
    assert [(t.number, t.cell.task, t.cell.seed) for t in readings] == [
        (0, "en-es", 0),
        (0, "en-es", 1),
    ]
    for reading in readings:
        assert reading.finished > "2026-01-02T03:04:05+00:00"
        assert reading.provenance["commit"] == "trained"
        assert {"read_commit", "read_dirty", "read_code"} <= set(reading.provenance)
        assert set(reading.metrics) == {"test/f1", "test/recall"}


def test_another_trial_of_a_pair_whose_test_was_read_is_told_of_it(weights, capsys):
    assert main(["evaluate", "results/msmo", "--trial", "0"]) == 0
    assert main(["evaluate", "results/msmo", "--trial", "1"]) == 0
    assert "en-es: test was read before, of trial 0; say so" in capsys.readouterr().err


def test_the_oracle_reads_all_complete_trials_and_shows_the_regret(weights, capsys):
    """en-es: 0 is chosen (0.305 over its seeds), the oracle takes 1 (0.405): regret 0.1."""
    assert main(["evaluate", "results/msmo", "--oracle"]) == 0
    assert {(number, role) for number, _, _, role in weights.read} == {
        (number, "target_dev") for number in range(3)
    }
    said = capsys.readouterr()
    assert "6 cells to be read: 2 have their weights, 4 are trained again first" in said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert ["en-es", "0", "0.3050", "1", "0.4050", "+0.1000", "-1.00", "2", "0"] in lines
    assert ["en-fr", "2", "0.2050", "2", "0.2050", "0.0000", "–", "1", "0"] in lines
    assert not Path("results/msmo/test").exists()
    kept = sorted(
        path.parent.name for path in Path("results/msmo/leases").rglob("final.safetensors")
    )
    assert kept == ["00000-en-es-s0", "00000-en-es-s1"]

    read = list(weights.read)
    assert main(["evaluate", "results/msmo", "--oracle"]) == 0
    assert weights.read == read and len(weights.trained) == 4
    assert main(["leaderboard", "results/msmo", "--regret"]) == 0
    assert "+0.1000" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["joint"], indirect=True)
def test_jointly_one_configuration_is_read_on_all_pairs(weights, capsys):
    assert main(["evaluate", "results/msmo"]) == 0
    assert {(number, task) for number, task, _, _ in weights.read} == {(0, "en-es"), (0, "en-fr")}
    out = capsys.readouterr().out
    assert any(line.split()[:4] == ["all", "pairs", "0", "4"] for line in out.splitlines())
    assert main(["evaluate", "results/msmo", "--oracle", "--trial", "0"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["all", "pairs", "0", "0.3050", "0", "0.3050", "0.0000", "–", "1", "1"] in lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "results/carl", "--oracle"], "but carl has none beside test"),
        (["leaderboard", "results/carl", "--regret"], "but carl has none beside test"),
        (["leaderboard", "results/msmo", "--regret"], "`--regret` must have evaluations"),
        (["leaderboard", "results/msmo", "--regret", "--format", "csv"], "`--format` must be"),
        (["leaderboard", "results/msmo", "--by", "parameter", "--regret"], "`--by` must be"),
        (["evaluate", "results/msmo", "--task", "en-xx"], "got 'en-xx'; known: en-es, en-fr"),
        (["evaluate", "results/msmo", "--task", "en-fr", "--trial", "0"], "a task of trial 0"),
        (["evaluate", "results/msmo", "--trial", "9"], "must be a complete trial"),
        (["evaluate", "results/msmo", "--trial", "9" * 5000], "…; `raysearch leaderboard"),
        (["export", "results/msmo:best", "new"], "`--task` must name one of en-es, en-fr"),
        (["train", "msmo"], "must name one of en-es, en-fr, en-nl, en-ru"),
        (["train", "msmo", "--task", "en-xx"], "but got 'en-xx'"),
    ],
)
def test_a_mistake_is_a_sentence(weights, capsys, arguments, said):
    carl = _trial(0, "sample", 0, {"dev/va_pearson": 0.5}, method="carl", config={})
    Store("results/carl").append(carl)
    card = {"metric": "dev/va_pearson", "direction": "maximize", "cells": 1}
    Path("results/carl/sweep.json").write_text(json.dumps(card))
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
    assert weights.read == []


def test_where_no_configuration_has_all_its_cells_nothing_is_best(weights, capsys):
    card = json.loads(Path("results/msmo/sweep.json").read_text())
    Path("results/msmo/sweep.json").write_text(json.dumps(card | {"cells": 5}))
    assert main(["evaluate", "results/msmo"]) == 2
    assert "must have a trial with all its cells complete" in capsys.readouterr().err
