"""Exports a trial's encoder for transformers, its settings as YAML, or the board as a table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from raysearch import corpora
from raysearch.analysis.correlation import most_telling
from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.api.train import with_weights
from raysearch.api.trials import card_of, goal_of, select, settings_of, trials_of
from raysearch.errors import ConfigError, StoreError, quoted
from raysearch.leaderboard import Store
from raysearch.leaderboard.openings import readings_of
from raysearch.leaderboard.tasks import rankings, searched
from raysearch.methods import get_method, notes_of
from raysearch.methods.description import is_of_encoder
from raysearch.names import path_part
from raysearch.render.model_card import Exported, model_card, setting_yaml
from raysearch.render.table_export import board_text
from raysearch.run import Run
from raysearch.storage.uri import redacted
from raysearch.storage.whole import new_folder, unwritten
from raysearch.training.run import restore_method

__all__ = ["Export", "export"]

Form = Literal["model", "config", "latex", "markdown"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """Result of an export.

    Attributes:
        text: The settings as YAML or the table; empty for models.
        models: Folder to the trial whose encoder it holds.
    """

    text: str = ""
    models: Mapping[Path, Run] = field(default_factory=dict)


def export(
    trial: str,
    folder: Folder | None = None,
    *,
    form: Form = "model",
    task: str | None = None,
    seed: int | None = None,
    top: int | None = None,
    data_dir: Folder | None = None,
    messages: Messages = QUIET,
) -> Export:
    """Write a folder that transformers opens, or return settings or a leaderboard as text.

    Args:
        trial: ``SWEEP:N`` or ``SWEEP:best``; the sweep alone for a table.
        folder: To be made, of a model.
        form: What is wanted.
        task: Which pair, or ``all`` for a folder each; None for the only one.
        seed: Which cell; None for the first.
        top: Rows of a table, 0 for all; None for 10.
        data_dir: Folder of the corpora.
        messages: Where a trial is shown whose weights are trained again.

    Raises:
        ConfigError: An option does not go with the form, or there is no such trial.
        StoreError: The sweep has no rows, the folder cannot be written, or training the trial
            again gave other numbers.
    """
    options = {"task": task, "seed": seed, "data_dir": data_dir, "top": top}
    _check_options(form, options)
    if form == "latex" or form == "markdown":
        return Export(text=_table(trial, folder, form, 10 if top is None else top))
    if not all(trial.rpartition(":")[:2]):
        raise ConfigError(f"`TRIAL` must be SWEEP:N or SWEEP:best, but got {trial!r}")
    if form == "config":
        _check_no_folder(folder, form)
        return Export(text="".join(map(setting_yaml, _chosen(trial, task, seed))))
    target = _new(folder)
    chosen = _chosen(trial, task, seed)
    # A folder for each task, whose name may be anything, or DIR itself.
    places = [path_part(found.trial.cell.task) if task == "all" else "" for found in chosen]
    data, sweep = str(corpora.data_dir(data_dir)), trial.rpartition(":")[0]
    try:
        with new_folder(target) as content:
            for found, place in zip(chosen, places, strict=True):
                _write(found, sweep, content / place, data, messages)
    except OSError as error:
        raise StoreError(f"`{target}` must be written, but: {unwritten(error)}") from error
    written = zip(places, chosen, strict=True)
    return Export(models={target / place: found.trial for place, found in written})


def _check_options(form: Form, options: Mapping[str, object]) -> None:
    """Check that the form uses every given option."""
    if form not in get_args(Form):
        known = ", ".join(get_args(Form))
        raise ConfigError(f"`--as` must be one of {known}, but got {quoted(form)}")
    unread = {
        "model": ("top",),
        "config": ("top", "data_dir"),
        "latex": ("task", "seed", "data_dir"),
        "markdown": ("task", "seed", "data_dir"),
    }[form]
    problems = [
        f"`--{name.replace('_', '-')}` must be left out with --as {form}, which does not read it, "
        f"but got {options[name]}"
        for name in unread
        if options[name] is not None
    ]
    if problems:
        raise ConfigError(problems)


def _check_no_folder(folder: Folder | None, form: Form) -> None:
    if folder is not None:
        raise ConfigError(f"`DIR` must be left out with --as {form}, which goes to standard output")


def _new(folder: Folder | None) -> Path:
    """The folder to create."""
    if folder is None:
        raise ConfigError("`DIR` must name the folder to be made, but is missing")
    if os.path.lexists(folder):
        raise ConfigError(f"`DIR` must not exist yet, but {folder} does; name another folder")
    return Path(folder)


def _write(found: Exported, folder: str, target: Path, data: str, messages: Messages) -> None:
    """Write the trial's folder; trains it again if its weights were not kept."""
    spec, weights = with_weights(found.trial, folder, data, messages)
    method = restore_method(spec, weights.result, roles=("train", "dev"), data_dir=data)
    method.save_encoder(str(target))
    several = () if (target / "config.json").exists() else sorted(os.listdir(target))
    card = model_card(replace(found, folders=several))
    (target / "README.md").write_text(card, encoding="utf-8")
    (target / "raysearch.yaml").write_text(setting_yaml(found), encoding="utf-8")


def _table(sweep: str, folder: Folder | None, form: Literal["latex", "markdown"], top: int) -> str:
    """The board of one sweep."""
    _check_no_folder(folder, form)
    if top < 0:
        raise ConfigError(f"`--top` must be >= 0, but got {top}")
    store = Store(sweep)
    table = store.table()
    if not table.num_rows:
        raise StoreError(f"a sweep must have rows, but {redacted(sweep)} has none yet")
    card = card_of(store, None, table)
    found = rankings(table, card)
    names = most_telling(list(found.values()), searched(table))
    return board_text(table, card, found, names, form=form, top=top)


def _chosen(text: str, task: str | None, seed: int | None) -> list[Exported]:
    """The wanted row, or one of each task."""
    folder, _, number = text.rpartition(":")
    several = task == "all"
    cells = trials_of(folder, [number], task=None if several else task)
    tasks = list(dict.fromkeys(trial.cell.task for trial in cells))
    if len(tasks) > 1 and not several:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, or be all, because {text} has an "
            "encoder for each"
        )
    return [_of_task([t for t in cells if t.cell.task == one], text, seed) for one in tasks]


def _of_task(cells: Sequence[Run], text: str, seed: int | None) -> Exported:
    """The cell of the wanted seed, with its model card's content."""
    folder = text.rpartition(":")[0]
    trials = [trial for trial in cells if seed in (None, trial.cell.seed)]
    if not trials:
        known = ", ".join(str(trial.cell.seed) for trial in cells)
        raise ConfigError(f"`--seed` must be one of {known}, but got {seed}")
    trial = trials[0]
    keys = {cell.key for cell in cells}
    readings = [r for r in readings_of(folder).trials() if r.key in keys]
    goal = goal_of(folder, trial.method)
    best = text.endswith(":best")
    return Exported(
        trial=trial,
        cells=cells,
        readings={reading.cell: reading for reading in readings},
        goal=goal,
        settings=settings_of(trial.method, trial.config),
        folder=redacted(folder),
        among=select(text, goal=goal).side.among if goal and best else 0,
        holds=partial(is_of_encoder, get_method(trial.method), trial.config),
        notes=notes_of(trial.method),
    )
