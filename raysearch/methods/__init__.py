"""The methods there are; one is loaded without loading what the others need.

Importing this module, or asking for a method's config class, imports no torch: the command
line and the search spaces read settings long before anything trains.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from raysearch.config import TrainingConfig
from raysearch.errors import ConfigError, unknown_name
from raysearch.methods.description import Measure, Noted, SettingNotes
from raysearch.methods.plugins import load_method, outside_methods
from raysearch.methods.stage import Stage

if TYPE_CHECKING:
    import torch

    from raysearch.methods.base import Method, MethodLoader
    from raysearch.run import Cell

__all__ = ["METHODS", "config_type", "get_method", "notes_of"]


@dataclass(frozen=True)
class _LazyLoader:
    """A `MethodLoader` that imports its method when a trial is built, not before.

    Attributes:
        package: Package of the method; its ``config`` module defines ``tasks`` and the config
            class, its ``corpora`` module ``check``, its ``stages`` module ``outline``, its
            ``description`` module ``metrics``, ``of_encoder``, ``NOTES`` and ``MEASURES``; these
            need no torch. Its ``build`` module defines ``build``.
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
        build = import_module(f"{self.package}.build").build
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

    def of_encoder(self, metric: str) -> bool:
        """See `methods.description.OfEncoder.of_encoder`."""
        return bool(self._description().of_encoder(metric))

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
"""The methods of this package; those that other packages add are found when they are named."""


def get_method(name: str) -> MethodLoader:
    """The loader of a method, of this package or of another (`raysearch.methods.plugins`).

    Raises:
        ConfigError: There is no such method; the message names those that are.
    """
    if name in METHODS:
        return METHODS[name]
    if name in outside_methods():
        return load_method(name)
    raise ConfigError(unknown_name("method", name, [*METHODS, *outside_methods()]))


def config_type(name: str) -> type[TrainingConfig]:
    """The config class of a method; imports no torch.

    Raises:
        ConfigError: There is no such method.
    """
    return get_method(name).config_type


def notes_of(name: str) -> SettingNotes:
    """What those who show or plan a method's runs must know about its settings.

    By default, the settings that say what is scored name the corpora. Rows of a method that is
    not installed here can be read, without notes.
    """
    if name not in METHODS and name not in outside_methods():
        return SettingNotes()
    loader = get_method(name)
    if isinstance(loader, Noted):
        return loader.notes
    return SettingNotes(corpora=loader.config_type.SCORED_ON)
