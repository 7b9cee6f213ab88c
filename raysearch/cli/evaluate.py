"""`raysearch evaluate`: evaluates finished trials on data that no selection saw."""

from __future__ import annotations

import argparse

from raysearch import api, render
from raysearch.api.options import EvaluateOptions
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples
from raysearch.render.output import write_json

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``evaluate``."""
    parser = commands.add_parser(
        "evaluate",
        help="read the test data once, for selected trials",
        description="Read the test data, once for each selected trial, and record it. With "
        "--oracle, read target dev of all complete trials instead, and show what selection on "
        "source data lost.",
        epilog=examples(
            "raysearch evaluate results/carl",
            "raysearch evaluate results/carl --trial 2 --trial 5",
            "raysearch evaluate results/msmo --oracle   # what selection on source data lost",
        ),
    )
    parser.add_argument("sweep", metavar="SWEEP", help="folder or URI, for example results/carl")
    parser.add_argument(
        "--trial",
        action="append",
        metavar="N",
        help="a trial's number, `best` (default; the best of each pair where each was searched "
        "by itself) or `all` (default with --oracle); repeatable",
    )
    parser.add_argument("--task", metavar="NAME", help="only cells of this corpus or pair")
    parser.add_argument(
        "--oracle", action="store_true", help="read target dev, which no selection may see"
    )
    parser.add_argument("--metric", help="what `best` means (default: the sweep's own goal)")
    add_shared(parser, "--data-dir", "--format", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate what was not evaluated before, and print all requested trials."""
    found = api.read_trials(EvaluateOptions(**given(args)), args.messages)
    if args.format == "json":
        write_json([api.reading_record(row) for row in found.rows])
        return 0
    console = render.Terminal()
    for part in api.readings_view(found):
        console.print(part)
    return 0
