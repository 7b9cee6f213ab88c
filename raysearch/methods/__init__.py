"""The registry of methods: CARL and MSMO, and those of other installed packages.

Importing this module, or asking for a method's config class, does not import torch: the command
line and the search spaces read settings long before anything trains.

A package adds a method by an entry point of the group ``raysearch.methods``, whose object is a
`raysearch.methods.base.MethodLoader`::

    [project.entry-points."raysearch.methods"]
    toy = "raysearch_toy:LOADER"

An entry point is a file of the installed package, so every training process finds it, on every
machine where the package is installed. ``docs/extending.md`` has a complete example.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from raysearch.config import TrainingConfig
from raysearch.errors import ConfigError, unknown_name
from raysearch.methods.description import Measure, Noted, SettingNotes
from raysearch.methods.stage import Stage

if TYPE_CHECKING:
    import torch

    from raysearch.methods.base import Method, MethodLoader
    from raysearch.run import Cell


__all__ = [
    "GROUP",
    "METHODS",
    "config_type",
    "get_method",
    "load_method",
    "notes_of",
    "outside_methods",
    "package_folder",
    "package_sources",
]

GROUP = "raysearch.methods"


@cache
def outside_methods() -> Mapping[str, EntryPoint]:
    """Name to entry point; imports none of the packages.

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
    """The loader of one of `outside_methods`.

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
    """Folder of the package that adds a method; None for other methods, or if it is a module.

    It holds the code that the method's numbers depend on, and its ``search_spaces/``.
    """
    place = package_sources(name)
    return place if place and place.is_dir() else None


def package_sources(name: str) -> Path | None:
    """Folder or, for a single module, file of a package's method; None for other methods."""
    point = outside_methods().get(name)
    spec = find_spec(point.module.partition(".")[0]) if point else None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ())
    place = folders[0] if folders else spec.origin
    return Path(place) if place else None


@dataclass(frozen=True)
class _LazyLoader:
    """A `MethodLoader` that does not import its method before a trial is built.

    Attributes:
        package: Package of the method; its ``config`` module defines ``tasks`` and the config
            class, its ``corpora`` module ``check``, its ``stages`` module ``outline``, its
            ``description`` module ``metrics``, ``of_encoder``, ``NOTES`` and ``MEASURES``; these
            need no torch. Its ``method`` module defines ``build``.
        config_name: Name of the config class.
    """

    package: str
    config_name: str

    @property
    def config_type(self) -> type[TrainingConfig]:
        """The config class."""
        found = getattr(import_module(f"{self.package}.config"), self.config_name)
        return cast("type[TrainingConfig]", found)

    def build(
        self,
        config: Any,
        cell: Cell,
        *,
        device: torch.device,
        roles: Sequence[str],
        data_dir: str,
    ) -> Method:
        """See `methods.base.MethodLoader.build`."""
        build = import_module(f"{self.package}.method").build
        return cast("Method", build(config, cell, device=device, roles=roles, data_dir=data_dir))

    def check(self, config: Any, *, data_dir: str) -> None:
        """See `methods.base.MethodLoader.check`."""
        import_module(f"{self.package}.corpora").check(config, data_dir=data_dir)

    def tasks(self, config: Any) -> tuple[str, ...]:
        """See `methods.base.MethodLoader.tasks`."""
        return cast("tuple[str, ...]", import_module(f"{self.package}.config").tasks(config))

    def outline(self, config: Any) -> tuple[Stage, ...]:
        """See `methods.base.MethodLoader.outline`."""
        found = import_module(f"{self.package}.stages").outline(config)
        return cast("tuple[Stage, ...]", found)

    def metrics(self, config: Any, *, role: str, data_dir: str) -> Collection[str]:
        """See `methods.description.Reported.metrics`."""
        found = self._description().metrics(config, role=role, data_dir=data_dir)
        return cast("Collection[str]", found)

    def of_encoder(self, metric: str, settings: Mapping[str, Any]) -> bool:
        """See `methods.description.OfEncoder.of_encoder`."""
        return bool(self._description().of_encoder(metric, settings))

    @property
    def notes(self) -> SettingNotes:
        """See `methods.description.Noted.notes`."""
        return cast("SettingNotes", self._description().NOTES)

    @property
    def measures(self) -> Mapping[str, Measure]:
        """See `methods.description.Measuring.measures`."""
        return cast("Mapping[str, Measure]", self._description().MEASURES)

    def _description(self) -> Any:
        return import_module(f"{self.package}.description")


METHODS: Mapping[str, MethodLoader] = {
    "carl": _LazyLoader("raysearch.methods.carl", "CarlConfig"),
    "msmo": _LazyLoader("raysearch.methods.msmo", "MsmoConfig"),
}
"""The methods of this package; those of other packages are looked up by name."""


def get_method(name: str) -> MethodLoader:
    """The loader of a method, of this package or of another.

    Raises:
        ConfigError: The method is unknown; the message lists the known ones.
    """
    if name in METHODS:
        return METHODS[name]
    if name in outside_methods():
        return load_method(name)
    raise ConfigError(unknown_name("method", name, [*METHODS, *outside_methods()]))


def config_type(name: str) -> type[TrainingConfig]:
    """The config class of a method; does not import torch.

    Raises:
        ConfigError: The method is unknown.
    """
    return get_method(name).config_type


def notes_of(name: str) -> SettingNotes:
    """Notes on a method's settings for display and planning.

    By default, the settings that determine what is scored name the corpora. Rows of a method that
    is not installed can be read, without notes.
    """
    if name not in METHODS and name not in outside_methods():
        return SettingNotes()
    loader = get_method(name)
    if isinstance(loader, Noted):
        return loader.notes
    return SettingNotes(corpora=loader.config_type.SCORED_ON)
