"""Ranks the trials of one sweep or of all, as a table for Python or as a renderable."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow as pa
from rich.text import Text

from raysearch.analysis.correlation import ordered_settings, task_settings
from raysearch.analysis.selection import regrets
from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.api.trials import card_of, oracle_role
from raysearch.errors import ConfigError, RaysearchError, StoreError, known_names, quoted
from raysearch.leaderboard import Store, SweepCard, find_stores, rows_with
from raysearch.leaderboard.first_trial import beside_search
from raysearch.leaderboard.openings import counts_in, readings_of
from raysearch.leaderboard.origins import origins
from raysearch.leaderboard.tasks import rank_all, rankings
from raysearch.methods import METHODS, config_type, outside_methods
from raysearch.printable import printable
from raysearch.render.board import (
    Board,
    ParameterBoard,
    make_board,
    make_parameter_board,
    make_task_board,
)
from raysearch.render.readings import RegretTable, read_words
from raysearch.render.table_export import records, setting_records
from raysearch.storage.uri import redacted

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "BoardOptions",
    "board_of",
    "boards",
    "flat_records",
    "leaderboard",
    "left_out",
    "papers_of",
]

By = Literal["configuration", "pair", "parameter"]


@dataclass(frozen=True, kw_only=True)
class BoardOptions:
    """Options of the leaderboard: the keywords of `leaderboard`, and `regret`.

    Attributes:
        regret: Whether to show what selection on source data lost, by the oracle's evaluations.
        top: Number of rows; None for the default of the format.
    """

    path: Folder = "results"
    method: str | None = None
    task: str | None = None
    by: By | None = None
    regret: bool = False
    metric: str | None = None
    top: int | None = None

    def __post_init__(self) -> None:
        """Check that the options are compatible."""
        if self.by not in (None, *get_args(By)):
            raise ConfigError(
                f"`--by` must be one of {', '.join(get_args(By))}, but got {quoted(self.by)}"
            )
        if self.top is not None and self.top < 0:
            raise ConfigError(f"`--top` must be >= 0, but got {self.top}")
        if self.regret and self.by == "parameter":
            raise ConfigError(
                "`--by` must be pair or configuration with --regret, but got parameter"
            )
        if self.top is not None and (self.regret or self.by == "parameter"):
            whole = "--regret" if self.regret else "--by parameter"
            raise ConfigError(f"`--top` must be left out with {whole}, which shows all it has")


def leaderboard(
    path: Folder = "results",
    *,
    method: str | None = None,
    task: str | None = None,
    by: By | None = None,
    metric: str | None = None,
    top: int | None = None,
    messages: Messages = QUIET,
) -> pd.DataFrame:
    """The configurations of one sweep or of all, best first; also while they run.

    Args:
        path: A sweep's folder, a folder of sweeps, or a URI.
        metric: What ranks them, with ``:min`` where lower is better; None for the sweep's goal.
        method: Only trials of this method.
        task: Only cells of this corpus or pair.
        by: One row a configuration, a ranking within each pair, or a row for each pair and
            setting; None for the sweep's own.
        top: The first so many of each ranking; None or 0 for all, as it must be by parameter.
        messages: Where to note rows of mixed origin; what cannot be read is warned of.

    Returns:
        A row for each configuration: ``rank`` (missing where it is not ranked), ``sweep``,
        ``trial``, ``state``, ``mean``, ``sd``, ``seconds``, ``config/*``, ``metric/*``, and more.
        By parameter: ``sweep``, ``task``, its best ``trial`` and that one's ``score``, then
        ``setting``, its ``value`` there, the ``paper``'s, how it goes with the metric
        (``association``), by which ``measure``, and whether that is significant (``told``).
        What cannot be read is left out with a warning.

    Raises:
        StoreError: There is no leaderboard.

    >>> import raysearch
    >>> board = raysearch.leaderboard("results/one", metric="dev/va_pearson")
    >>> board[["rank", "trial", "state", "config/encoder"]]
       rank  trial     state config/encoder
    0     1      0  complete           tiny
    """
    import pandas as pd

    options = BoardOptions(
        path=path, method=method, task=task, by=by, metric=metric, top=top or None
    )
    rows, problems = flat_records(options, messages)
    for problem in problems:
        warnings.warn(printable(problem), stacklevel=2)
    board = pd.DataFrame(rows)
    return board.astype({"rank": "Int64"}) if "rank" in board else board


def flat_records(
    options: BoardOptions, messages: Messages = QUIET
) -> tuple[list[dict[str, Any]], list[str]]:
    """One record per configuration, or per pair and setting; and what cannot be read."""
    rows: list[dict[str, Any]] = []
    tables, problems = _tables(options)
    for store, table in tables:
        with left_out(store, problems, alone=len(tables) == 1):
            card = _card(options, store, table)
            sentences = _notes(table, card)
            if options.by == "parameter":
                rows += setting_records(table, card, papers_of(table), *task_settings(table, card))
            else:
                within = _view(options, card) == "pair"
                for ranking in rankings(table, card, within=within).values():
                    rows += records(ranking[: options.top or None], card.goal)
            for text in sentences:
                messages.note(f"{redacted(store.folder)}: {text}")
    return rows, problems


def boards(options: BoardOptions) -> tuple[list[Any], list[str]]:
    """A renderable of each sweep, and the reasons for those left out.

    Raises:
        StoreError: There is no leaderboard.
        ConfigError: No row is of the wanted method or task.
    """
    boards: list[Any] = []
    tables, problems = _tables(options)
    for store, table in tables:
        with left_out(store, problems, alone=len(tables) == 1):
            notes = _notes(table, _card(options, store, table))
            boards += [_board(options, store, table), *map(Text, notes)]
    return boards, problems


def _notes(table: pa.Table, card: SweepCard) -> tuple[str, ...]:
    """What rows that are ranked together differ in, beside what was searched."""
    searched = {item.name for item in card.ranges}
    return origins(table).sentences + beside_search(table, searched)


def _board(options: BoardOptions, store: Store, table: pa.Table) -> Any:
    """The requested view as a rich renderable."""
    card = _card(options, store, table)
    if options.regret:
        return _regret(options, store, card, table)
    view = _view(options, card)
    top = {"pair": 5, "configuration": 20}.get(view, 0) if options.top is None else options.top
    return board_of(table, card, view, top=top, papers=papers_of(table))


def board_of(
    table: pa.Table,
    card: SweepCard,
    by: By = "configuration",
    *,
    top: int = 0,
    papers: Mapping[str, Mapping[str, Any]] | None = None,
) -> Board | ParameterBoard:
    """The board of one sweep as a rich renderable.

    Args:
        table: Rows of *trials*.
        card: What ranks them, and how many cells make a configuration complete.
        by: As in `BoardOptions`.
        top: How many configurations to show, by pair of each; 0 for all.
        papers: Task to the paper's values of it, by setting.

    Raises:
        ConfigError: No row has the metric.
    """
    if by == "parameter":
        return make_parameter_board(table, card, papers or {}, *task_settings(table, card))
    if by == "pair":
        within = rankings(table, card, within=True)
        names = ordered_settings(list(within.values()), table)
        return make_task_board(table, card, within, names, top=top)
    ranking = rank_all(table, card)
    return make_board(table, card, ranking, ordered_settings([ranking], table), top=top)


def _regret(options: BoardOptions, store: Store, card: SweepCard, table: pa.Table) -> Any:
    role = oracle_role(str(table.column("method")[0].as_py()))
    readings = readings_of(store.folder, "oracle").table()
    if not readings.num_rows:
        raise StoreError(
            f"`--regret` must have evaluations on {role}, but {redacted(store.folder)} has none; "
            f"python -m raysearch evaluate {quote(redacted(store.folder))} --oracle makes them"
        )
    rows = regrets(table, readings, card, role, mode="per_task" if options.by == "pair" else None)
    return RegretTable(
        card.goal, role, rows, redacted(store.folder), read_words(counts_in(readings))
    )


def papers_of(table: pa.Table) -> dict[str, Mapping[str, Any]]:
    """The paper's values of each pair, if all rows are of one known method."""
    methods = set(table.column("method").to_pylist())
    if len(methods) != 1 or not methods <= {*METHODS, *outside_methods()}:
        return {}
    paper = config_type(methods.pop()).paper
    given = _given(table)
    return {task: paper(task, given) for task in dict.fromkeys(table.column("task").to_pylist())}


def _given(table: pa.Table) -> dict[str, Any]:
    """The settings that all rows have alike."""
    prefix = "config/"
    alike = {
        name.removeprefix(prefix): table.column(name).unique().to_pylist()
        for name in table.column_names
        if name.startswith(prefix)
    }
    return {name: values[0] for name, values in alike.items() if len(values) == 1}


def _view(options: BoardOptions, card: SweepCard) -> By:
    """The requested view, else the one that fits the sweep."""
    return options.by or ("pair" if card.alone and options.task is None else "configuration")


def _tables(options: BoardOptions) -> tuple[list[tuple[Store, pa.Table]], list[str]]:
    """The wanted rows of every sweep with any, and what could not be read."""
    tables: list[tuple[Store, pa.Table]] = []
    problems: list[str] = []
    stores = find_stores(str(options.path))
    for store in stores:
        with left_out(store, problems, alone=len(stores) == 1):
            contents = store.read()
            problems += contents.problems
            if contents.table.num_rows:
                tables.append((store, contents.table))
    for option, column in (("method", "method"), ("task", "task")):
        wanted = getattr(options, option)
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
    """Turn errors of reading a sweep inside the block into problems; raise them if `alone`."""
    try:
        yield
    except RaysearchError as error:
        if alone:
            raise
        problems.append(f"{redacted(store.folder)} is left out: {error}")


def _card(options: BoardOptions, store: Store, table: pa.Table) -> SweepCard:
    """The sweep's goal, and its number of cells per configuration."""
    card = card_of(store, options.metric, table)
    if options.task is not None:  # without the list of tasks, how many cells one has is not known
        cells = card.cells_of_task if card.tasks else 0
        return SweepCard(goal=card.goal, cells=cells)
    return card
