"""`raysearch verify PATH`: an audit of a leaderboard, its rows looked at and a sample replayed."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from raysearch.cli.arguments import add_data_dir
from raysearch.cli.replay import add_tolerance, exit_code, tolerance_of
from raysearch.errors import ConfigError, RaysearchError
from raysearch.storage.place import shown

if TYPE_CHECKING:
    from raysearch.leaderboard import Store
    from raysearch.leaderboard.audit import Finding
    from raysearch.leaderboard.replay import Replay
    from raysearch.render.audit import AuditBoard
    from raysearch.trial import MetricGoal, Trial

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``verify``."""
    parser = commands.add_parser(
        "verify",
        help="audit a leaderboard: look at all rows, train a sample of them again",
        description="Look at every row of a leaderboard for what no honest sweep leaves behind "
        "(rows twice that differ, numbers that their own curve does not have, cells of one trial "
        "from different data, test readings of no row), and train a random sample of the rows "
        "again. Exit code 0: nothing wrong was found; 1: a fault, or a row whose numbers are "
        "others; 2: some row of the sample could not be judged.",
        epilog="example: python -m raysearch verify results/carl --sample 5%",
    )
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default="results",
        help="a sweep's folder, a folder of sweeps, or a URI (default: results)",
    )
    parser.add_argument(
        "--sample",
        default="5%",
        metavar="P%",
        help="share of the rows of each sweep to train again, at least one; 0%% for none "
        "(default: 5%%)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="of the sample (default: drawn, and printed)"
    )
    add_tolerance(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    add_data_dir(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit every sweep, replay the sample, and show both."""
    from rich.console import Console

    from raysearch.leaderboard import find_stores
    from raysearch.leaderboard.audit import audit, draw_rows
    from raysearch.render.audit import AuditBoard

    share, tolerance = _share(args.sample), tolerance_of(args)
    if args.seed is not None and args.seed < 0:
        raise ConfigError(f"`--seed` must be >= 0, but got {args.seed}")
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    findings: list[tuple[str, Finding]] = []
    sample: list[tuple[Store, Trial]] = []
    rows = 0
    goals: dict[str, MetricGoal] = {}
    for store in find_stores(args.path):
        found = audit(store)
        findings += [(shown(store.folder), finding) for finding in found]
        if any(finding.where == "files" for finding in found):
            continue
        trials = store.trials()
        rows += len(trials)
        card = store.card()
        goals |= {trial.sweep: card.goal for trial in trials[:1] if card}
        sample += [(store, t) for t in (draw_rows(trials, share, seed) if share else [])]
    replays, refused = _replay(sample, args, tolerance)
    board = AuditBoard(
        place=shown(args.path),
        rows=rows,
        seed=seed,
        replays=replays,
        refused=refused,
        findings=findings,
        goals=goals,
    )
    if args.json:
        json.dump(_record(board), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        Console(highlight=False).print(board)
    if any(finding.fault for _, finding in findings):
        return 1
    code = exit_code([str(item.outcome) for item in replays])
    return code or (2 if refused else 0)


def _replay(
    sample: Sequence[tuple[Store, Trial]], args: argparse.Namespace, tolerance: float
) -> tuple[list[Replay], dict[str, str]]:
    """Every row of the sample trained again; one that cannot be does not end the audit."""
    from raysearch import corpora
    from raysearch.cli.replaying import replay

    data_dir = str(corpora.data_dir(args.data_dir))
    replays: list[Replay] = []
    refused: dict[str, str] = {}
    for index, (store, row) in enumerate(sample, start=1):
        place = f"{shown(store.folder)}:{row.number} {row.cell.task} seed {row.cell.seed}"
        sys.stderr.write(f"{index} of {len(sample)}: training {place} again\n")
        try:
            replays.append(replay(row, data_dir, tolerance=tolerance, quiet=True))
        except RaysearchError as error:
            refused[place] = str(error)
    return replays, refused


def _share(text: str) -> float:
    """``5%`` or ``0.05`` as a share.

    Raises:
        ConfigError: It is no share of 0 to 100 %.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise ConfigError(f"`--sample` must be a share like 5% or 0.05, but got {text!r}")
    return value


def _record(board: AuditBoard) -> dict[str, Any]:
    from raysearch.render.replay import replay_record

    return {
        "path": board.place,
        "rows": board.rows,
        "seed": board.seed,
        "conclusion": board.conclusion(),
        "replays": [replay_record(item) for item in board.replays],
        "refused": dict(board.refused),
        "findings": [
            {"sweep": sweep, "fault": item.fault, "where": item.where, "what": item.what}
            for sweep, item in board.findings
        ],
    }
