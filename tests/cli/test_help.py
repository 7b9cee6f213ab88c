"""The help of every command: examples that parse, in step with docs/commands.md, plain colours."""

import argparse
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from raysearch.cli import main, parser
from raysearch.cli.parsing import leaves
from raysearch.errors import ConfigError
from raysearch.leaderboard import Store
from raysearch.run import Cell, Run, RunState

ROOT = Path(__file__).parents[2]
COMMANDS = {command.prog: command for command in (parser(), *leaves(parser()))}


def examples_of(command: argparse.ArgumentParser) -> list[list[str]]:
    """The words of each example, without what a shell does with them."""
    first, *lines = (command.epilog or "").splitlines()
    assert first == "examples:", f"`{command.prog}` needs epilog=examples(...)"
    found = [
        shlex.split(line.replace('eval "$(', "").replace(')"', ""), comments=True) for line in lines
    ]
    return [words[: words.index(">")] if ">" in words else words for words in found]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_that_parse(name: str) -> None:
    found = examples_of(COMMANDS[name])
    assert found
    for words in found:
        assert " ".join(words).startswith(name)
        parser().parse_args(words[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help(name: str) -> None:
    silent = [
        action.dest
        for action in COMMANDS[name]._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert not silent


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_help_fits_the_terminal(name: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = COMMANDS[name].format_help().partition("examples:")[0]
    assert max(map(len, text.splitlines())) <= columns


def test_the_documentation_shows_the_help_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("commands", ROOT / "docs" / "commands.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("COLUMNS", "")  # the file has a width of its own
    assert module.FILE.read_text() == module.text(), "run: python docs/commands.py"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND; see `raysearch --help`"),
        (["swep"], "see `raysearch --help`"),
        (["sweep"], "required: METHOD; see `raysearch sweep --help`"),
        (
            ["sweep", "carl", "--trails", "3"],
            "did you mean `--trials`? see `raysearch sweep --help`",
        ),
        (["data"], "required: ACTION; see `raysearch data --help`"),
        (["data", "list", "--all"], "unknown option `--all`"),
        (["train", "carl", "msmo"], "unknown argument `msmo`; see `raysearch train --help`"),
        (
            ["leaderboard", "--top", "x"],
            "invalid int value: 'x'; see `raysearch leaderboard --help`",
        ),
        (["sweep", "carl", "--space", "carl-emobnak"], "carl-emobank"),
        (["attach", "no.yaml"], "`raysearch sweep METHOD --cluster FILE` begins a sweep on one"),
        (["evaluate", "/no/sweep"], "`raysearch leaderboard` shows the sweeps that there are"),
    ],
)
def test_a_slip_names_the_next_command(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("raysearch: ") and said in error and error.count("\n") == 1


def test_an_abbreviation_is_still_taken() -> None:
    assert parser().parse_args(["sweep", "carl", "--tri", "3"]).trials == 3
    with pytest.raises(ConfigError, match="ambiguous option: --s "):
        parser().parse_args(["sweep", "carl", "--s", "3"])


@pytest.mark.parametrize(("set_to", "coloured"), [(None, True), ("1", False)])
def test_no_color_is_heeded(
    set_to: str | None,
    coloured: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if set_to:
        monkeypatch.setenv("NO_COLOR", set_to)
    failed = Run(
        sweep="carl", number=0, cell=Cell("sample", 0), method="carl", state=RunState.FAILED,
        config={"encoder": "tiny"}, metrics={}, reason="loss is NaN", seconds=1.0,
        finished="2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    Store(tmp_path / "carl").append(failed)
    assert main(["leaderboard", str(tmp_path / "carl"), "--metric", "dev/va_pearson"]) == 0
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]", capsys.readouterr().out)) == coloured
