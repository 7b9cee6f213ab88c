"""Arguments that several sub-commands share, and how their text becomes values."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.config import SEED, as_scalar, check_value, rules
from raysearch.errors import ConfigError, quoted
from raysearch.names import checked_name
from raysearch.version import PACKAGE

if TYPE_CHECKING:
    from raysearch.search.space.space import SearchSpace

__all__ = [
    "absolute_folders",
    "add_data_dir",
    "add_format",
    "add_quiet",
    "add_results",
    "add_settings",
    "check_seed",
    "find_space",
    "parse_settings",
    "setting_text",
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
            problems.append(f"`--set` must be NAME=VALUE, but got {quoted(pair)}")
        elif name in settings:
            problems.append(f"`--set` must name a setting once, but `{name}` came twice")
        settings[name] = value
    if problems:
        raise ConfigError(problems)
    return settings


def setting_text(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(as_scalar(value))


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


def check_seed(seed: int) -> None:
    """See that a seed can be drawn from.

    Raises:
        ConfigError: It cannot.
    """
    _, must = check_value(SEED, seed)
    if must:
        raise ConfigError(f"`--seed` must be {must}, but got {quoted(seed)}")


def find_space(method: str, option: str | None, *, said: str = "--space") -> Path:
    """The search space of ``--space``, else the method's own in ``search_spaces/``.

    A file here comes first; then one of those that come with this package, so that the same
    command works in any folder; then one beside a method that another package adds.

    Args:
        method: Name of the method.
        option: A file, or the name of one that comes with this package: ``carl-emobank``; None
            for the method's own.
        said: What the file was named by.

    Raises:
        ConfigError: There is no such file; the message names what there is.
    """
    from raysearch.methods.plugins import package_folder

    if option is None:
        checked_name(method, "a method")
        name = Path("search_spaces") / f"{method}.yaml"
        places = [name, *(home / name for home in (PACKAGE, package_folder(method)) if home)]
    else:
        places = [Path(option), PACKAGE / option, PACKAGE / "search_spaces" / f"{option}.yaml"]
    for place in places:
        if place.is_file():
            return place
    if option is None:
        raise ConfigError(f"{name} must be in this folder, but is not; name a file with --space")
    own = PACKAGE / "search_spaces"
    known = sorted(str(path.relative_to(own).with_suffix("")) for path in own.rglob("*.yaml"))
    raise ConfigError(
        f"`{said}` must be a search space file or one of {', '.join(known)}, but {option} is none"
    )
