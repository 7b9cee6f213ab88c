"""The study of a sweep in optuna-dashboard, or its learning curves for TensorBoard."""

from __future__ import annotations

from os import fspath
from pathlib import Path

from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder
from raysearch.errors import ConfigError, StoreError
from raysearch.leaderboard import Store
from raysearch.render.tensorboard import write_curves
from raysearch.search.study.connection import file_url
from raysearch.storage.no_follow import check_no_link
from raysearch.storage.uri import is_uri, redacted
from raysearch.storage.whole import unwritten

__all__ = ["dashboard"]


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
    """The study's database in the sweep's folder.

    Raises:
        StoreError: There is none.
    """
    path = Path(sweep) / "study.db"
    if is_uri(sweep) or not path.is_file():
        raise StoreError(
            f"SWEEP must be the folder of a sweep that has its study in study.db, but "
            f"{redacted(sweep)} has none; name the study's database with --study"
        )
    check_no_link(path)
    return file_url(path)
