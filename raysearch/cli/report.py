"""`raysearch report [SWEEP…] -o report.html`: what a sweep found, as one page for a browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.cli.parsing import examples
from raysearch.errors import StoreError
from raysearch.storage.place import redacted
from raysearch.storage.whole import write_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from raysearch.analysis.regret import Regret
    from raysearch.leaderboard import Store, SweepCard
    from raysearch.render.report import SweepRecord

__all__ = ["add_parser", "run", "sweep_records"]


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
    parser.add_argument(
        "--metric",
        metavar="NAME[:min]",
        help="rank by this metric; :min where lower is better (default: the sweep's own goal)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the sweeps and write the page.

    Returns:
        0, or 2 when some file could not be read; the page and standard error say which.
    """
    from raysearch.render.report import make_report

    _check(args.output)
    records: list[SweepRecord] = []
    problems: list[str] = []
    for place in args.sweeps:
        found, others = sweep_records(place, args.metric)
        records += found
        problems += others
    if not records:
        none = (
            f"`{' '.join(map(redacted, args.sweeps))}` must have finished trials, but has "
            f"none yet; "
            "make the report when the sweep has finished its first"
        )
        raise StoreError("\n".join(problems or [none]))
    page = make_report(records)
    write_output(args.output, page, "`--output`")
    names = ", ".join(record.folder for record in records)
    size = len(page.encode()) / 1e6
    sys.stdout.write(f"wrote {args.output} ({size:.1f} MB) on {names}\n")
    problems += [problem for record in records for problem in record.problems]
    for problem in problems:
        sys.stderr.write(f"raysearch: {problem}\n")
    return 2 if problems else 0


def sweep_records(place: str, metric: str | None) -> tuple[list[SweepRecord], list[str]]:
    """What can be read of the sweeps at a place, and why others are left out.

    Those without rows are left out, too.

    Raises:
        StoreError: There is one sweep, it has rows, and none can be read.
    """
    from raysearch.cli.leaderboard import left_out
    from raysearch.leaderboard import find_stores

    found: list[SweepRecord] = []
    problems: list[str] = []
    stores = find_stores(place)
    for store in stores:
        with left_out(store, problems, alone=len(stores) == 1):
            contents = store.read()
            if contents.problems and not contents.table.num_rows:
                raise StoreError("\n".join(contents.problems))
            if contents.table.num_rows:
                found.append(_record(store, contents.table, contents.problems, metric))
    return found, problems


def _record(
    store: Store, table: pa.Table, problems: Sequence[str], metric: str | None
) -> SweepRecord:
    from raysearch.cli.leaderboard import papers_of
    from raysearch.leaderboard import load_card
    from raysearch.leaderboard.openings import readings_of
    from raysearch.render.report import SweepRecord

    card = load_card(store.folder, metric)
    role, found = _regrets(store, table, card)
    return SweepRecord(
        folder=redacted(store.folder),
        card=card,
        table=table,
        curves=store.curves(),
        papers=papers_of(table),
        test=readings_of(store.folder).table(),
        regrets=found,
        role=role,
        problems=problems,
    )


def _regrets(store: Store, table: pa.Table, card: SweepCard) -> tuple[str, Sequence[Regret]]:
    """The oracle's role and what selection lost; empty for a method without one."""
    from raysearch.analysis.regret import regrets
    from raysearch.leaderboard.openings import readings_of
    from raysearch.methods import METHODS, config_type

    method = str(table.column("method")[0].as_py())
    role = config_type(method).ORACLE if method in METHODS else ""
    if not role:
        return "", ()
    readings = readings_of(store.folder, "oracle").table()
    return role, regrets(table, readings, card, role) if readings.num_rows else ()


def _check(output: Path) -> None:
    """Say before the work that the page cannot be written.

    Raises:
        StoreError: Its folder is not there, or it is a folder itself.
    """
    if output.is_dir():
        raise StoreError(f"`--output` must be a file, but {output} is a folder; name a file in it")
    if not output.absolute().parent.is_dir():
        raise StoreError(
            f"`--output` must be in a folder that exists, but {output.parent} does not; make it"
        )
