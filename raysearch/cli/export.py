"""`raysearch export`: a trial's encoder for transformers, its settings, or the board as a table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.cli.arguments import add_data_dir, add_quiet
from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, StoreError
from raysearch.names import path_part
from raysearch.storage.new_folder import new_folder
from raysearch.storage.place import redacted
from raysearch.storage.whole import unwritten

if TYPE_CHECKING:
    from raysearch.render.model_card import Exported
    from raysearch.run import Run

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``export``."""
    parser = commands.add_parser(
        "export",
        help="write a trial's encoder for transformers, or the board for a paper",
        description="Write a folder that transformers opens, with a model card (data, licences, "
        "scores, provenance) and the settings as YAML; or, on standard output, the settings "
        "alone, or the leaderboard as a LaTeX or Markdown table.",
        epilog=examples(
            "raysearch export results/carl:best my-encoder",
            "raysearch export results/carl --as latex > board.tex",
        ),
    )
    parser.add_argument(
        "trial", metavar="TRIAL", help="SWEEP:N or SWEEP:best; SWEEP alone for a table"
    )
    parser.add_argument(
        "dir", metavar="DIR", type=Path, nargs="?", help="folder to be made, of a model"
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("model", "config", "latex", "markdown"),
        default="model",
        help="default: model",
    )
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="which pair, or all for a folder each (default: the only one)",
    )
    parser.add_argument("--seed", type=int, help="which cell (default: the first)")
    parser.add_argument(
        "--top", type=int, metavar="N", help="rows of a table, 0 for all (default: 10)"
    )
    add_data_dir(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write what was asked for."""
    _check_options(args)
    if args.form in ("latex", "markdown"):
        return _table(args)
    folder, colon, number = args.trial.rpartition(":")
    if not colon or not folder:
        raise ConfigError(f"`TRIAL` must be SWEEP:N or SWEEP:best, but got {args.trial!r}")
    if args.form == "config":
        return _config(args, folder, number)
    if args.dir is None:
        raise ConfigError("`DIR` must name the folder to be made, but is missing")
    if os.path.lexists(args.dir):
        raise ConfigError(f"`DIR` must not exist yet, but {args.dir} does; name another folder")
    chosen = _chosen(args, folder, number)
    # A folder for each task, whose name may be anything, or DIR itself.
    places = [path_part(found.trial.cell.task) if args.task == "all" else "" for found in chosen]
    try:
        with new_folder(args.dir) as content:
            for found, place in zip(chosen, places, strict=True):
                _write(found, folder, content / place, args.data_dir)
    except OSError as error:
        raise StoreError(f"`{args.dir}` must be written, but: {unwritten(error)}") from error
    for found, place in zip(chosen, places, strict=True):
        _say(found, args.dir / place)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """An option that the form does not read would be ignored: each is said."""
    table = args.form in ("latex", "markdown")
    unread = ("task", "seed", "data_dir") if table else ("top",)
    if args.form == "config":
        unread = (*unread, "data_dir")
    problems = [
        f"`--{name.replace('_', '-')}` must be left out with --as {args.form}, which does not read "
        f"it, but got {getattr(args, name)}"
        for name in unread
        if getattr(args, name) is not None
    ]
    if problems:
        raise ConfigError(problems)


def _write(found: Exported, folder: str, target: Path, data_dir: str | None) -> None:
    """Restore the trial, training it again if its weights were not kept, and write its folder."""
    from raysearch import corpora
    from raysearch.api.restore import with_weights
    from raysearch.render.model_card import model_card, setting_yaml
    from raysearch.training.run import restore_method

    data = str(corpora.data_dir(data_dir))
    lease, weights = with_weights(found.trial, folder, data)
    method = restore_method(lease, weights.result, roles=("train", "dev"), data_dir=data)
    method.save_encoder(str(target))
    (target / "README.md").write_text(model_card(found), encoding="utf-8")
    (target / "raysearch.yaml").write_text(setting_yaml(found), encoding="utf-8")


def _say(found: Exported, target: Path) -> None:
    sys.stdout.write(
        f"wrote the encoder of trial {found.trial.id} to {target}\n"
        f"open it with: transformers.AutoModel.from_pretrained({str(target)!r})\n"
        f"what it is: {target / 'README.md'}; its settings: {target / 'raysearch.yaml'}\n"
    )


def _config(args: argparse.Namespace, folder: str, number: str) -> int:
    from raysearch.render.model_card import setting_yaml

    if args.dir is not None:
        raise ConfigError("`DIR` must be left out with --as config, which goes to standard output")
    for found in _chosen(args, folder, number):
        sys.stdout.write(setting_yaml(found))
    return 0


def _table(args: argparse.Namespace) -> int:
    """The board of one sweep."""
    from raysearch.leaderboard import Store, load_card
    from raysearch.render.table_export import board_text

    if args.dir is not None:
        raise ConfigError(
            f"`DIR` must be left out with --as {args.form}, which goes to standard output"
        )
    top = 10 if args.top is None else args.top
    if top < 0:
        raise ConfigError(f"`--top` must be >= 0, but got {top}")
    card, table = load_card(args.trial), Store(args.trial).table()
    if not table.num_rows:
        raise StoreError(f"a sweep must have rows, but {redacted(args.trial)} has none yet")
    sys.stdout.write(board_text(table, card, form=args.form, top=top))
    return 0


def _chosen(args: argparse.Namespace, folder: str, number: str) -> list[Exported]:
    """The wanted row, or one of each task."""
    from raysearch.api.restore import trials_of

    several = args.task == "all"
    cells = trials_of(folder, [number], task=None if several else args.task)
    tasks = list(dict.fromkeys(trial.cell.task for trial in cells))
    if len(tasks) > 1 and not several:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, or be all, because {args.trial} has an "
            "encoder for each"
        )
    return [_of_task([t for t in cells if t.cell.task == task], args, folder) for task in tasks]


def _of_task(cells: Sequence[Run], args: argparse.Namespace, folder: str) -> Exported:
    """The cell of the wanted seed, with what its card says.

    Raises:
        ConfigError: No cell has the seed.
    """
    from raysearch.api.restore import goal_of, settings_of
    from raysearch.api.select import select
    from raysearch.leaderboard.openings import readings_of
    from raysearch.render.model_card import Exported

    trials = [trial for trial in cells if args.seed in (None, trial.cell.seed)]
    if not trials:
        known = ", ".join(str(trial.cell.seed) for trial in cells)
        raise ConfigError(f"`--seed` must be one of {known}, but got {args.seed}")
    trial = trials[0]
    keys = {cell.key for cell in cells}
    readings = [r for r in readings_of(folder).trials() if r.key in keys]
    goal = goal_of(folder, trial.method)
    best = args.trial.endswith(":best")
    return Exported(
        trial=trial,
        cells=cells,
        readings={reading.cell: reading for reading in readings},
        goal=goal,
        settings=settings_of(trial.method, trial.config),
        folder=redacted(folder),
        among=select(args.trial, goal=goal).side.among if goal and best else 0,
        holds=_holding(trial.method),
    )


def _holding(method: str) -> Callable[[str], bool]:
    """Which metrics of a method are those of the exported weights; all where it does not say."""
    from raysearch.methods import get_method
    from raysearch.methods.description import OfEncoder

    loader = get_method(method)
    return loader.of_encoder if isinstance(loader, OfEncoder) else lambda metric: True
