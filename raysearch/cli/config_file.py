"""`--config FILE`: a configuration that `raysearch export` wrote, as if it were typed."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.api.options import setting_text
from raysearch.cli.arguments import parse_settings
from raysearch.config import rules
from raysearch.errors import ConfigError
from raysearch.methods import config_type
from raysearch.yaml_lines import read_located

__all__ = ["ConfigFile", "add_config", "read_config_file", "take_config"]

_TYPES = {"method": str, "task": str, "seed": int, "setting": dict}


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """What the file says.

    Attributes:
        task: The task of the cell; "" where it says none.
        seed: Its seed; None where it says none.
        settings: Setting to its value, as `--set` takes it.
    """

    task: str
    seed: int | None
    settings: dict[str, str]


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="hold the settings that are not searched at those of this file, which `raysearch "
        "export` wrote (raysearch.yaml, or --as config); --set comes on top",
    )


def take_config(args: argparse.Namespace, searched: Collection[str] = ()) -> ConfigFile | None:
    """Have the settings of `args.config` among those that were typed, which come first.

    Args:
        args: Of a command with `add_config` and `--set`.
        searched: Settings that are searched: they are not held at the file's.

    Returns:
        The file; None where none is named, or it was taken before.

    Raises:
        ConfigError: Everything wrong with the file.
    """
    if args.config is None:
        return None
    found = read_config_file(Path(args.config), args.method)
    held = {name: text for name, text in found.settings.items() if name not in searched}
    settings = {**held, **parse_settings(args.settings)}
    args.settings = [f"{name}={value}" for name, value in settings.items()]
    args.config = None
    return found


def read_config_file(path: Path, method: str) -> ConfigFile:
    """Read such a file; whether the settings fit the method is for who takes them to say.

    Raises:
        ConfigError: It cannot be read, is none, or is of another method.
    """
    fields, problems = read_located(path)
    problems.check_keys("key", fields, list(_TYPES))
    for name, node in fields.items():
        if name in _TYPES and type(node.value) is not _TYPES[name]:
            rule = {"seed": "an integer", "setting": "a mapping"}.get(name, "a text")
            problems.refuse(f"`{name}` must be {rule}", node)
    for name in ("method", "setting"):
        if name not in fields:
            problems.add(f"`{name}` must be in a file that `raysearch export` wrote, but is not", 1)
    problems.raise_all()
    plain: dict[str, Any] = {name: node.plain for name, node in fields.items()}
    if plain["method"] != method:
        raise ConfigError(
            f"`--config` must be a configuration of {method}, but {path} is one of "
            f"{plain['method']}"
        )
    known = rules(config_type(method))
    lists = {name for name, rule in known.items() if rule.kind == "list"}  # "+" joins no name
    return ConfigFile(
        task=plain.get("task", ""),
        seed=plain.get("seed"),
        settings={
            name: "+" if value in ("", []) and name in lists else setting_text(value)
            for name, value in plain["setting"].items()
        },
    )
