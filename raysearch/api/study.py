"""Recovers a sweep's lost study from its rows, and shows a study in other tools."""

from __future__ import annotations

from dataclasses import dataclass
from os import fspath
from pathlib import Path
from typing import Any

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store
from raysearch.names import checked_name
from raysearch.search.plan import SweepPlan, method_cells
from raysearch.search.space.space import space_of
from raysearch.search.study.connection import file_url
from raysearch.search.study.recovery import Recovery, recover_study
from raysearch.storage.no_follow import check_no_link
from raysearch.storage.uri import absolute, is_uri, join, last_name, parent, redacted
from raysearch.storage.whole import unwritten

__all__ = ["Recovered", "dashboard", "recover"]


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """A recovered study.

    Attributes:
        name: The sweep's name.
        sampler: Of its search space.
        content: What the study holds.
    """

    name: str
    sampler: str
    content: Recovery


def recover(
    root: Folder, *, study: str = "", results: Folder | None = None, messages: Messages = QUIET
) -> Recovered:
    """Make a lost study anew from the rows, curves and begun trials of its sweep.

    Args:
        root: Folder or URI of the sweep.
        study: URL of the study's database, as the sweep has it; empty for a file of its own.
        results: As the sweep has it, where that has a storage too; None where `root` is its
            folder.
        messages: Where to note that another process is waited for.

    Raises:
        ConfigError: The sweep was moved to another name, or its space is none.
        StoreError: There is no such sweep, or its study is there.
    """
    plan = _plan(absolute(fspath(root).rstrip("/")), study, results)
    found = recover_study(plan, Store(plan.root).trials(), on_wait=messages.note)
    return Recovered(name=plan.name, sampler=plan.space.sampler, content=found)


def _plan(root: str, study: str, results: Folder | None) -> SweepPlan:
    card = _card(root)
    where = join(redacted(root), "sweep.json")
    name = checked_name(card["name"], f"`name` in {where}")
    space, seed = space_of(card, where)
    apart = is_uri(root) or results is not None
    if last_name(root) != name:
        raise ConfigError(
            f"ROOT must be where the sweep `{name}` was run, but {redacted(root)} has "
            f"another name: "
            f"move it back to one that ends in {name}"
        )
    return SweepPlan(
        name=name,
        folder=Path(results or "results") / name if apart else Path(root),
        space=space,
        cells=method_cells(space),
        study_url=study,
        storage=parent(root) if apart else "",
        seed=seed,
    )


def _card(root: str) -> dict[str, Any]:
    card = Store(root).card_fields()
    if card is None:
        raise StoreError(
            f"ROOT must be the folder or URI of a sweep, but {redacted(root)} has no sweep.json"
        )
    if not isinstance(card.get("name"), str):
        where = join(redacted(root), "sweep.json")
        raise StoreError(f"`{where}` must be what a sweep writes, but it has no name")
    return card


def dashboard(
    sweep: Folder,
    *,
    study: str = "",
    port: int = 8080,
    host: str = "127.0.0.1",
    tensorboard: Folder | None = None,
    messages: Messages = QUIET,
) -> int:
    """Serve optuna-dashboard on a sweep's study until Ctrl-C, or write curves for TensorBoard.

    Args:
        sweep: The sweep's folder; with `tensorboard` also a URI.
        study: URL of the study's database; empty for ``study.db`` in the sweep's folder.
        port: Of the dashboard.
        host: Who may look. The dashboard has no password and can delete a study.
        tensorboard: Folder that takes a run for each trial and cell, in place of a dashboard.
        messages: Where to note the dashboard's address.

    Returns:
        Runs that were written for TensorBoard; 0 after a dashboard.

    Raises:
        StoreError: There is no study or no trial, or the runs cannot be written.
        ConfigError: The dashboard is not installed, or its port is taken.
    """
    if tensorboard is not None:
        return _write(fspath(sweep), Path(tensorboard))
    _serve(fspath(sweep), study, port, host, messages)
    return 0


def _write(sweep: str, folder: Path) -> int:
    from raysearch.render.tensorboard import write_curves  # torch: 1.5 s

    store = Store(sweep)
    trials = store.trials() if store.exists() else []
    if not trials:
        raise StoreError(
            f"SWEEP must be a sweep's folder with finished trials, but {redacted(sweep)} has none"
        )
    try:
        return write_curves(trials, folder)
    except OSError as error:
        raise StoreError(
            f"`--tensorboard` must be a folder that can be written, but {folder}: "
            f"{unwritten(error)}"
        ) from error


def _serve(sweep: str, study: str, port: int, host: str, messages: Messages) -> None:
    try:
        from optuna_dashboard import run_server  # an extra that need not be installed
    except ImportError as error:
        raise ConfigError(
            "optuna-dashboard must be installed for `raysearch dashboard`, but is not: "
            "pip install 'raysearch[dashboard]'"
        ) from error
    url = study or _url(sweep)
    messages.note(f"the study is at http://{host}:{port}/ until Ctrl-C")
    try:
        run_server(url, host=host, port=port)
    except KeyboardInterrupt:
        return
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"`--port` must be free on {host}, but {port} is not ({error}); take another one"
        ) from error


def _url(sweep: str) -> str:
    """The study's database in the sweep's folder."""
    path = Path(sweep) / "study.db"
    if is_uri(sweep) or not path.is_file():
        raise StoreError(
            f"SWEEP must be the folder of a sweep that has its study in study.db, but "
            f"{redacted(sweep)} has none; name the study's database with --study"
        )
    check_no_link(path)
    return file_url(path)
