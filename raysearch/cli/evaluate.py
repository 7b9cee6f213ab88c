"""`raysearch evaluate`: readings of data that no selection saw, of finished trials.

Test is read once per selected configuration, after selection; target dev, an oracle where a
method has one, is read for every complete trial, to say what selection on source data lost.
Every reading is recorded in ``results/<sweep>/test`` or ``oracle``, with its time and commit;
asking again shows the record and reads nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from raysearch.cli.arguments import add_data_dir, add_format, add_quiet
from raysearch.cli.parsing import examples
from raysearch.storage.place import join, shown
from raysearch.trial import Trial

if TYPE_CHECKING:
    from raysearch.leaderboard import Store

__all__ = ["add_parser", "reading_record", "readings", "run"]

_READER = ("raysearch", "package", "commit", "dirty", "code")
"""What a reading says of the sources that read it, each with ``read_`` before its name."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``evaluate``."""
    parser = commands.add_parser(
        "evaluate",
        help="read the test data once, for selected trials",
        description="Read the test data, once for each selected trial, and record it. With "
        "--oracle, read target dev of all complete trials instead, and show what selection on "
        "source data lost.",
        epilog=examples(
            "raysearch evaluate results/carl",
            "raysearch evaluate results/carl --trial 3 --trial 7",
            "raysearch evaluate results/msmo --oracle   # what selection on source data lost",
        ),
    )
    parser.add_argument("folder", metavar="SWEEP", help="folder or URI, for example results/carl")
    parser.add_argument(
        "--trial",
        action="append",
        metavar="N",
        help="a trial's number, `best` (default; the best of each pair where each was searched "
        "by itself) or `all` (default with --oracle); repeatable",
    )
    parser.add_argument("--task", metavar="NAME", help="only cells of this corpus or pair")
    parser.add_argument(
        "--oracle", action="store_true", help="read target dev, which no selection may see"
    )
    parser.add_argument("--metric", help="what `best` means (default: the sweep's own goal)")
    add_data_dir(parser)
    add_format(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read what was not read before; show all that was asked for."""
    role, found = readings(args)
    if args.format == "json":
        sys.stdout.write(json.dumps([reading_record(trial) for trial in found], indent=1) + "\n")
    else:
        _show(args.folder, role, found)
    return 0


def reading_record(trial: Trial) -> dict[str, Any]:
    """One reading as a flat record: which cell, when it was read, and the metrics."""
    return {
        "sweep": trial.sweep,
        "trial": trial.number,
        "task": trial.cell.task,
        "seed": trial.cell.seed,
        "read": trial.finished,
        **{f"metric/{name}": value for name, value in trial.metrics.items()},
    }


def readings(args: argparse.Namespace) -> tuple[str, list[Trial]]:
    """The role, and every cell of the chosen trials, read now where it was not before."""
    from raysearch import corpora
    from raysearch.cli.trials import oracle_role, trials_of
    from raysearch.leaderboard import Store
    from raysearch.leaderboard.origins import origins

    wanted = args.trial or ["all" if args.oracle else "best"]
    chosen = trials_of(args.folder, wanted, metric=args.metric, task=args.task)
    role = oracle_role(chosen[0].method) if args.oracle else "test"
    for text in origins(Store(args.folder).table()).sentences:
        sys.stderr.write(f"{text}\n")
    record = Store(join(args.folder, "oracle" if args.oracle else "test"))
    data_dir = str(corpora.data_dir(args.data_dir))
    known = {trial.key: trial for trial in record.trials()}
    if not args.oracle:
        _say_known(chosen, known)
    _read_missing([t for t in chosen if t.key not in known], role, record, args.folder, data_dir)
    known = {trial.key: trial for trial in record.trials()}
    return role, [known[trial.key] for trial in chosen]


def _say_known(chosen: Sequence[Trial], known: Mapping[Any, Trial]) -> None:
    """Say what was read before: of these trials, and of others of the same task."""
    from raysearch.leaderboard.summary import made_by

    for trial in chosen:
        if trial.key in known:
            found = known[trial.key]
            sys.stderr.write(
                f"trial {trial.id}: test was read at {found.finished} by "
                f"{made_by(found.provenance, 'read_')}; showing the record\n"
            )
    fresh = {trial.cell.task for trial in chosen if trial.key not in known}
    for task in sorted(fresh):
        now = {trial.number for trial in chosen if trial.cell.task == task}
        before = {trial.number for trial in known.values() if trial.cell.task == task} - now
        if before:
            numbers = ", ".join(map(str, sorted(before)))
            sys.stderr.write(
                f"{task}: test was read before, of trial {numbers}; say so where you report it\n"
            )


def _read_missing(
    missing: Sequence[Trial], role: str, record: Store, folder: str, data_dir: str
) -> None:
    """Read and record one cell after the other; a kill loses at most the one at hand."""
    from raysearch.training.checkpoint import has_checkpoint

    if role != "test" and missing:
        kept = sum(has_checkpoint(_weights(trial, folder)) for trial in missing)
        again = (
            f", {len(missing) - kept} are trained again first (a sweep with --keep all keeps them)"
            if kept < len(missing)
            else ""
        )
        sys.stderr.write(f"{len(missing)} cells to be read: {kept} have their weights{again}\n")
    for trial in missing:
        record.append(_read(trial, role, folder, data_dir))


def _weights(trial: Trial, folder: str) -> str:
    """Where the trial's weights lie, if they were kept."""
    from raysearch.cli.trials import lease_of
    from raysearch.training.run import KEPT

    return join(lease_of(trial, folder).folder, KEPT)


def _read(trial: Trial, role: str, folder: str, data_dir: str) -> Trial:
    """The trial with its metrics on the role, and when and by which commit it was read."""
    from raysearch.cli.trials import restored
    from raysearch.training.checkpoint import has_checkpoint, remove_checkpoint
    from raysearch.training.provenance import provenance

    place = _weights(trial, folder)
    kept = has_checkpoint(place)
    metrics = restored(trial, folder, data_dir, role).evaluate(role)
    if role != "test" and not kept:  # of hundreds of trials the weights would fill the disk
        remove_checkpoint(place)
    made = provenance(trial.method)
    return replace(
        trial,
        metrics=metrics,
        curve=(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance={
            **trial.provenance,
            **{f"read_{name}": made[name] for name in _READER},
        },
    )


def _show(folder: str, role: str, readings: list[Trial]) -> None:
    from rich.console import Console

    from raysearch.cli.trials import goal_of
    from raysearch.leaderboard import Store, regrets
    from raysearch.render.readings import readings_table
    from raysearch.render.regret import RegretTable

    store = Store(folder)
    card = store.card()
    console = Console()
    if role != "test" and card is not None:
        rows = regrets(store.table(), Store(join(folder, "oracle")).table(), card, role)
        console.print(RegretTable(card.goal, role, rows, shown(folder)))
        return
    goal = goal_of(folder, readings[0].method)
    first = goal.name.partition("/")[2] if goal else ""
    title = "test, read once" if role == "test" else f"{role.replace('_', ' ')}, an oracle"
    console.print(readings_table(readings, title=title, first=first))
