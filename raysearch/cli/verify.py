"""`raysearch verify PATH`: an audit of a leaderboard, its rows looked at and a sample replayed."""

from __future__ import annotations

import argparse
import json
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.api.options import check_seed
from raysearch.cli.arguments import add_data_dir, add_format, add_quiet
from raysearch.cli.parsing import examples
from raysearch.cli.replay import add_tolerance, exit_code, tolerance_of
from raysearch.errors import ConfigError, RaysearchError, StoreError
from raysearch.storage.place import is_uri, redacted

if TYPE_CHECKING:
    from raysearch.analysis.audit import Finding
    from raysearch.analysis.replay import Replay
    from raysearch.leaderboard import Store
    from raysearch.render.audit import AuditBoard
    from raysearch.run import MetricGoal, Run
    from raysearch.search.study.records import RecordedStudy

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``verify``."""
    parser = commands.add_parser(
        "verify",
        help="audit a leaderboard: look at all rows, train a sample of them again",
        description="Look at every row of a leaderboard for what no honest sweep leaves behind "
        "(rows twice that differ, numbers that their own curve does not have, cells of one trial "
        "from different data, test readings of no row), compare it with its record in the study, "
        "and sweep.json with what the study was made for, and train a random sample of the rows "
        "again. Exit code 0: nothing wrong was found; 1: a fault, or a row whose numbers are "
        "others; 2: a study or some row of the sample could not be judged.",
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
    parser.add_argument(
        "--study",
        metavar="URL",
        default="",
        help="database of the study, as the sweep has it (default: study.db in its folder)",
    )
    add_tolerance(parser)
    add_format(parser)
    add_quiet(parser)
    add_data_dir(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit every sweep, replay the sample, and show both."""
    from raysearch.analysis.audit import draw_rows
    from raysearch.leaderboard import find_stores
    from raysearch.render.audit import AuditBoard
    from raysearch.render.terminal import Terminal

    share, tolerance = _share(args.sample), tolerance_of(args)
    if args.seed is not None:
        check_seed(args.seed)
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    sweeps = [_look_at(store, args.study) for store in find_stores(args.path)]
    sample = [
        (sweep.store, trial)
        for sweep in sweeps
        for trial in (draw_rows(sweep.rows, share, seed) if share else [])
    ]
    replays, refused = _replay(sample, args, tolerance)
    findings = [(sweep.place, finding) for sweep in sweeps for finding in sweep.findings]
    board = AuditBoard(
        place=redacted(args.path),
        rows=sum(len(sweep.rows) for sweep in sweeps),
        seed=seed,
        replays=replays,
        refused={sweep.place: sweep.refused for sweep in sweeps if sweep.refused} | refused,
        findings=findings,
        goals={sweep.rows[0].sweep: sweep.goal for sweep in sweeps if sweep.rows and sweep.goal},
        studies={sweep.place: sweep.recorded for sweep in sweeps},
    )
    if args.format == "json":
        json.dump(_record(board), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        Terminal().print(board)
    if any(finding.fault for _, finding in findings):
        return 1
    code = exit_code([str(item.outcome) for item in replays])
    return code or (2 if board.refused else 0)


@dataclass(kw_only=True)
class _Looked:
    """What one sweep showed without training.

    Attributes:
        store: Its rows' place.
        place: The same as it is shown.
        findings: What was found.
        rows: All of them; none where a file is damaged.
        goal: What ranks them, where that is known.
        recorded: Cells in its study; None without one.
        refused: Why its study could not be looked at, or empty.
    """

    store: Store
    place: str
    findings: list[Finding]
    rows: list[Run] = field(default_factory=list)
    goal: MetricGoal | None = None
    recorded: int | None = None
    refused: str = ""


def _look_at(store: Store, study: str) -> _Looked:
    from raysearch.analysis.audit import Finding, audit, compare_card, compare_with_study
    from raysearch.search.study.database import DamagedStudyError

    found = _Looked(store=store, place=redacted(store.folder), findings=[])
    recorded = None
    try:  # before the rows: a sweep that runs writes a record first, and then its row
        recorded = _recorded(store, study)
    except DamagedStudyError as error:
        found.findings.append(Finding(fault=True, where="study", what=str(error)))
    except StoreError as error:
        found.refused = str(error)
    audited = audit(store)
    found.findings += audited
    if any(finding.where == "files" for finding in audited):
        return found
    found.rows = store.trials()
    if recorded is not None:
        found.recorded = len(recorded.records)
        found.findings += compare_card(store, recorded.card, sealed=recorded.sealed)
        found.findings += compare_with_study(found.rows, recorded.records)
    card = store.card()
    found.goal = card.goal if card else None
    return found


def _recorded(store: Store, study: str) -> RecordedStudy | None:
    """What the sweep's study holds; None without a study."""
    from raysearch.search.study.records import recorded_study
    from raysearch.search.study.server import file_url

    file = Path(store.folder) / "study.db"
    if not study and (is_uri(store.folder) or not file.is_file()):
        return None
    card = store.card_fields() or {}
    return recorded_study(study or file_url(file), card.get("name") or file.parent.name)


def _replay(
    sample: Sequence[tuple[Store, Run]], args: argparse.Namespace, tolerance: float
) -> tuple[list[Replay], dict[str, str]]:
    """Every row of the sample trained again; one that cannot be does not end the audit."""
    from raysearch import corpora
    from raysearch.api.replay import replay

    data_dir = str(corpora.data_dir(args.data_dir))
    replays: list[Replay] = []
    refused: dict[str, str] = {}
    for index, (store, row) in enumerate(sample, start=1):
        place = f"{redacted(store.folder)}:{row.number} {row.cell.task} seed {row.cell.seed}"
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
        "studies": dict(board.studies),
        "findings": [
            {"sweep": sweep, "fault": item.fault, "where": item.where, "what": item.what}
            for sweep, item in board.findings
        ],
    }
