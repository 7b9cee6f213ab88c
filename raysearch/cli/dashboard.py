"""`raysearch dashboard SWEEP`: optuna-dashboard on the sweep's study, or curves for TensorBoard."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote

from raysearch import api
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples

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
        "sweep", metavar="SWEEP", help="the sweep's folder; with --tensorboard also a URI"
    )
    add_shared(parser, "--study")
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
    count = api.dashboard(**given(args), messages=replace(args.messages, note=_say))
    if args.tensorboard is not None:
        folder = quote(str(args.tensorboard))
        _say(f"wrote {count} runs; look at them with: tensorboard --logdir {folder}")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
