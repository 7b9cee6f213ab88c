"""Is this the study that the sweep means, or another that has its name.

A study says what it was made for: a version of this record, the space without its budget, and
the seed. A sweep that means something else is refused, with what differs; another budget of
trials or time is no difference, so that a sweep can be prolonged, and seeds may be added to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raysearch.errors import ConfigError, StoreError
from raysearch.search.space import SearchSpace
from raysearch.search.study_database import StudyDatabase

__all__ = ["RECOVERING", "begin_with", "begun_with", "claim_study", "is_claimed", "write_identity"]

RECOVERING = "recovering"
"""Attribute of a study that `raysearch.search.recovery` has not finished."""
_KEY = "raysearch"
_SOURCES = "sources"
_VERSION = 2
"""Counts up when the attributes of `raysearch.search.study_entries` change their meaning, or a
reader must know more of them: from 2 on trials are sealed, and an older raysearch would not."""


def is_claimed(database: StudyDatabase) -> bool:
    """Whether the study is that of a sweep."""
    return _KEY in database.attributes()


def write_identity(database: StudyDatabase, space: SearchSpace, seed: int) -> None:
    """Write what the study is for: from now on it is a sweep's."""
    identity = {"version": _VERSION, "space": space.canonical, "seed": seed}
    database.set_attribute(_KEY, {**identity, "digest": space.digest})


def begun_with(database: StudyDatabase) -> dict[str, str]:
    """Name to SHA-256 of the sources that the sweep has had; empty for an older study."""
    found: dict[str, str] = database.attributes().get(_SOURCES, {})
    return found


def begin_with(database: StudyDatabase, sources: Mapping[str, str]) -> None:
    """Write down which sources the sweep has."""
    if begun_with(database) != sources:
        database.set_attribute(_SOURCES, dict(sources))


def claim_study(
    database: StudyDatabase, name: str, space: SearchSpace, seed: int, *, left: str = ""
) -> None:
    """Write what a new study is for, or check what an older one was for.

    Args:
        database: The study.
        name: Name of the sweep.
        space: What is searched.
        seed: Seed of the sampler.
        left: What earlier runs left elsewhere, in words; a new study is then refused, because
            its numbers would be those of other configurations.

    Raises:
        StoreError: A newer version of raysearch wrote the study, or it is gone.
        ConfigError: The study was made for something else.
    """
    attributes = database.attributes()
    stored = attributes.get(_KEY)
    if stored is None:
        if left or RECOVERING in attributes:
            raise StoreError(
                f"the study of the sweep `{name}` must be in {database.shown}, but is gone or "
                f"half recovered, while there are {left or 'trials of it'}; `python -m raysearch "
                "recover` makes it anew from them, or take another --name"
            )
        if database.trials():
            raise ConfigError(
                f"the sweep `{name}` must have a study of its own, but the one of this name holds "
                "trials of another program; take another --name"
            )
        write_identity(database, space, seed)
        return
    if stored["version"] > _VERSION:
        raise StoreError(
            f"the study of the sweep `{name}` has schema version {stored['version']}, but this "
            f"raysearch knows versions up to {_VERSION}; update raysearch, or take another --name"
        )
    wanted = json.loads(json.dumps(space.canonical))
    before = {**stored["space"], "seeds": wanted["seeds"], "seed": stored["seed"]}
    differences = _differences(before, {**wanted, "seed": seed}, "")
    seeds = stored["space"]["seeds"]
    if seeds > space.seeds:
        differences.append(
            f"`seeds` was {seeds}, but is {space.seeds}, and seeds can be added to a sweep but not "
            "taken away"
        )
    if differences:
        raise ConfigError(
            f"the sweep `{name}` was started with other settings: {'; '.join(differences)}; "
            "take another --name, or set them back to continue it"
        )
    database.check_direction(space.goal.direction)
    if seeds < space.seeds or stored["version"] < _VERSION:
        write_identity(database, space, seed)


def _differences(before: dict[str, Any], now: dict[str, Any], path: str) -> list[str]:
    found = []
    for key in sorted(before.keys() | now.keys()):
        name, old, new = path + key, before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += _differences(old, new, f"{name}.")
        elif old != new:
            found.append(f"`{name}` was {_shown(old)}, but is {_shown(new)}")
    return found


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value)
