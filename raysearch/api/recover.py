"""A lost study, made anew from the rows of its sweep."""

from __future__ import annotations

from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Any

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store
from raysearch.names import checked_name
from raysearch.search.plan import SweepPlan, method_cells
from raysearch.search.space.card import space_of
from raysearch.search.study.recovery import Recovery, recover_study
from raysearch.storage.uri import absolute, is_uri, join, last_name, parent, redacted

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A study that is there again.

    Attributes:
        name: The sweep's name.
        sampler: Of its search space.
        content: What the study holds.
    """

    name: str
    sampler: str
    content: Recovery


def recover(
    root: Folder,
    *,
    study: str = "",
    results: Folder | None = None,
    messages: Messages = QUIET,
) -> Recovered:
    """Make a lost study anew from the rows, curves and begun trials of its sweep.

    Args:
        root: Folder or URI of the sweep.
        study: URL of the study's database, as the sweep has it; empty for a file of its own.
        results: As the sweep has it, where that has a storage too; None where `root` is its
            folder.
        messages: Where to note that another process is waited for.

    Raises:
        ConfigError: The sweep was moved to another name, or its space is none.
        StoreError: There is no such sweep, or its study is there.
    """
    plan = _plan(absolute(fspath(root).rstrip("/")), study, results)
    found = recover_study(plan, Store(plan.root).trials(), on_wait=messages.note)
    return Recovered(name=plan.name, sampler=plan.space.sampler, content=found)


def _plan(root: str, study: str, results: Folder | None) -> SweepPlan:
    card = _card(root)
    where = join(redacted(root), "sweep.json")
    name = checked_name(card["name"], f"`name` in {where}")
    space, seed = space_of(card, where)
    apart = is_uri(root) or results is not None
    if last_name(root) != name:
        raise ConfigError(
            f"ROOT must be where the sweep `{name}` was run, but {redacted(root)} has "
            f"another name: "
            f"move it back to one that ends in {name}"
        )
    return SweepPlan(
        name=name,
        folder=Path(results or "results") / name if apart else Path(root),
        space=space,
        cells=method_cells(space),
        study_url=study,
        storage=parent(root) if apart else "",
        seed=seed,
    )


def _card(root: str) -> dict[str, Any]:

    card = Store(root).card_fields()
    if card is None:
        raise StoreError(
            f"ROOT must be the folder or URI of a sweep, but {redacted(root)} has no sweep.json"
        )
    if not isinstance(card.get("name"), str):
        where = join(redacted(root), "sweep.json")
        raise StoreError(f"`{where}` must be what a sweep writes, but it has no name")
    return card
