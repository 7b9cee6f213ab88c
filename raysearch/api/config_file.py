"""A file that `raysearch export` wrote: a configuration that a trial or a sweep is held at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.api.options import Folder, setting_text
from raysearch.config import rules
from raysearch.errors import ConfigError
from raysearch.methods import config_type
from raysearch.yaml_lines import read_located

__all__ = ["ConfigFile", "read_config_file"]

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


def read_config_file(file: Folder, method: str) -> ConfigFile:
    """Read such a file; whether the settings fit the method is for who takes them to say.

    Raises:
        ConfigError: It cannot be read, is none, or is of another method.
    """
    path = Path(file)
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
