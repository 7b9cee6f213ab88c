"""The README: its commands and its Python example are those of the code, and it stays short."""

import argparse
import ast
import inspect
import re
from pathlib import Path

import pytest

import raysearch
from raysearch.cli import parser
from raysearch.config import read_config
from raysearch.methods import METHODS, get_method

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def subcommands() -> dict[str, argparse.ArgumentParser]:
    [action] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(action.choices)


def test_every_command_is_in_the_readme_and_has_help() -> None:
    for name, command in subcommands().items():
        assert f"raysearch {name}" in README
        assert command.format_help()


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^raysearch [a-z].*$", README, re.M))))
def test_commands_of_the_readme_parse(line: str) -> None:
    parser().parse_args(line.split("#")[0].split()[1:])


def test_the_tree_has_a_line_for_every_folder() -> None:
    tree = README.partition("## The tree")[2].partition("## ")[0]
    folders = [path.parent.name for path in (ROOT / "raysearch").glob("*/__init__.py")]
    assert len(folders) > 8
    assert [name for name in folders if f"  {name}/ " not in tree] == []


def test_it_can_be_read_in_a_terminal() -> None:
    assert len(README.encode()) <= 10_240
    assert [line for line in README.splitlines() if len(line) > 100] == []


def test_the_python_example_calls_what_is_there() -> None:
    [example] = re.findall(r"```python\n(.*?)```", README, re.S)
    calls = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Call)]
    assert len(calls) > 3
    for call in calls:
        assert isinstance(call.func, ast.Attribute)
        function = getattr(raysearch, call.func.attr)
        inspect.signature(function).bind(*call.args, **{k.arg: k.value for k in call.keywords})


def test_ci_runs_the_readmes_test_command_without_data_and_then_the_campaign() -> None:
    assert README.count("<!-- tests -->") == 1
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script and "env -u RAYSEARCH_DATA" in script
    assert "PYTEST_ADDOPTS=--no-skips" in script
    campaign = '-m "slow or real_data or hosts or browser"'
    assert campaign in script and campaign in (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("method", METHODS)
def test_the_papers_values_are_valid_settings(method: str) -> None:
    config_type = get_method(method).config_type
    read_config(config_type, config_type.PAPER, where="PAPER")
