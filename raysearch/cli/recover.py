"""`raysearch recover ROOT`: a lost study, made anew from the rows of its sweep."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, StoreError
from raysearch.names import checked_name
from raysearch.run import RunState
from raysearch.storage.place import absolute, is_uri, join, last_name, parent, redacted

if TYPE_CHECKING:
    from raysearch.search.plan import SweepPlan
    from raysearch.search.study.recovery import Recovery

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``recover``."""
    parser = commands.add_parser(
        "recover",
        help="make a sweep's lost study anew from its rows",
        description="Make a lost study anew from the rows, curves and begun trials of its sweep; "
        "the same `raysearch sweep` command then goes on. A study that is there stays as it is.",
        epilog=examples(
            "raysearch recover results/carl",
            "raysearch recover s3://bucket/sweeps/carl --results results",
        ),
    )
    parser.add_argument("root", metavar="ROOT", help="folder or URI of the sweep")
    parser.add_argument(
        "--study", default="", metavar="URL", help="database of the study, as the sweep has it"
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        help="as the sweep has it, where that has --storage too (default: ROOT is the folder)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the sweep, make its study, and say what it holds."""
    from raysearch.leaderboard import Store
    from raysearch.search.study.recovery import recover_study

    plan = _plan(args)
    found = recover_study(plan, Store(plan.root).trials(), on_wait=_say)
    _say(_text(plan, found))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _plan(args: argparse.Namespace) -> SweepPlan:
    from raysearch.search.plan import SweepPlan, method_cells
    from raysearch.search.space.card import space_of

    root = absolute(args.root.rstrip("/"))
    card = _card(root)
    where = join(redacted(root), "sweep.json")
    name = checked_name(card["name"], f"`name` in {where}")
    space, seed = space_of(card, where)
    apart = is_uri(root) or args.results is not None
    if last_name(root) != name:
        raise ConfigError(
            f"ROOT must be where the sweep `{name}` was run, but {redacted(root)} has "
            f"another name: "
            f"move it back to one that ends in {name}"
        )
    return SweepPlan(
        name=name,
        folder=Path(args.results or "results") / name if apart else Path(root),
        space=space,
        cells=method_cells(space),
        study_url=args.study,
        storage=parent(root) if apart else "",
        seed=seed,
    )


def _card(root: str) -> dict[str, Any]:
    from raysearch.leaderboard import Store

    card = Store(root).card_fields()
    if card is None:
        raise StoreError(
            f"ROOT must be the folder or URI of a sweep, but {redacted(root)} has no sweep.json"
        )
    if not isinstance(card.get("name"), str):
        where = join(redacted(root), "sweep.json")
        raise StoreError(f"`{where}` must be what a sweep writes, but it has no name")
    return card


def _text(plan: SweepPlan, found: Recovery) -> str:
    ended = ", ".join(f"{found.ended[state]} {state}" for state in _STATES)
    total = sum(found.ended.values()) + found.open
    text = (
        f"recovered: {plan.name} with {total} configurations ({ended}, {found.open} to go on) in "
        f"{found.place}; go on with the same `raysearch sweep` command"
    )
    if found.empty:
        numbers = ", ".join(map(str, found.empty))
        text += f"\nnothing was left of the configurations {numbers}; their numbers stay empty"
    if plan.space.sampler == "cmaes":
        text += "\nthe sampler cmaes begins again from what is finished: its own state was lost"
    return text


_STATES = (RunState.COMPLETE, RunState.PRUNED, RunState.FAILED)
