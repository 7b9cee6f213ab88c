"""`raysearch recover ROOT`: a lost study, made anew from the rows of its sweep."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from raysearch import api
from raysearch.cli.arguments import given
from raysearch.cli.parsing import examples
from raysearch.run import RunState

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
    """Make the study, and say what it holds."""
    _say(_text(api.recover(**given(args), messages=replace(args.messages, note=_say))))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _text(recovered: api.Recovered) -> str:
    found = recovered.content
    ended = ", ".join(f"{found.ended[state]} {state}" for state in _STATES)
    total = sum(found.ended.values()) + found.open
    text = (
        f"recovered: {recovered.name} with {total} configurations ({ended}, {found.open} to go "
        f"on) in {found.place}; go on with the same `raysearch sweep` command"
    )
    if found.empty:
        numbers = ", ".join(map(str, found.empty))
        text += f"\nnothing was left of the configurations {numbers}; their numbers stay empty"
    if recovered.sampler == "cmaes":
        text += "\nthe sampler cmaes begins again from what is finished: its own state was lost"
    return text


_STATES = (RunState.COMPLETE, RunState.PRUNED, RunState.FAILED)
