"""`raysearch replay SWEEP:N`: is a row's number what training it again gives?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from raysearch.cli.arguments import add_data_dir, add_format, add_quiet
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError

__all__ = ["add_parser", "add_tolerance", "exit_code", "run", "tolerance_of"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``replay``."""
    parser = commands.add_parser(
        "replay",
        help="train a row again and say whether its numbers are the same",
        description="Train the cells of a trial again from what their rows say, and compare every "
        "number of every report. On the same kind of processor with the same versions they are "
        "equal bit for bit. Exit code 0: equal, or as close as another machine or version "
        "explains; 1: they differ beyond that; 2: not judged, because code, data or encoder are "
        "others.",
        epilog=examples("raysearch replay results/carl:2 --seed 0"),
    )
    parser.add_argument("row", metavar="ROW", help="SWEEP:N, for example results/carl:2")
    parser.add_argument("--task", metavar="NAME", help="only the cell of this corpus or pair")
    parser.add_argument("--seed", type=int, metavar="N", help="only the cell of this seed")
    add_tolerance(parser)
    add_format(parser)
    add_quiet(parser)
    add_data_dir(parser)
    parser.set_defaults(run=run)


def add_tolerance(parser: argparse.ArgumentParser) -> None:
    """``--tolerance``."""
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="X",
        help="largest difference that another machine or version may explain, relative for "
        "numbers above 1 (default: 0.01)",
    )


def run(args: argparse.Namespace) -> int:
    """Replay every wanted cell, one after the other."""
    from raysearch import corpora
    from raysearch.api.replay import replay
    from raysearch.api.select import rows_of
    from raysearch.render.replay import replay_record, replay_sentences

    tolerance = tolerance_of(args)
    _, rows = rows_of(args.row, task=args.task, seed=args.seed)
    data_dir = str(corpora.data_dir(args.data_dir))
    found = []
    for row in rows:
        done = replay(row, data_dir, tolerance=tolerance, quiet=args.quiet or args.format == "json")
        found.append(done)
        if args.format == "text":
            sys.stdout.write("\n".join(replay_sentences(done)) + "\n")
    if args.format == "json":
        json.dump([replay_record(done) for done in found], sys.stdout, indent=1)
        sys.stdout.write("\n")
    return exit_code([done.outcome for done in found])


def tolerance_of(args: argparse.Namespace) -> float:
    """The value of ``--tolerance``.

    Raises:
        ConfigError: It is below 0 or not a number.
    """
    from raysearch.analysis.replay import TOLERANCE

    if args.tolerance is None:
        return TOLERANCE
    if not args.tolerance >= 0:
        raise ConfigError(f"`--tolerance` must be >= 0, but got {args.tolerance}")
    return float(args.tolerance)


def exit_code(outcomes: Sequence[str]) -> int:
    """1 where some row differs, else 2 where some could not be judged, else 0."""
    if "differs" in outcomes:
        return 1
    return 2 if "not judged" in outcomes else 0
