"""`raysearch attach` and `raysearch stop`: a sweep on a cluster, watched and ended from outside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["add_parser", "run_attach", "run_stop"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``attach`` and ``stop``."""
    attach = commands.add_parser(
        "attach",
        help="watch a sweep that runs on a cluster",
        description="Show what a sweep on a cluster has said and says. Ctrl-C ends the watching "
        "only.",
    )
    stop = commands.add_parser(
        "stop",
        help="end a sweep that runs on a cluster, or the cluster",
        description="End a sweep on a cluster; the same sweep goes on when it is started again.",
    )
    for parser in (attach, stop):
        parser.add_argument("cluster", metavar="FILE", type=Path, help="for example cluster.yaml")
        parser.add_argument("--job", metavar="ID", help="default: the sweep that began last")
    stop.add_argument("--down", action="store_true", help="end all nodes too: nothing costs more")
    attach.set_defaults(run=run_attach)
    stop.set_defaults(run=run_stop)


def run_attach(args: argparse.Namespace) -> int:
    """Follow a job to its end."""
    from raysearch.cluster import launch

    with launch.connect(args.cluster) as client:
        job = args.job or launch.latest_sweep(client)
    sys.stdout.write(f"{job}\n")
    ended = launch.follow(args.cluster, job, _write)
    return 0 if ended == "SUCCEEDED" else 2


def run_stop(args: argparse.Namespace) -> int:
    """Stop a job and wait until it is over; then, if asked, the cluster."""
    from raysearch.cluster import launch
    from raysearch.errors import RaysearchError

    try:
        with launch.connect(args.cluster) as client:
            job = args.job or launch.latest_sweep(client)
            stopped = launch.stop(client, job)
        sys.stdout.write(f"{job} {'is stopped' if stopped else 'had ended before'}\n")
    except RaysearchError as error:
        if not args.down:
            raise
        sys.stderr.write(f"raysearch: {error}\n")  # the nodes cost, whatever the sweep does
    if args.down:
        launch.take_down(args.cluster)
        sys.stdout.write(f"the cluster of {args.cluster} is down\n")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
