"""`raysearch evaluate`: readings of data that no selection saw, of finished trials."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from raysearch.api.options import EvaluateOptions
from raysearch.cli.arguments import add_data_dir, add_format, add_quiet, given
from raysearch.cli.parsing import examples
from raysearch.storage.uri import redacted

if TYPE_CHECKING:
    from raysearch.api.evaluate import Readings

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
    add_data_dir(parser)
    add_format(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read what was not read before; show all that was asked for."""
    from raysearch.api.evaluate import read_trials, reading_record

    found = read_trials(EvaluateOptions(**given(args)), args.messages)
    if args.format == "json":
        sys.stdout.write(json.dumps([reading_record(row) for row in found.rows], indent=1) + "\n")
    else:
        _show(found)
    return 0


def _show(found: Readings) -> None:
    from raysearch.analysis.regret import oracle_goal, regrets
    from raysearch.api.openings import named
    from raysearch.api.trials import goal_of
    from raysearch.leaderboard import Store
    from raysearch.leaderboard.openings import count_of, counts_in, readings_of
    from raysearch.render.readings import read_words, readings_table, worst_words
    from raysearch.render.regret import RegretTable
    from raysearch.render.terminal import Terminal

    folder, role, readings = found.folder, found.role, found.rows
    store = Store(folder)
    card = store.card()
    console = Terminal()
    if role != "test" and card is not None:
        table = readings_of(folder, "oracle").table()
        rows = regrets(store.table(), table, card, role)
        often = read_words(counts_in(table))
        console.print(RegretTable(card.goal, role, rows, redacted(folder), often))
        return
    goal = goal_of(folder, readings[0].method)
    first = goal.name.partition("/")[2] if goal else ""
    counts = [(reading.number, count_of(reading)) for reading in readings]
    title = f"test, {read_words(counts)}" if role == "test" else f"{named(role)}, an oracle"
    console.print(readings_table(readings, title=title, first=first))
    if card is not None and card.aggregate == "worst":
        for sentence in worst_words(readings, oracle_goal(card.goal, role)):
            console.print(sentence)
