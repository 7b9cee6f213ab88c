"""`raysearch plan SPACE`: estimates the trials, hours and cost of a sweep."""

from __future__ import annotations

import argparse
import sys

from raysearch import api, render
from raysearch.api.options import SweepOptions
from raysearch.cli.arguments import add_hardware, add_search, add_shared, given
from raysearch.cli.parsing import examples
from raysearch.render.output import write_json

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``plan``."""
    parser = commands.add_parser(
        "plan",
        help="say what a sweep will take: trials, hours, money",
        description="Say what a sweep will take, from earlier trials of the same method in "
        "--results and the prices in a cluster file. Takes the options of `sweep`; runs nothing.",
        epilog=examples(
            "raysearch plan carl --trials 100",
            "raysearch plan carl-emobank --cluster cluster.yaml --max-cost 20",
        ),
    )
    parser.add_argument(
        "method",
        metavar="SPACE",
        help="search space file, the name of one that comes with raysearch, or a method for its "
        "own: carl",
    )
    add_search(parser)
    add_hardware(parser)
    add_shared(parser, "--set", "--config", "--results", "--data-dir", "--format")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the estimate; without earlier trials, what is unknown and how to find out."""
    typed = given(args)
    found = api.estimate_sweep(SweepOptions(**typed), typed, args.messages)
    if args.format == "json":
        write_json(render.plan_record(found))
    else:
        sys.stdout.write(render.plan_text(found))
    return 0
