"""`raysearch dashboard SWEEP`: optuna-dashboard on the sweep's study, or curves for TensorBoard."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from shlex import quote

from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, StoreError
from raysearch.storage.no_follow import check_no_link
from raysearch.storage.place import is_uri, redacted
from raysearch.storage.whole import unwritten

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``dashboard``."""
    parser = commands.add_parser(
        "dashboard",
        help="optuna-dashboard on a sweep's study, or its curves for TensorBoard",
        description="Open optuna-dashboard on a sweep's study, also while it runs, until Ctrl-C. "
        "With --tensorboard, write the learning curves as TensorBoard reads them instead.",
        epilog=examples("raysearch dashboard results/carl"),
    )
    parser.add_argument(
        "sweep",
        metavar="SWEEP",
        help="the sweep's folder; with --tensorboard also a URI",
    )
    parser.add_argument(
        "--study",
        metavar="URL",
        default="",
        help="database of the study, as the sweep has it (default: study.db in its folder)",
    )
    parser.add_argument("--port", type=int, default=8080, help="default: 8080")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="who may look: this machine's users (default: 127.0.0.1), or 0.0.0.0 for whoever "
        "reaches it; the dashboard has no password and can delete a study",
    )
    parser.add_argument(
        "--tensorboard",
        metavar="DIR",
        type=Path,
        help="write a run per trial and cell into this folder, and open no dashboard",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the curves, or serve the study until Ctrl-C."""
    return _serve(args) if args.tensorboard is None else _write(args)


def _write(args: argparse.Namespace) -> int:
    from raysearch.leaderboard import Store
    from raysearch.render.tensorboard import write_curves

    store = Store(args.sweep)
    trials = store.trials() if store.exists() else []
    if not trials:
        raise StoreError(
            f"SWEEP must be a sweep's folder with finished trials, but "
            f"{redacted(args.sweep)} has none"
        )
    try:
        count = write_curves(trials, args.tensorboard)
    except OSError as error:
        raise StoreError(
            f"`--tensorboard` must be a folder that can be written, but {args.tensorboard}: "
            f"{unwritten(error)}"
        ) from error
    folder = quote(str(args.tensorboard))
    sys.stdout.write(f"wrote {count} runs; look at them with: tensorboard --logdir {folder}\n")
    return 0


def _serve(args: argparse.Namespace) -> int:
    try:
        from optuna_dashboard import run_server
    except ImportError as error:
        raise ConfigError(
            "optuna-dashboard must be installed for `raysearch dashboard`, but is not: "
            "pip install 'raysearch[dashboard]'"
        ) from error
    url = args.study or _url(args.sweep)
    sys.stdout.write(f"the study is at http://{args.host}:{args.port}/ until Ctrl-C\n")
    sys.stdout.flush()
    try:
        run_server(url, host=args.host, port=args.port)
    except KeyboardInterrupt:
        return 0
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"`--port` must be free on {args.host}, but {args.port} is not ({error}); "
            "take another one"
        ) from error
    return 0


def _url(sweep: str) -> str:
    """The study's database in the sweep's folder.

    Raises:
        StoreError: There is none.
    """
    from raysearch.search.study.server import file_url

    path = Path(sweep) / "study.db"
    if is_uri(sweep) or not path.is_file():
        raise StoreError(
            f"SWEEP must be the folder of a sweep that has its study in study.db, but "
            f"{redacted(sweep)} has none; name the study's database with --study"
        )
    check_no_link(path)
    return file_url(path)
