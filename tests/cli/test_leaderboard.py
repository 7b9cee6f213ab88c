import argparse
import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysearch.cli import leaderboard, main, terminal_messages
from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store
from raysearch.run import Cell, Run, RunState


def _trial(number, score, seed=0, **changes):
    fields = {
        "sweep": "carl",
        "number": number,
        "cell": Cell("emobank", seed),
        "method": "carl",
        "state": RunState.COMPLETE,
        "config": {"encoder": "tiny", "top_k": 0.1 * number},
        "metrics": {} if score is None else {"dev/va_pearson": score, "kl": 1 - score},
        "seconds": 2.0,
        "finished": "2026-01-02T03:04:05+00:00",
    }
    return Run(**{**fields, **changes})


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    store = Store("results/carl")
    for number in range(4):
        for seed in range(2):
            store.append(_trial(number, 0.1 * number + 0.01 * seed, seed))
    store.append(_trial(4, None, state=RunState.FAILED, reason="loss is NaN"))
    card = {"metric": "dev/va_pearson", "direction": "maximize", "cells": 2}
    (tmp_path / "results/carl/sweep.json").write_text(json.dumps(card))
    return tmp_path / "results"


def _run(*argv):
    parser = argparse.ArgumentParser()
    leaderboard.add_parser(parser.add_subparsers())
    args = parser.parse_args(["leaderboard", *argv])
    args.messages = terminal_messages()
    return args.run(args)


def test_table(results, capsys):
    assert _run() == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "carl  carl on emobank with tiny"
    assert lines[2] == "5 trials: 4 complete, 1 failed · 18s of training"
    assert lines[5].split() == ["1", "3", "0.3050", "±", "0.0071", "(2)", "4.0s", "0.3"]
    assert lines[-1] == "trial 4 failed: loss is NaN"


def test_metric_of_the_user(results, capsys):
    assert _run("--metric", "kl:min", "--top", "1") == 0
    out = capsys.readouterr().out
    assert "kl, lower is better" in out
    assert "0.6950" in out
    with pytest.raises(ConfigError, match="got 'nope'; known: dev/va_pearson, kl"):
        _run("--metric", "nope")


def test_csv_has_all_ranked_rows_and_columns(results, capsys):
    assert _run("--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["trial"] for row in rows] == ["3", "2", "1", "0", "4"]
    assert {"config/top_k", "config/encoder", "metric/kl", "mean", "sd", "cells"} <= set(rows[0])
    assert float(rows[0]["mean"]) == pytest.approx(0.305)
    assert rows[4]["reason"] == "loss is NaN"


def test_json_is_strict(results, capsys):
    assert _run("--format", "json") == 0

    def refuse(name):
        raise AssertionError(name)

    rows = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert len(rows) == 5
    assert rows[0]["config/top_k"] == pytest.approx(0.3)
    assert (rows[4]["rank"], rows[4]["mean"], rows[4]["state"]) == (None, None, "failed")
    _run("--format", "json", "--top", "2")
    assert len(json.loads(capsys.readouterr().out)) == 2


def test_all_sweeps_below_a_folder(results, capsys):
    store = Store(results / "other")
    store.append(_trial(0, 0.9, sweep="other", method="msmo", cell=Cell("en-fr", 0)))
    assert _run() == 2
    assert "results/other is left out: `--metric` must be given" in capsys.readouterr().err
    assert _run("--metric", "dev/va_pearson") == 0
    out = capsys.readouterr().out
    assert out.index("carl on emobank") < out.index("msmo on en-fr")
    assert _run("--metric", "kl", "--method", "msmo") == 0
    assert "emobank" not in capsys.readouterr().out
    assert _run("results/carl", "--task", "emobank") == 0
    with pytest.raises(ConfigError, match="`--task` .* got 'x'; known: emobank, en-fr"):
        _run("--metric", "kl", "--task", "x")


def test_damaged_part_hides_no_other_row(results, capsys):
    part = results / "carl/trials/part-00002-emobank-s0.parquet"
    part.write_bytes(b"PAR1")
    assert _run() == 2
    captured = capsys.readouterr()
    assert "part-00002-emobank-s0.parquet` must be a Parquet file" in captured.err
    assert "5 trials: 3 complete, 1 partial, 1 failed" in captured.out
    assert _run("--format", "csv") == 2
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_bad_input(results, tmp_path):
    with pytest.raises(ConfigError, match="`--top` must be >= 0, but got -1"):
        _run("--top", "-1")
    with pytest.raises(ConfigError, match="`--watch` must be used with a table on a terminal"):
        _run("--watch")
    with pytest.raises(StoreError, match="there is no such folder"):
        _run("nowhere")
    (tmp_path / "results/new").mkdir()
    (tmp_path / "results/new/sweep.json").write_text('{"metric": "x", "direction": "maximize"}')
    with pytest.raises(StoreError, match="has no finished trial yet; --watch waits"):
        _run("results/new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="must hold a sweep's folder"):
        _run("empty")


def test_it_opens_without_the_heavy_packages(results):
    code = (
        "import argparse, sys\n"
        "from raysearch.cli import leaderboard\n"
        "parser = argparse.ArgumentParser()\n"
        "leaderboard.add_parser(parser.add_subparsers())\n"
        "args = parser.parse_args(['leaderboard'])\n"
        "assert args.run(args) == 0\n"
        "heavy = {'torch', 'ray', 'optuna', 'transformers', 'pandas', 'pyarrow.dataset'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_watch_shows_new_trials_until_interrupted(results, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # for rich: a terminal
    naps = 0

    def nap(seconds):
        nonlocal naps
        naps += 1
        if naps == 1:
            Store("results/carl").append(_trial(9, 0.99))
            Store("results/carl").append(_trial(9, 0.99, 1))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(leaderboard.time, "sleep", nap)
    assert _run("--watch") == 0
    assert "0.9900" in capsys.readouterr().out


@pytest.fixture
def pairs(results, monkeypatch):
    """A sweep in which either pair was searched by itself, two trials each."""
    monkeypatch.setenv("COLUMNS", "160")
    store = Store("results/msmo")
    for number, (pair, score) in enumerate([("en-es", 0.5), ("en-es", 0.6), ("en-fr", 0.4)]):
        config = {"encoder": "tiny", "consistency_weight": 0.001 * (number % 2 + 1)}
        for seed in range(2):
            trial = _trial(number, score, seed, sweep="msmo", method="msmo", config=config)
            store.append(replace(trial, cell=Cell(pair, seed)))
    card = {"metric": "dev/va_pearson", "direction": "maximize", "cells": 2}
    card |= {"mode": "per_task", "aggregate": "mean", "tasks": ["en-fr", "en-es"]}
    (results / "msmo/sweep.json").write_text(json.dumps(card))
    return card


def _words(capsys):
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_pairs_that_were_searched_by_themselves_have_a_section_each(pairs, capsys):
    assert _run("results/msmo") == 0
    rows = _words(capsys)
    assert [row[:3] for row in rows if row[:1] in (["en-fr"], ["en-es"])] == [
        ["en-fr", "1", "2"],
        ["en-es", "1", "1"],
    ]
    assert _run("results/msmo", "--by", "configuration") == 0
    [head, *rows] = [row for row in _words(capsys) if row and row[0] in ("rank", "1", "partial")]
    assert head[2:5] == ["dev/va_pearson", "en-fr", "en-es"]
    assert [row[:2] for row in rows] == [["1", "0"], ["partial", "1"]]


def test_best_settings_of_each_pair_beside_the_papers(pairs, capsys):
    assert _run("results/msmo", "--by", "parameter") == 0
    rows = _words(capsys)
    at = rows.index(["en-fr", "en-es"])
    assert rows[at + 1] == ["best", "trial", "2", "1"]
    assert rows[at + 4] == ["consistency_weight", "0.001", "0.002"]
    assert rows[at + 5] == ["paper", "0.0025", "0.0015"]


def test_settings_of_each_pair_for_a_program(pairs, capsys):
    assert _run("results/msmo", "--by", "parameter", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    found = {(row["task"], row["setting"]): row for row in rows}
    first = found["en-fr", "consistency_weight"]
    assert (first["trial"], first["value"], first["paper"]) == (2, 0.001, 0.0025)
    assert found["en-es", "consistency_weight"]["value"] == 0.002
    for whole in (["--by", "parameter"], ["--regret"]):
        with pytest.raises(ConfigError, match=f"`--top` must be left out with {' '.join(whole)}"):
            _run("results/msmo", *whole, "--top", "3")


def test_a_joint_sweep_by_pair(results, pairs, capsys):
    card = pairs | {"mode": "joint", "cells": 4}
    (results / "msmo/sweep.json").write_text(json.dumps(card))
    assert _run("results/msmo") == 0
    assert "0 complete" not in capsys.readouterr().out
    assert _run("results/msmo", "--by", "pair", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["tasks"], row["rank"], row["trial"]) for row in rows] == [
        ("en-fr", "1", "2"),
        ("en-es", "1", "1"),
        ("en-es", "2", "0"),
    ]


def test_one_pair_of_several_by_another_metric(pairs, capsys):
    assert _run("results/msmo", "--task", "en-es", "--metric", "kl:min") == 0
    rows = [row[:3] for row in _words(capsys) if row and row[0] in ("1", "2") and row[1] in "01"]
    assert rows == [["1", "1", "0.4000"], ["2", "0", "0.5000"]]


def test_a_foreign_folder_is_left_out_and_named(results, capsys):
    foreign = results / "foreign/trials"
    foreign.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), foreign / "data.parquet")
    (results / "file").mkdir()
    (results / "file/trials").write_text("no folder")
    Store(results / "unknown").append(_trial(3, 0.3))
    (results / "unknown/sweep.json").write_text('{"steps": 3}')
    for words in ((), ("--format", "csv")):
        assert _run(*words) == 2
        said = capsys.readouterr()
        assert "carl" in said.out
        left = [line for line in said.err.splitlines() if " is left out: " in line]
        assert len(left) == 3
        assert f"{foreign.relative_to(results.parent)}/data.parquet" in said.err
        for name in ("file", "foreign", "unknown"):
            assert f"raysearch: results/{name} is left out: " in said.err

    assert main(["leaderboard", "results/unknown"]) == 2
    assert "is left out" not in capsys.readouterr().err
    assert main(["report", "results", "-o", "page.html"]) == 2
    assert capsys.readouterr().err.count(" is left out: ") == 3
