"""Every command that documentation and help name parses, and is run: `documented.py` says where."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import documented
import pytest

from raysearch.cli import parser

COMMANDS = documented.commands()
EXAMPLES = documented.examples()
LINES = list(dict.fromkeys([*COMMANDS, *EXAMPLES]))


def test_the_commands_are_found() -> None:
    assert {"sweep carl", "leaderboard results/carl", "check"} <= set(COMMANDS)
    assert len(COMMANDS) > 70 and len(EXAMPLES) > 40
    assert set(documented.MADE) <= set(COMMANDS)


@pytest.mark.parametrize("line", COMMANDS)
def test_it_parses(line: str) -> None:
    parser().parse_args(shlex.split(line))


def test_every_change_is_of_a_line() -> None:
    for change in documented.CHANGES:
        assert any(re.search(change.pattern, line) for line in LINES), change


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[documented.Desk]:
    with documented.desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "line",
    [
        pytest.param(line, marks=pytest.mark.real_data if documented.reads_real_data(line) else ())
        for line in LINES
    ],
)
def test_it_runs(
    line: str,
    desk: documented.Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    code = desk.run(line, tmp_path, monkeypatch)
    assert code == 0, capsys.readouterr().err
