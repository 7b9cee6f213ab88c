"""`raysearch report [SWEEP…] -o report.html`: writes a page on what sweeps found."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raysearch import api
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``report``."""
    parser = commands.add_parser(
        "report",
        help="one page with figures: what was found, and how surely",
        description="Write one HTML page on one or several sweeps: the best per pair, learning "
        "curves, importance of the settings beside a placebo, slices, time line, provenance. It "
        "opens without a network, in light or dark, on a phone or on paper.",
        epilog=examples("raysearch report results/carl -o carl.html"),
    )
    parser.add_argument(
        "sweeps",
        metavar="SWEEP",
        nargs="*",
        default=["results"],
        help="a sweep's folder or URI, or a folder of sweeps; several are shown on one page "
        "(default: results)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        default="report.html",
        type=Path,
        help="the page; what is there is replaced (default: report.html)",
    )
    add_shared(parser, "--metric")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page.

    Returns:
        0, or 2 when some file could not be read; the page and standard error say which.
    """
    page = api.report(**given(args))
    names = ", ".join(page.sweeps)
    sys.stdout.write(f"wrote {page.path} ({page.size / 1e6:.1f} MB) on {names}\n")
    for problem in page.problems:
        sys.stderr.write(f"raysearch: {problem}\n")
    return 2 if page.problems else 0
