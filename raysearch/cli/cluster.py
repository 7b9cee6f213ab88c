"""`raysearch attach` and `raysearch stop`: a sweep on a cluster, watched and ended from outside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raysearch.cli.arguments import add_results
from raysearch.cli.parsing import examples

__all__ = ["add_parser", "run_attach", "run_stop"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``attach`` and ``stop``."""
    attach = commands.add_parser(
        "attach",
        help="watch a sweep that runs on a cluster",
        description="Show how a sweep on a cluster stands and goes on, and keep its rows here. "
        "Ctrl-C ends the watching only.",
        epilog=examples("raysearch attach cluster.yaml"),
    )
    stop = commands.add_parser(
        "stop",
        help="end a sweep that runs on a cluster, or the cluster",
        description="End a sweep on a cluster; the same sweep goes on when it is started again.",
        epilog=examples(
            "raysearch stop cluster.yaml",
            "raysearch stop cluster.yaml --down   # its nodes, too",
        ),
    )
    for parser in (attach, stop):
        parser.add_argument(
            "cluster", metavar="FILE", help="for example cluster.yaml, or a head's dashboard's URL"
        )
        parser.add_argument("--job", metavar="ID", help="default: the sweep that began last")
    add_results(attach)
    stop.add_argument("--down", action="store_true", help="end all nodes too: nothing costs more")
    attach.set_defaults(run=run_attach)
    stop.set_defaults(run=run_stop)


def run_attach(args: argparse.Namespace) -> int:
    """Watch a job to its end."""
    from raysearch.cli.watch import watch
    from raysearch.cluster import jobs, launch

    _known(args.cluster)
    job = args.job
    if job is None:
        with launch.connect(args.cluster) as client:
            job = jobs.latest_sweep(client)
        sys.stderr.write(f"raysearch: {job}\n")
    return watch(args.cluster, job, Path(args.results))


def run_stop(args: argparse.Namespace) -> int:
    """Stop a job and wait until it is over; then, if asked, the cluster."""
    from raysearch.cluster import jobs, launch
    from raysearch.errors import ConfigError, RaysearchError

    _known(args.cluster)
    if args.down and launch.is_url(args.cluster):
        raise ConfigError("`--down` must go with a cluster file: Ray's launcher ends what it began")
    try:
        with launch.connect(args.cluster) as client:
            job = args.job or jobs.latest_sweep(client)
            stopped = jobs.stop(client, job)
        sys.stdout.write(f"{job} {'is stopped' if stopped else 'had ended before'}\n")
    except RaysearchError as error:
        if not args.down:
            raise
        sys.stderr.write(f"raysearch: {error}\n")  # the nodes cost, whatever the sweep does
    if args.down:
        launch.take_down(Path(args.cluster))
        sys.stdout.write(f"the cluster of {args.cluster} is down\n")
    return 0


def _known(cluster: str) -> None:
    """Whether a cluster can be meant at all.

    Raises:
        ConfigError: It is neither a file nor a URL.
    """
    from raysearch.cluster.launch import is_url
    from raysearch.errors import ConfigError

    if not is_url(cluster) and not Path(cluster).is_file():
        raise ConfigError(
            f"FILE must be a cluster file or the URL of a head's dashboard, but got {cluster}; "
            "`raysearch sweep METHOD --cluster FILE` begins a sweep on one"
        )
