"""`raysearch sweep METHOD`: runs or continues a search, with its live leaderboard."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from raysearch import api
from raysearch.api.options import SweepOptions
from raysearch.cli.arguments import add_hardware, add_search, add_shared, given
from raysearch.cli.parsing import examples
from raysearch.cli.remote import watch
from raysearch.cluster.ray_version import check_ray
from raysearch.events import Event, EventKind
from raysearch.storage.uri import redacted

__all__ = ["JsonView", "add_parser", "run"]

_WORTH_TELLING = 0.02
"""A run's share must have grown by so much: at most 50 lines a run."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``sweep``."""
    parser = commands.add_parser(
        "sweep",
        help="search hyper-parameters; the same command continues where it ended",
        description="Search a method's hyper-parameters. The paper's own setting is trial 0. "
        "Running the same command again continues the sweep.",
        epilog=examples(
            "raysearch sweep carl",
            "raysearch sweep carl --trials 64 --time 30m --set batch_size=32",
            "raysearch sweep msmo --pairs en-es,en-fr --mode per_task",
            "raysearch sweep carl --space carl-emobank --name mine",
            "raysearch sweep carl --cluster cluster.yaml --max-cost 20",
            "raysearch sweep carl --slurm slurm.yaml",
        ),
    )
    parser.add_argument("method", metavar="METHOD", help="for example carl")
    add_search(parser)
    add_hardware(parser)
    add_shared(parser, "--set", "--config", "--results", "--data-dir", "--quiet")
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="what is written: text, or each event as JSON for a program (default: text)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the sweep, show its leaderboard, and print the next commands."""
    check_ray()  # before anything imports it
    typed = given(args)
    options = SweepOptions(**typed)
    if options.slurm is not None:
        job = api.submit_to_slurm(options, typed, args.messages, form=args.format)
        return watch(str(options.slurm), job, Path(options.results), args.messages)
    if options.cluster is not None:
        job = api.submit(options, typed, args.messages, form=args.format)
        return watch(str(options.cluster), job, Path(options.results), args.messages)
    view = JsonView(_write) if args.format == "json" else args.messages.view()
    plan, summary = api.search(options, view, args.messages)
    if args.format == "text":
        sys.stdout.write(api.ending_of(plan, summary))
    if summary.ending == "interrupted":
        return 130
    return 0 if summary.best else 2


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class JsonView:
    """A view that writes events as JSON lines, without credentials; progress is thinned out.

    Args:
        write: Takes each line, with its end.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._shares: dict[str, float] = {}
        """Of each run that is under way, the share that was written last."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._shares.clear()

    def event(self, event: Event) -> None:
        """Write an event."""
        if event.kind is EventKind.PROGRESS and not self._is_worth_telling(event):
            return
        if event.run is not None:
            self._shares[event.run_id] = 0.0
            event = replace(event, run=replace(event.run, folder=redacted(event.run.folder)))
        elif event.kind is EventKind.FINISHED:
            self._shares.pop(event.run_id, None)
        self._write(replace(event, at=round(time.time(), 3)).to_json() + "\n")

    def _is_worth_telling(self, event: Event) -> bool:
        share = event.step / event.total if event.total else 0.0
        if share - self._shares.get(event.run_id, 0.0) < _WORTH_TELLING:
            return False
        self._shares[event.run_id] = share
        return True
