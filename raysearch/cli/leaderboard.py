"""`raysearch leaderboard [PATH|URI]`: the trials of one sweep or of all, best first."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raysearch.errors import ConfigError, StoreError, known_names

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

    from raysearch.leaderboard import Store
    from raysearch.render.table import Board
    from raysearch.trial import MetricGoal

__all__ = ["add_parser", "run"]

_PIPED_WIDTH = 160
_PERIOD_SECONDS = 2.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``leaderboard``."""
    parser = commands.add_parser(
        "leaderboard",
        help="the trials of a sweep, best first",
        description="Show the trials of a sweep, best first, also while it runs. Every row is "
        "one configuration: mean ± sd of the metric over its cells (task × seed).",
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default="results",
        help="a sweep's folder, a folder of sweeps, or a URI such as s3://bucket/results "
        "(default: results)",
    )
    parser.add_argument("--method", metavar="NAME", help="only trials of this method")
    parser.add_argument("--task", metavar="NAME", help="only cells of this corpus or pair")
    parser.add_argument(
        "--metric",
        metavar="NAME[:min]",
        help="rank by this metric; :min where lower is better (default: the sweep's own goal)",
    )
    parser.add_argument(
        "--top",
        type=int,
        metavar="N",
        help="show the first N of each sweep, 0 for all (default: 20 in a table, all in csv "
        "and json)",
    )
    parser.add_argument("--watch", action="store_true", help="show it anew every two seconds")
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="default: table"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show what can be read.

    Returns:
        0, or 2 when some file could not be read; what it is goes to standard error.
    """
    if args.top is not None and args.top < 0:
        raise ConfigError(f"`--top` must be >= 0, but got {args.top}")
    if args.watch:
        return _watch(args)
    if args.format != "table":
        return _export(args)
    boards, problems = _boards(args)
    if not boards and not problems:
        raise StoreError(
            f"`{args.path}` has no finished trial yet; --watch waits for the first one"
        )
    console = _console()
    for index, board in enumerate(boards):
        if index:
            console.print()
        console.print(board)
    return _say(problems)


def _watch(args: argparse.Namespace) -> int:
    """Show the boards anew until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    console = _console()
    if args.format != "table" or not console.is_terminal:
        raise ConfigError(
            "`--watch` must be used with a table on a terminal; without it the board is shown once"
        )
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                boards, problems = _boards(args)
                waiting = [] if boards else [Text(f"no finished trial in {args.path} yet")]
                parts: list[Any] = [*boards, *waiting, *(Text(text) for text in problems)]
                live.update(Group(*parts), refresh=True)
                time.sleep(_PERIOD_SECONDS)
        except KeyboardInterrupt:
            return 0


def _export(args: argparse.Namespace) -> int:
    """Write one record a configuration, of all sweeps, to standard output."""
    from raysearch.leaderboard import rank, records

    rows: list[dict[str, Any]] = []
    tables, problems = _tables(args)
    for store, table in tables:
        goal, cells = _goal(args, store)
        rows += records(rank(table, goal, cells=cells)[: args.top or None], goal)
    if args.format == "json":
        clean = [{name: _json_value(value) for name, value in row.items()} for row in rows]
        json.dump(clean, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(sys.stdout, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return _say(problems)


def _boards(args: argparse.Namespace) -> tuple[list[Board], list[str]]:
    from raysearch.render.table import make_board

    top = 20 if args.top is None else args.top
    boards = []
    tables, problems = _tables(args)
    for store, table in tables:
        goal, cells = _goal(args, store)
        boards.append(make_board(table, goal, cells=cells, top=top))
    return boards, problems


def _tables(args: argparse.Namespace) -> tuple[list[tuple[Store, pa.Table]], list[str]]:
    """The wanted rows of every sweep that has any, and what could not be read.

    Raises:
        ConfigError: No row is of the wanted method or task.
    """
    from raysearch.leaderboard import find_stores, rows_with

    tables: list[tuple[Store, pa.Table]] = []
    problems: list[str] = []
    for store in find_stores(args.path):
        contents = store.read()
        problems += contents.problems
        if contents.table.num_rows:
            tables.append((store, contents.table))
    for option, column in (("method", "method"), ("task", "task")):
        wanted = getattr(args, option)
        if wanted is None or not tables:
            continue
        known = {name for _, table in tables for name in table.column(column).to_pylist()}
        if wanted not in known:
            raise ConfigError(
                f"`--{option}` must be one of these trials', but got {wanted!r}; "
                f"{known_names(list(known))}"
            )
        tables = [(store, rows_with(table, column, wanted)) for store, table in tables]
        tables = [(store, table) for store, table in tables if table.num_rows]
    return tables, problems


def _goal(args: argparse.Namespace, store: Store) -> tuple[MetricGoal, int]:
    """What ranks a sweep's trials, and how many cells make one complete."""
    from raysearch.leaderboard import load_goal

    goal = load_goal(store.folder, args.metric)
    card = store.card() if args.metric is None else None
    return goal, card.cells if card and args.task is None else 0


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=_PIPED_WIDTH)
    return console


def _say(problems: Sequence[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"raysearch: {problem}\n")
    return 2 if problems else 0


def _json_value(value: Any) -> Any:
    """JSON has no NaN: what is not a finite number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
