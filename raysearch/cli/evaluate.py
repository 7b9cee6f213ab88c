"""`raysearch evaluate`: the one reading of test data, of trials that were selected before.

The reading is recorded in ``results/<sweep>/test``; asking again shows the record and reads
nothing.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from raysearch.cli.arguments import add_data_dir
from raysearch.trial import Trial

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``evaluate``."""
    parser = commands.add_parser("evaluate", help="read the test data once, for selected trials")
    parser.add_argument("folder", metavar="SWEEP", type=Path, help="for example results/carl")
    parser.add_argument(
        "--trial",
        action="append",
        metavar="N",
        help="a trial's number, `best` (default) or `all`; repeatable",
    )
    parser.add_argument("--metric", help="what `best` means (default: the sweep's own goal)")
    add_data_dir(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate every cell of the chosen trials and show the mean over the cells."""
    from raysearch import corpora
    from raysearch.cli.trials import trials_of
    from raysearch.leaderboard import Store

    chosen = trials_of(args.folder, args.trial or ["best"], metric=args.metric)
    record = Store(args.folder / "test")
    known = {trial.key: trial for trial in record.trials()}
    data_dir = str(corpora.data_dir(args.data_dir))
    readings = []
    for trial in chosen:
        if trial.key in known:
            when = known[trial.key].finished
            sys.stderr.write(f"trial {trial.id}: test was read at {when}; showing the record\n")
        else:
            known[trial.key] = _read_test(trial, args.folder, data_dir)
            record.append(known[trial.key])
        readings.append(known[trial.key])
    _show(readings)
    return 0


def _read_test(trial: Trial, folder: Path, data_dir: str) -> Trial:
    from raysearch.cli.trials import with_weights
    from raysearch.training.run import restore_method

    lease = with_weights(trial, folder, data_dir)
    sys.stderr.write(f"trial {trial.id}: reading the test data\n")
    method = restore_method(lease, roles=("train", "dev", "test"), data_dir=data_dir)
    return replace(
        trial,
        metrics=method.evaluate("test"),
        curve=(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _show(readings: list[Trial]) -> None:
    from rich.console import Console

    from raysearch.render.readings import readings_table

    Console().print(readings_table(readings))
