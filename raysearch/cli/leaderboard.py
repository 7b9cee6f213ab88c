"""`raysearch leaderboard [PATH|URI]`: the trials of one sweep or of all, best first."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from shlex import quote
from typing import TYPE_CHECKING, Any

from raysearch.cli.output import as_it_is
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, RaysearchError, StoreError, known_names
from raysearch.storage.place import redacted

if TYPE_CHECKING:
    import pyarrow as pa

    from raysearch.leaderboard import Ranking, Store, SweepCard

__all__ = ["add_parser", "flat_records", "left_out", "papers_of", "run"]

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
        help="what selection on source data lost, by the readings of evaluate --oracle; with "
        "--by pair as if each pair selected for itself",
    )
    parser.add_argument(
        "--metric",
        metavar="NAME[:min]",
        help="rank by this metric; :min where lower is better (default: the sweep's own goal)",
    )
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
    """Show what can be read.

    Returns:
        0, or 2 when some file could not be read; what it is goes to standard error.
    """
    _check_view(args)
    if args.format != "table" and args.regret:
        raise ConfigError(f"`--format` must be table with --regret, but got {args.format}")
    if args.raw and args.format != "csv":
        raise ConfigError(f"`--raw` must go with --format csv, but got {args.format}")
    if args.watch:
        return _watch(args)
    if args.format != "table":
        return _export(args)
    from raysearch.render.terminal import PIPED, Terminal

    boards, problems = _boards(args)
    if not boards and not problems:
        raise StoreError(
            f"`{args.path}` has no finished trial yet; --watch waits for the first one"
        )
    console = Terminal(piped=PIPED)
    for index, board in enumerate(boards):
        if index:
            console.print()
        console.print(board)
    return _say(problems)


def _check_view(args: argparse.Namespace) -> None:
    if args.top is not None and args.top < 0:
        raise ConfigError(f"`--top` must be >= 0, but got {args.top}")
    if args.regret and args.by == "parameter":
        raise ConfigError("`--by` must be pair or configuration with --regret, but got parameter")
    if args.top is not None and (args.regret or args.by == "parameter"):
        whole = "--regret" if args.regret else "--by parameter"
        raise ConfigError(f"`--top` must be left out with {whole}, which shows all it has")


def _watch(args: argparse.Namespace) -> int:
    """Show the boards anew until Ctrl-C."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from raysearch.render.terminal import PIPED, Terminal

    console = Terminal(piped=PIPED)
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
    """Write one record a configuration, or a pair and setting, to standard output."""
    rows, problems = flat_records(args)
    if args.format == "json":
        clean = [{name: _json_value(value) for name, value in row.items()} for row in rows]
        json.dump(clean, sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        _write_csv(rows, raw=args.raw)
    return _say(problems)


def _write_csv(rows: Sequence[Mapping[str, Any]], *, raw: bool) -> None:
    from raysearch.analysis.export import spreadsheet_cell

    names = list(dict.fromkeys(name for row in rows for name in row))
    lines: list[list[Any]] = [names, *([row.get(name) for name in names] for row in rows)]
    if not raw:
        lines = [list(map(spreadsheet_cell, line)) for line in lines]
    csv.writer(as_it_is() if raw else sys.stdout, lineterminator="\n").writerows(lines)


def flat_records(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """One record a configuration, or a pair and setting, of all sweeps; what cannot be read."""
    from raysearch.analysis.export import records, setting_records
    from raysearch.leaderboard.origins import origins

    _check_view(args)
    rows: list[dict[str, Any]] = []
    tables, problems = _tables(args)
    for store, table in tables:
        with left_out(store, problems, alone=len(tables) == 1):
            sentences = origins(table).sentences
            card = _card(args, store, table)
            if args.by == "parameter":
                rows += setting_records(table, card, papers_of(table))
            else:
                for ranking in _rankings(args, card, table):
                    rows += records(ranking[: args.top or None], card.goal)
            sys.stderr.writelines(f"{redacted(store.folder)}: {text}\n" for text in sentences)
    return rows, problems


def _rankings(args: argparse.Namespace, card: SweepCard, table: pa.Table) -> list[Ranking]:
    """One ranking a pair, or one over all, as the table has it."""
    from raysearch.leaderboard import rank_tasks
    from raysearch.leaderboard.tasks import rank_all

    if _view(args, card) == "pair":
        found = rank_tasks(table, card.goal, cells=card.cells_of_task, order=card.tasks)
        return list(found.values())
    return [rank_all(table, card)]


def _boards(args: argparse.Namespace) -> tuple[list[Any], list[str]]:
    """What to print of each sweep, and what could not be read."""
    from rich.text import Text

    from raysearch.leaderboard.origins import origins

    boards: list[Any] = []
    tables, problems = _tables(args)
    for store, table in tables:
        with left_out(store, problems, alone=len(tables) == 1):
            boards += [_board(args, store, table), *map(Text, origins(table).sentences)]
    return boards, problems


def _board(args: argparse.Namespace, store: Store, table: pa.Table) -> Any:
    """The view that was asked for, as something that rich prints."""
    from raysearch.render.board import make_board, make_task_board
    from raysearch.render.parameters import make_parameter_board

    card = _card(args, store, table)
    if args.regret:
        return _regret(args, store, card, table)
    view = _view(args, card)
    if view == "parameter":
        return make_parameter_board(table, card, papers_of(table))
    if view == "pair":
        return make_task_board(table, card, top=5 if args.top is None else args.top)
    return make_board(table, card, top=20 if args.top is None else args.top)


def _regret(args: argparse.Namespace, store: Store, card: SweepCard, table: pa.Table) -> Any:
    from raysearch.analysis.regret import regrets
    from raysearch.api.restore import oracle_role
    from raysearch.leaderboard.openings import counts_in, readings_of
    from raysearch.render.readings import read_words
    from raysearch.render.regret import RegretTable

    role = oracle_role(str(table.column("method")[0].as_py()))
    readings = readings_of(store.folder, "oracle").table()
    if not readings.num_rows:
        raise StoreError(
            f"`--regret` must have readings of {role}, but {redacted(store.folder)} has none; "
            f"python -m raysearch evaluate {quote(redacted(store.folder))} --oracle makes them"
        )
    rows = regrets(table, readings, card, role, mode="per_task" if args.by == "pair" else None)
    return RegretTable(
        card.goal, role, rows, redacted(store.folder), read_words(counts_in(readings))
    )


def papers_of(table: pa.Table) -> dict[str, Mapping[str, Any]]:
    """The paper's values of each pair, where all rows are of one method that is known."""
    from raysearch.methods import METHODS, config_type
    from raysearch.methods.plugins import outside_methods

    methods = set(table.column("method").to_pylist())
    if len(methods) != 1 or not methods <= {*METHODS, *outside_methods()}:
        return {}
    paper = config_type(methods.pop()).paper
    return {task: paper(task) for task in dict.fromkeys(table.column("task").to_pylist())}


def _view(args: argparse.Namespace, card: SweepCard) -> str:
    """What was asked for, else what the sweep was made for."""
    alone = card.mode == "per_task" and len(card.tasks) > 1 and args.task is None
    return str(args.by or ("pair" if alone else "configuration"))


def _tables(args: argparse.Namespace) -> tuple[list[tuple[Store, pa.Table]], list[str]]:
    """The wanted rows of every sweep that has any, and what could not be read.

    Raises:
        ConfigError: No row is of the wanted method or task.
    """
    from raysearch.leaderboard import find_stores, rows_with

    tables: list[tuple[Store, pa.Table]] = []
    problems: list[str] = []
    stores = find_stores(args.path)
    for store in stores:
        with left_out(store, problems, alone=len(stores) == 1):
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


@contextmanager
def left_out(store: Store, problems: list[str], *, alone: bool) -> Iterator[None]:
    """Inside the block a sweep is read; among several, one that cannot be is a problem.

    Args:
        store: The sweep.
        problems: Takes why it is left out.
        alone: Whether there is no other sweep, so that the error is raised.
    """
    try:
        yield
    except RaysearchError as error:
        if alone:
            raise
        problems.append(f"{redacted(store.folder)} is left out: {error}")


def _card(args: argparse.Namespace, store: Store, table: pa.Table) -> SweepCard:
    """What ranks a sweep's trials, and how many cells make one complete."""
    from raysearch.api.restore import card_of
    from raysearch.leaderboard import SweepCard

    card = card_of(store, args.metric, table)
    if args.task is not None:  # without the list of tasks, how many cells one has is not known
        cells = card.cells_of_task if card.tasks else 0
        return SweepCard(goal=card.goal, cells=cells)
    return card


def _say(problems: Sequence[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"raysearch: {problem}\n")
    return 2 if problems else 0


def _json_value(value: Any) -> Any:
    """JSON has no NaN: what is not a finite number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
