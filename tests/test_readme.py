"""The README: its commands exist, its files are there, its two set-up commands are in step."""

import argparse
import re
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "path",
    sorted(
        set(
            re.findall(
                r"`((?:search_spaces|raysearch|tests|benchmarks|results|examples)/[\w./*-]*)`",
                README,
            )
        )
    ),
)
def test_files_that_the_readme_names_are_there(path: str) -> None:
    assert list(ROOT.glob(path.rstrip("/"))) or path.startswith("results/"), path


def test_the_tree_has_a_line_for_every_folder() -> None:
    tree = README.partition("## The tree")[2].partition("## ")[0]
    folders = [path.parent.name for path in (ROOT / "raysearch").glob("*/__init__.py")]
    assert len(folders) > 8
    assert [name for name in folders if f"  {name}/ " not in tree] == []


def test_no_placeholder_is_left() -> None:
    assert "@@" not in README


def test_ci_runs_the_readmes_test_command_without_data_and_then_the_tests_of_real_data() -> None:
    assert README.count("<!-- tests -->") == 1
    script = (ROOT / ".ci" / "run").read_text()
    assert "README.md" in script and "env -u RAYSEARCH_DATA" in script
    assert "--may-skip=real_data" in script and "-m real_data --may-skip=" in script


@pytest.mark.parametrize("method", METHODS)
def test_the_papers_values_are_valid_settings(method: str) -> None:
    config_type = get_method(method).config_type
    read_config(config_type, config_type.PAPER, where="PAPER")
