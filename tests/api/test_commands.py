"""Every command is a function of its name, with the command's options and their defaults."""

import argparse
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

import raysearch
from raysearch import api
from raysearch.cli import parser
from raysearch.cli.parsing import leaves

COMMANDS = {leaf.prog.partition(" ")[2].replace(" ", "_"): leaf for leaf in leaves(parser())}

NO_FUNCTION = {
    "attach",  # draws on this terminal what a job says
    "completion",  # prints what the parser of the words knows
}
THE_TERMINALS = {
    "format",  # a function returns values
    "help",
    "quiet",  # a function is handed where progress goes
}
LEFT_OUT = {"leaderboard": {"raw", "regret", "watch"}}  # how the board is drawn or written


def options(command: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options that a function has, too."""
    found = {action.dest: action for action in command._actions if action.option_strings}
    return {name: action for name, action in found.items() if name not in THE_TERMINALS}


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None if value in ([], ()) else value


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NO_FUNCTION))
def test_a_command_is_a_function(name: str) -> None:
    function = getattr(api, name)
    assert callable(function) and inspect.getdoc(function) and name in api.__all__
    assert name in raysearch.__all__ and callable(getattr(raysearch, name))
    if name != "leaderboard":  # a package that can be called
        assert getattr(raysearch, name) is function
    taken = inspect.signature(function).parameters
    found = options(COMMANDS[name])
    assert found.keys() - taken.keys() == LEFT_OUT.get(name, set())
    for option in found.keys() & taken.keys():
        typed, default = _plain(found[option].default), _plain(taken[option].default)
        if typed is None and default not in (None, ""):  # what is not typed is not handed in
            assert f"(default: {default})".replace(".0)", ")") in str(found[option].help), option
        else:
            assert (typed or None) == (default or None), option


def test_what_is_left_out_is_there() -> None:
    assert NO_FUNCTION <= COMMANDS.keys()
    assert all(names <= options(COMMANDS[name]).keys() for name, names in LEFT_OUT.items())


def test_the_page_on_python_names_every_function() -> None:
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    for name in set(raysearch.__all__) - {"Sweep", "__version__"}:
        assert f"`{name}`" in page or f"raysearch.{name}(" in page, name
