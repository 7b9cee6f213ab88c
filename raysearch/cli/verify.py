"""`raysearch replay` and `raysearch verify`: train a trial's rows, or a sample, again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from raysearch import api, render
from raysearch.analysis.replay import TOLERANCE
from raysearch.api.messages import QUIET
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples
from raysearch.findings.audit import Outcome
from raysearch.render.output import write_json

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``replay`` and ``verify``."""
    _add_replay(commands)
    parser = commands.add_parser(
        "verify",
        help="audit a leaderboard: look at all rows, train a sample of them again",
        description="Look at every row of a leaderboard for what no honest sweep leaves behind "
        "(rows twice that differ, numbers that their own curve does not have, cells of one trial "
        "from different data, test evaluations of no row), compare it with its record in the "
        "study, and sweep.json with what the study was made for, and train a random sample of the "
        "rows again. Exit code 0: nothing wrong was found; 1: a fault, or a row whose numbers are "
        "others; 2: a study or some row of the sample could not be compared.",
        epilog=examples("raysearch verify results/carl --sample 5%"),
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
    add_shared(parser, "--study")
    _add_tolerance(parser)
    add_shared(parser, "--format", "--quiet", "--data-dir")
    parser.set_defaults(run=run)


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``replay``."""
    parser = commands.add_parser(
        "replay",
        help="train a row again and say whether its numbers are the same",
        description="Train the cells of a trial again from what their rows say, and compare every "
        "number of every report. On the same kind of processor with the same versions they are "
        "equal bit for bit. Exit code 0: equal, or as close as another machine or version "
        "explains; 1: they differ beyond that; 2: not comparable, because code, data or encoder "
        "differ.",
        epilog=examples("raysearch replay results/carl:2 --seed 0"),
    )
    parser.add_argument("row", metavar="ROW", help="SWEEP:N, for example results/carl:2")
    parser.add_argument("--task", metavar="NAME", help="only the cell of this corpus or pair")
    parser.add_argument("--seed", type=int, metavar="N", help="only the cell of this seed")
    _add_tolerance(parser)
    add_shared(parser, "--format", "--quiet", "--data-dir")
    parser.set_defaults(run=_run_replay)


def _add_tolerance(parser: argparse.ArgumentParser) -> None:
    """``--tolerance``."""
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="X",
        help="largest difference that another machine or version may explain, relative for "
        "numbers above 1 (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Audit every sweep, replay the sample, and print both."""
    board = api.verify(**given(args, "quiet"), messages=args.messages)
    if args.format == "json":
        write_json(_record(board))
    else:
        render.Terminal().print(board)
    if any(finding.fault for _, finding in board.findings):
        return 1
    return _exit_code([item.outcome for item in board.replays]) or (2 if board.refused else 0)


def _run_replay(args: argparse.Namespace) -> int:
    """Replay every wanted cell in turn."""
    messages = QUIET if args.format == "json" else args.messages
    found = []
    for done in api.replay(**given(args, "quiet"), messages=messages):
        found.append(done)
        if args.format == "text":
            sys.stdout.write("\n".join(render.replay_sentences(done)) + "\n")
    if args.format == "json":
        write_json([render.replay_record(done) for done in found])
    return _exit_code([done.outcome for done in found])


def _exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 where some row differs, else 2 where some could not be compared, else 0."""
    if Outcome.DIFFERS in outcomes:
        return 1
    return 2 if Outcome.OTHER in outcomes else 0


def _record(board: render.AuditBoard) -> dict[str, Any]:
    return {
        "path": board.folder,
        "rows": board.rows,
        "seed": board.seed,
        "conclusion": board.conclusion(),
        "replays": [render.replay_record(item) for item in board.replays],
        "refused": dict(board.refused),
        "studies": dict(board.studies),
        "findings": [
            {"sweep": sweep, "fault": item.fault, "where": item.where, "what": item.what}
            for sweep, item in board.findings
        ],
    }
