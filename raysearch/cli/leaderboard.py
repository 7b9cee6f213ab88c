"""`raysearch leaderboard [PATH|URI]`: the trials of one sweep or of all, best first."""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from raysearch import api, render
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, StoreError
from raysearch.render.output import as_it_is, write_json

__all__ = ["add_parser", "run"]

_PERIOD_SECONDS = 2.0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``leaderboard``."""
    parser = commands.add_parser(
        "leaderboard",
        help="the trials of a sweep, best first",
        description="Show the trials of a sweep, best first, also while it runs. Every row is "
        "one configuration: mean ± sd of the metric over its cells (task × seed).",
        epilog=examples(
            "raysearch leaderboard",
            "raysearch leaderboard results/carl --metric dev/va_spearman --top 5",
            "raysearch leaderboard results/msmo --by parameter",
            "raysearch leaderboard results --format csv > all.csv",
        ),
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
        "--by",
        choices=("configuration", "pair", "parameter"),
        help="one row a configuration over all pairs; a section a pair, ranked within it; or the "
        "best settings of each pair side by side, with the paper's (default: pair where each "
        "pair was searched by itself, else configuration)",
    )
    parser.add_argument(
        "--regret",
        action="store_true",
        help="what selection on source data lost, by the results of evaluate --oracle; with "
        "--by pair as if each pair selected for itself",
    )
    add_shared(parser, "--metric")
    parser.add_argument(
        "--top",
        type=int,
        metavar="N",
        help="show the first N of each sweep, or of each pair, 0 for all (default: 20, or 5 of "
        "each pair, in a table, all in csv and json)",
    )
    parser.add_argument(
        "--raw",
        action="store_true",
        help="with --format csv: texts as they are, also such as a spreadsheet or a terminal "
        "would run (default: quoted)",
    )
    parser.add_argument("--watch", action="store_true", help="show it anew every two seconds")
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="default: table"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print all readable sweeps.

    Returns:
        0, or 2 when some file could not be read; what it is goes to standard error.
    """
    options = api.BoardOptions(**given(args, "raw", "watch"))
    if args.format != "table" and args.regret:
        raise ConfigError(f"`--format` must be table with --regret, but got {args.format}")
    if args.raw and args.format != "csv":
        raise ConfigError(f"`--raw` must go with --format csv, but got {args.format}")
    if args.watch:
        return _watch(options, args.format)
    if args.format != "table":
        rows, problems = api.flat_records(options, args.messages)
        _write_rows(rows, as_json=args.format == "json", raw=args.raw)
        return _say(problems)
    found, problems = api.boards(options)
    if not found and not problems:
        raise StoreError(
            f"`{args.path}` has no finished trial yet; --watch waits for the first one"
        )
    console = render.Terminal(piped=render.PIPED)
    for index, board in enumerate(found):
        if index:
            console.print()
        console.print(board)
    return _say(problems)


def _watch(options: api.BoardOptions, form: str) -> int:
    """Redraw the boards until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    console = render.Terminal(piped=render.PIPED)
    if form != "table" or not console.is_terminal:
        raise ConfigError(
            "`--watch` must be used with a table on a terminal; without it the board is shown once"
        )
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                found, problems = api.boards(options)
                waiting = [] if found else [Text(f"no finished trial in {options.path} yet")]
                parts: list[Any] = [*found, *waiting, *(Text(text) for text in problems)]
                live.update(Group(*parts), refresh=True)
                time.sleep(_PERIOD_SECONDS)
        except KeyboardInterrupt:
            return 0


def _write_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, raw: bool) -> None:
    """Write one record per configuration, or per pair and setting, to standard output."""
    if as_json:
        write_json(rows)
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines: list[list[Any]] = [names, *([row.get(name) for name in names] for row in rows)]
    if not raw:
        lines = [list(map(render.spreadsheet_cell, line)) for line in lines]
    csv.writer(as_it_is() if raw else sys.stdout, lineterminator="\n").writerows(lines)


def _say(problems: Sequence[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"raysearch: {problem}\n")
    return 2 if problems else 0
