"""Arguments that several sub-commands share, and how their text becomes values."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from raysearch.errors import ConfigError, quoted

__all__ = [
    "add_config",
    "add_data_dir",
    "add_format",
    "add_quiet",
    "add_results",
    "add_settings",
    "given",
]


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="hold the settings that are not searched at those of this file, which `raysearch "
        "export` wrote (raysearch.yaml, or --as config); --set comes on top",
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """``--data-dir``."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of the corpora (default: $RAYSEARCH_DATA, else ../shared/data if it is "
        "there, else ~/.cache/raysearch/data)",
    )


def add_format(parser: argparse.ArgumentParser) -> None:
    """``--format``, of a command that writes one thing when it is done."""
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="how the result is written: for a person, or as JSON for a program (default: text)",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """``--quiet``."""
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="say no progress: only the result, warnings and errors",
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


_OWN = ("run", "format", "messages", "words")
"""Of a parsed command: what only the command line has."""


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What was typed, by the keywords of `raysearch.api.options`; what was not has its default.

    Raises:
        ConfigError: An argument of ``--set`` is not NAME=VALUE.
    """
    found = {n: v for n, v in vars(args).items() if v is not None and n not in _OWN}
    if "settings" in found:
        found["settings"] = _parse_settings(found["settings"])
    return found


def _parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """``["top_k=0.2"]`` as a mapping.

    Raises:
        ConfigError: Every argument that is not NAME=VALUE or names a setting twice.
    """
    settings: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            problems.append(f"`--set` must be NAME=VALUE, but got {quoted(pair)}")
        elif name in settings:
            problems.append(f"`--set` must name a setting once, but `{name}` came twice")
        settings[name] = value
    if problems:
        raise ConfigError(problems)
    return settings
