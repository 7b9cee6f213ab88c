"""Which methods do other installed packages add, and where does their code lie.

A package adds a method by an entry point of the group ``raysearch.methods``, whose object is a
`raysearch.methods.base.MethodLoader`::

    [project.entry-points."raysearch.methods"]
    toy = "raysearch_toy:LOADER"

An entry point is a file of the installed package, so every process that trains knows it too,
on every machine where the package is installed. ``docs/extending.md`` has a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from raysearch.errors import ConfigError

if TYPE_CHECKING:
    from raysearch.methods.base import MethodLoader

__all__ = ["GROUP", "load_method", "outside_methods", "package_folder", "package_sources"]

GROUP = "raysearch.methods"


@cache
def outside_methods() -> Mapping[str, EntryPoint]:
    """Name to entry point; nothing of the packages is imported.

    Raises:
        ConfigError: Two packages add a method of the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigError(
                f"a method must come from one package, but `{point.name}` comes as {other.value} "
                f"and as {point.value}; uninstall one of them"
            )
    return found


def load_method(name: str) -> MethodLoader:
    """The loader that a package gives for one of `outside_methods`.

    Raises:
        ConfigError: It cannot be imported.
    """
    point = outside_methods()[name]
    try:
        return cast("MethodLoader", point.load())
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the method `{name}` must be importable as {point.value}, but: {error}; install its "
            "package again, or uninstall it"
        ) from error


def package_folder(name: str) -> Path | None:
    """Folder of the package that adds a method; None for a method that none adds, or a module.

    It holds the code that the method's numbers depend on, and its ``search_spaces/``.
    """
    place = package_sources(name)
    return place if place and place.is_dir() else None


def package_sources(name: str) -> Path | None:
    """Folder or, of a method that is one module, file of what a package adds; None for no such."""
    point = outside_methods().get(name)
    spec = find_spec(point.module.partition(".")[0]) if point else None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    place = folders[0] if folders else spec.origin
    return Path(place) if place else None
