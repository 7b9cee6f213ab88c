"""`raysearch attach` and `raysearch stop`: watch and stop a sweep on a cluster."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from raysearch import api
from raysearch.api.messages import Messages
from raysearch.cli.arguments import add_shared
from raysearch.cli.parsing import examples
from raysearch.storage.uri import redacted

__all__ = ["add_parser", "run_attach", "run_stop", "watch"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``attach`` and ``stop``."""
    attach = commands.add_parser(
        "attach",
        help="watch a sweep that runs on a cluster",
        description="Show the state and progress of a sweep on a cluster, and keep its rows here. "
        "Ctrl-C ends the watching only.",
        epilog=examples("raysearch attach cluster.yaml"),
    )
    stop = commands.add_parser(
        "stop",
        help="end a sweep that runs on a cluster, or the cluster",
        description="End a sweep on a cluster; the same sweep continues when it is started again.",
        epilog=examples(
            "raysearch stop cluster.yaml", "raysearch stop cluster.yaml --down   # its nodes, too"
        ),
    )
    for parser in (attach, stop):
        parser.add_argument(
            "cluster",
            metavar="FILE",
            help="for example cluster.yaml or slurm.yaml, or a head's URL",
        )
        parser.add_argument("--job", metavar="ID", help="default: the sweep that began last")
    add_shared(attach, "--results")
    stop.add_argument("--down", action="store_true", help="end all nodes too: nothing costs more")
    attach.set_defaults(run=run_attach)
    stop.set_defaults(run=run_stop)


def watch(cluster: str, job: str, results: Path, messages: Messages) -> int:
    """Show a job's events until it ends or Ctrl-C, and keep its rows.

    Returns:
        0 when the sweep ended well, 130 after Ctrl-C, else 2.
    """
    ended = api.watch(cluster, job, results, write=sys.stdout.write, messages=messages)
    if not ended:
        named = shlex.join([redacted(cluster), "--job", job])
        messages.note(
            f"raysearch: {job} continues\n"
            f"  watch it again   python -m raysearch attach {named}\n"
            f"  end it           python -m raysearch stop {named}"
        )
        return 130
    if ended == "STOPPED":
        messages.note(f"raysearch: {job} was stopped; the same command continues it")
    return 0 if ended == "SUCCEEDED" else 2


def run_attach(args: argparse.Namespace) -> int:
    """Watch a job to its end."""
    api.check_cluster(args.cluster)
    job = args.job
    if job is None:
        job = api.latest_job(args.cluster, Path(args.results))
        sys.stderr.write(f"raysearch: {job}\n")
    return watch(args.cluster, job, Path(args.results), args.messages)


def run_stop(args: argparse.Namespace) -> int:
    """Stop a job and wait for its end; then, if asked, take the cluster down."""
    job, stopped = api.stop(args.cluster, args.job, down=args.down, messages=args.messages)
    if job:
        sys.stdout.write(f"{job} {'is stopped' if stopped else 'had ended before'}\n")
    if args.down:
        sys.stdout.write(f"the cluster of {args.cluster} is down\n")
    return 0
