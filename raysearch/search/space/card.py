"""Stores a sweep's space beside its rows, so that a lost study can be rebuilt from it.

``sweep.json`` has the study's identity under ``study``: the canonical space and the seed. The
space can be read back from it, even if its file has changed or is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raysearch import methods
from raysearch.config import TrainingConfig, check_value, rules
from raysearch.errors import ConfigError, StoreError
from raysearch.run import MetricGoal
from raysearch.search.space.file import TASK_DEFAULTS
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace

__all__ = ["IDENTITY", "identity_of", "space_of"]

IDENTITY = "study"
"""Key in ``sweep.json``."""


def identity_of(space: SearchSpace, seed: int) -> dict[str, Any]:
    """The value of `IDENTITY`."""
    return {"space": space.canonical, "seed": seed}


def space_of(
    card: Mapping[str, Any], where: str, config_type: type[TrainingConfig] | None = None
) -> tuple[SearchSpace, int]:
    """The space of a sweep, without its time limit, and its seed, from its ``sweep.json``.

    Args:
        card: What the file holds.
        where: The file, for messages.
        config_type: The method's config class; by default that of the method it names.

    Raises:
        StoreError: The file is damaged, or an older or another raysearch wrote it.
    """
    if IDENTITY not in card:
        raise StoreError(
            f"`{where}` must say under `{IDENTITY}` what was searched, but a raysearch wrote it "
            "that did not say so yet; take another --name for a new sweep"
        )
    try:
        said, seed = card[IDENTITY]["space"], int(card[IDENTITY]["seed"])
        space = _read(said, int(card["trials"]), where, config_type)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"`{where}` must say under `{IDENTITY}` what was searched, but cannot be read: "
            f"{error!r}"
        ) from error
    if space.canonical != said:
        raise StoreError(
            f"`{where}` must be of this version of raysearch, but its space reads otherwise now; "
            "recover the study with the version that made it"
        )
    return space, seed


def _read(
    said: Mapping[str, Any], trials: int, where: str, config_type: type[TrainingConfig] | None
) -> SearchSpace:
    config_type = config_type or methods.config_type(said["method"])
    known = rules(config_type)
    return SearchSpace(
        method=said["method"],
        config_type=config_type,
        goal=MetricGoal(**said["objective"]),
        trials=trials,
        time_seconds=None,
        setting={name: check_value(known[name], v)[0] for name, v in said["setting"].items()},
        parameters=tuple(_parameter(name, item) for name, item in said["search"].items()),
        source=where,
        **{name: said[name] for name in ("seeds", "sampler", "pruner", "reduction")},
        **{name: said.get(name, default) for name, default in TASK_DEFAULTS.items()},
    )


def _parameter(name: str, said: Mapping[str, Any]) -> Parameter:
    when = {parent: tuple(values) for parent, values in said["when"].items()}
    if "choices" in said:
        return Parameter(name=name, kind="choice", choices=tuple(said["choices"]), when=when)
    span = {key: said[key] for key in ("kind", "low", "high", "log")}
    return Parameter(name=name, when=when, **span)
