"""A sweep's study: `raysearch dashboard` shows it, `raysearch recover` makes a lost one anew."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote

from raysearch import api
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples
from raysearch.printable import counted, plural
from raysearch.run import RunState

__all__ = ["add_parser", "dashboard", "recover"]

_ENDS = (RunState.COMPLETE, RunState.PRUNED, RunState.FAILED)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``dashboard`` and ``recover``."""
    _add_dashboard(commands)
    _add_recover(commands)


def _add_recover(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``recover``."""
    parser = commands.add_parser(
        "recover",
        help="make a sweep's lost study anew from its rows",
        description="Make a lost study anew from the rows, curves and begun trials of its sweep; "
        "the same `raysearch sweep` command then continues. A study that is there stays as it is.",
        epilog=examples(
            "raysearch recover results/carl",
            "raysearch recover s3://bucket/sweeps/carl --results results",
        ),
    )
    parser.add_argument("root", metavar="ROOT", help="folder or URI of the sweep")
    parser.add_argument(
        "--study", default="", metavar="URL", help="database of the study, as the sweep has it"
    )
    parser.add_argument(
        "--results",
        metavar="DIR",
        help="as the sweep has it, where that has --storage too (default: ROOT is the folder)",
    )
    parser.set_defaults(run=recover)


def recover(args: argparse.Namespace) -> int:
    """Recover the study, and print what it holds."""
    _say(_text(api.recover(**given(args), messages=replace(args.messages, note=_say))))
    return 0


def _text(recovered: api.Recovered) -> str:
    found = recovered.content
    ended = ", ".join(f"{found.ended[state]} {state}" for state in _ENDS)
    total = sum(found.ended.values()) + found.open
    text = (
        f"recovered: {recovered.name} with {counted(total, 'configuration')} ({ended}, "
        f"{found.open} to "
        f"continue) in {found.url}; continue with the same `raysearch sweep` command"
    )
    if found.empty:
        numbers = ", ".join(map(str, found.empty))
        text += f"\nnothing was left of the configurations {numbers}; their numbers stay empty"
    if recovered.sampler == "cmaes":
        text += "\nthe sampler cmaes begins again from what is finished: its own state was lost"
    return text


def _add_dashboard(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    parser.set_defaults(run=dashboard)


def dashboard(args: argparse.Namespace) -> int:
    """Write the curves, or serve the study until Ctrl-C."""
    count = api.dashboard(**given(args), messages=replace(args.messages, note=_say))
    if args.tensorboard is not None:
        folder = quote(str(args.tensorboard))
        _say(
            f"wrote {counted(count, 'run')}; look at {plural(count, 'it', 'them')} with: "
            f"tensorboard --logdir {folder}"
        )
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
