"""Arguments that several sub-commands share, and how their text becomes values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import raysearch
from raysearch.config import rules
from raysearch.errors import ConfigError

if TYPE_CHECKING:
    from raysearch.search.space import SearchSpace

__all__ = [
    "absolute_folders",
    "add_data_dir",
    "add_results",
    "add_settings",
    "find_space",
    "parse_settings",
    "settings_with_pairs",
]


def absolute_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every folder of this machine by its full path.

    A corpus or an encoder may be a folder; the processes that train start in another one.
    """
    return {
        name: str(Path(value).absolute())
        if isinstance(value, str) and "/" in value and Path(value).is_dir()
        else value
        for name, value in settings.items()
    }


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """``--data-dir``."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of the corpora (default: $RAYSEARCH_DATA, else ../shared/data if it is "
        "there, else ~/.cache/raysearch/data)",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """``--results``."""
    parser.add_argument(
        "--results",
        metavar="DIR",
        default="results",
        help="folder that holds one folder per sweep (default: results)",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="hold a setting of the method at a value; lists are joined by commas; repeatable",
    )


def parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """``["top_k=0.2"]`` as a mapping.

    Raises:
        ConfigError: Every argument that is not NAME=VALUE or names a setting twice.
    """
    settings: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            problems.append(f"`--set` must be NAME=VALUE, but got {pair!r}")
        elif name in settings:
            problems.append(f"`--set` must name a setting once, but `{name}` came twice")
        settings[name] = value
    if problems:
        raise ConfigError(problems)
    return settings


def settings_with_pairs(
    settings: Mapping[str, str], pairs: str | None, space: SearchSpace
) -> Mapping[str, str]:
    """The settings of the command line with those of ``--pairs``.

    Raises:
        ConfigError: The method has no pairs, or they are given twice.
    """
    if pairs is None:
        return settings
    if "pairs" not in rules(space.config_type):
        raise ConfigError(
            f"`--pairs` must go with a method of language pairs, but {space.method} has none; "
            "leave it out"
        )
    if "pairs" in settings:
        raise ConfigError("`pairs` must be given once, but came by `--pairs` and by `--set`")
    return {**settings, "pairs": pairs}


def find_space(method: str, option: str | None) -> Path:
    """The search space of ``--space``, else the method's own in ``search_spaces/``.

    Raises:
        ConfigError: The file is not there.
    """
    if option is not None:
        if not Path(option).is_file():
            raise ConfigError(f"`--space` must name a search space file, but {option} is none")
        return Path(option)
    name = Path("search_spaces") / f"{method}.yaml"
    for folder in (Path(), Path(raysearch.__file__).parent.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigError(f"{name} must be in this folder, but is not; name a file with --space")
