"""The commands as functions: their options are the commands', and their documentation is run."""

import doctest
import inspect
import os
import subprocess
import sys
import typing
from pathlib import Path

import pandas as pd
import pytest

import raysearch
from raysearch import api
from raysearch.api.options import SweepOptions, _kinds
from raysearch.cli import parser
from raysearch.cli.parsing import leaves
from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store
from raysearch.run import Cell, Run, RunState

ROOT = Path(__file__).parents[2]
OF_A_COMMAND = {"words", "run", "format", "settings", "cluster", "help", "quiet"}
"""What only a command line has, or what a function has by another name."""


def options(command: str) -> dict[str, typing.Any]:
    """Option to what the command line takes for it."""
    [found] = [leaf for leaf in leaves(parser()) if leaf.prog == f"raysearch {command}"]
    return {
        action.dest: action.choices
        for action in found._actions
        if action.option_strings and action.dest not in OF_A_COMMAND
    }


def test_a_sweep_has_the_options_of_the_command() -> None:
    taken = options("sweep")
    assert set(inspect.signature(api.sweep).parameters) - {"method", *OF_A_COMMAND} == set(taken)
    for name, choices in taken.items():
        kinds = [kind for kind in typing.get_args(_kinds(SweepOptions)[name]) or ()]
        found = [choice for kind in kinds for choice in typing.get_args(kind) or (kind,)]
        if choices:
            assert [c for c in found if isinstance(c, str)] == list(choices), name


@pytest.mark.parametrize(
    ("command", "left_out"),
    [("train", set()), ("leaderboard", {"raw", "regret", "watch"}), ("evaluate", set())],
)
def test_the_others_have_the_options_of_their_commands(command: str, left_out: set[str]) -> None:
    taken = set(inspect.signature(getattr(api, command)).parameters)
    assert options(command).keys() - taken == left_out


def test_importing_raysearch_costs_nothing() -> None:
    code = (
        "import sys, raysearch\n"
        "heavy = {'torch', 'ray', 'pandas', 'pyarrow', 'rich', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert callable(raysearch.leaderboard) and not {'torch', 'ray'} & set(sys.modules)\n"
        "assert raysearch.sweep.__module__ == 'raysearch.api.sweep'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_docstrings_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    for name in (
        "sweep",
        "train",
        "leaderboard",
        "evaluate",
        "experiment",
    ):  # `train` makes what is read
        for test in finder.find(getattr(api, name), name):
            runner.run(test)
    assert runner.summarize() == (0, 14)


@pytest.mark.slow
def test_the_session_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # In a process of its own: a sweep's Ray is not to meet that of another test.
    code = (
        "import doctest, sys\n"
        f"found = doctest.testfile({str(ROOT / 'docs' / 'python.md')!r}, module_relative=False)\n"
        "sys.exit(found.failed or found.attempted < 10)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=400,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sampler": "tpee"}, "tpee"),
        ({"trails": 3}, "unknown option `--trails`; did you mean `--trials`?"),
        ({"mode": "alone"}, "`--mode` must be one of joint, per_task, but got 'alone'"),
        ({"trials": "many"}, "`--trials` must be an integer, but got 'many'"),
        ({"settings": {"top_k": None}}, "`top_k` must be a number in"),
        ({"cluster": "cluster.yaml"}, "by the command"),
    ],
)
def test_mistakes(options: dict[str, typing.Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        raysearch.sweep("carl", results=tmp_path, **options)


def test_null_can_be_said(tmp_path: Path) -> None:
    settings = {
        "encoder": "tiny", "epochs": 0.1, "batch_size": 16, "reports": 1, "focal_alpha": None
    }  # fmt: skip
    trial = raysearch.train("carl", settings=settings, results=tmp_path, quiet=True)
    assert trial.config["focal_alpha"] is None


def test_a_board_by_parameter(tmp_path: Path) -> None:
    for number, rate in enumerate((2e-5, 1e-4, 3e-4)):
        row = Run(
            sweep="one", number=number, cell=Cell("sample", 0), method="carl",
            state=RunState.COMPLETE, config={"encoder": "tiny", "learning_rate": rate},
            metrics={"dev/va_pearson": 0.5 - number % 2}, seconds=1.0,
            finished="2026-01-02T03:04:05+00:00",
        )  # fmt: skip
        Store(tmp_path / "one").append(row)
    board = raysearch.leaderboard(tmp_path, metric="dev/va_pearson", by="parameter")
    [row_of] = board.to_dict("records")
    assert (row_of["sweep"], row_of["task"], row_of["setting"]) == (
        "one",
        "sample",
        "learning_rate",
    )
    assert (row_of["trial"], row_of["score"], row_of["value"]) == (0, 0.5, 2e-5)
    assert (row_of["complete"], row_of["association"]) == (3, None)
    with pytest.raises(ConfigError, match="`--top` must be left out with --by parameter"):
        raysearch.leaderboard(tmp_path, metric="dev/va_pearson", by="parameter", top=3)


def test_quiet_hides_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def search(options: typing.Any, view: typing.Any, messages: typing.Any) -> typing.Any:
        sys.stderr.write("progress")
        messages.warn("the quota is small")
        raise ConfigError("ended")

    monkeypatch.setattr(sys.modules[raysearch.sweep.__module__], "search", search)
    with (
        pytest.warns(UserWarning, match="the quota is small"),
        pytest.raises(ConfigError, match="ended"),
    ):
        raysearch.sweep("carl", results=tmp_path, quiet=True)


def test_what_cannot_be_read_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        raysearch.leaderboard("nothing")
    row = Run(
        sweep="one", number=0, cell=Cell("sample", 0), method="carl", state=RunState.COMPLETE,
        config={"encoder": "tiny"}, metrics={"dev/va_pearson": 0.5}, seconds=1.0,
        finished="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    Store("results/one").append(row)
    (tmp_path / "results" / "one" / "trials" / "part-torn.parquet").write_bytes(b"torn")
    with pytest.warns(UserWarning, match="part-torn"):
        board = raysearch.leaderboard(metric="dev/va_pearson")
    assert isinstance(board, pd.DataFrame) and len(board) == 1
