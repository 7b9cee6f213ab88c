"""`raysearch compare A B`: is one configuration or sweep better than another, and how surely?"""

from __future__ import annotations

import argparse
import sys

from raysearch import api, render
from raysearch.cli.arguments import given
from raysearch.cli.parsing import examples
from raysearch.render.output import write_json

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``compare``."""
    parser = commands.add_parser(
        "compare",
        help="is one better than the other, and how surely",
        description="Compare two configurations cell by cell (task and seed): the mean "
        "difference with Student's interval, almost stochastic order, and, of two sweeps, the "
        "expected best against budget and whether tuning overshot. What cannot be concluded is "
        "said. Each side is SWEEP (its best), SWEEP:N, SWEEP:best or SWEEP:default (the paper's "
        "own setting, trial 0).",
        epilog=examples("raysearch compare results/carl results/carl:default"),
    )
    parser.add_argument("first", metavar="A", help="for example results/carl or results/carl:2")
    parser.add_argument("second", metavar="B", help="for example results/carl:default")
    parser.add_argument(
        "--metric",
        metavar="NAME[:min]",
        help="compare by this metric; test/… takes the results of evaluate (default: A's own "
        "goal, and its test metric where both were read)",
    )
    parser.add_argument("--task", metavar="NAME", help="only cells of this corpus or pair")
    parser.add_argument(
        "--level", type=float, default=0.95, metavar="X", help="of intervals (default: 0.95)"
    )
    parser.add_argument(
        "--format", choices=("text", "json", "latex"), default="text", help="default: text"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, and print the result in the requested format."""
    found = api.compare(**given(args), messages=args.messages)
    if args.format == "json":
        write_json(render.comparison_record(found))
    elif args.format == "latex":
        sys.stdout.write(render.comparison_latex(found))
    else:
        render.Terminal(piped=render.PIPED).print(render.ComparisonBoard(found))
    return 0
