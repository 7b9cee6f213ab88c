"""An audit of a leaderboard: its rows looked at, and a sample of them trained again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import fspath
from pathlib import Path

from raysearch import corpora
from raysearch.analysis.audit import audit, compare_card, compare_with_study, draw_rows
from raysearch.analysis.replay import TOLERANCE
from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder, check_seed
from raysearch.api.replay import check_tolerance, replay_run
from raysearch.errors import ConfigError, RaysearchError, StoreError
from raysearch.findings.audit import Finding, Replay
from raysearch.leaderboard import Store, find_stores
from raysearch.render.audit import AuditBoard
from raysearch.run import MetricGoal, Run
from raysearch.search.study.connection import file_url
from raysearch.search.study.database import DamagedStudyError
from raysearch.search.study.records import RecordedStudy, recorded_study
from raysearch.storage.uri import is_uri, redacted

__all__ = ["verify"]


def verify(
    path: Folder = "results",
    *,
    sample: float | str = "5%",
    seed: int | None = None,
    study: str = "",
    tolerance: float = TOLERANCE,
    data_dir: Folder | None = None,
    messages: Messages = QUIET,
) -> AuditBoard:
    """Look at every row of every sweep, compare it with its study, and train a sample again.

    Args:
        path: A sweep's folder, a folder of sweeps, or a URI.
        sample: Share of the rows of each sweep to train again, at least one: ``5%`` or 0.05; 0
            for none.
        seed: Of the sample; None to draw it.
        study: URL of the study's database; empty for ``study.db`` in the sweep's folder.
        tolerance: Largest difference that another machine or version may explain.
        data_dir: Folder of the corpora.
        messages: Where to note which row is trained.

    Raises:
        ConfigError: An option is out of its range.
        StoreError: There is no leaderboard.
    """
    share = _share(str(sample))
    check_tolerance(tolerance)
    if seed is not None:
        check_seed(seed)
    seed = secrets.randbelow(2**31) if seed is None else seed
    sweeps = [_look_at(store, study) for store in find_stores(str(path))]
    drawn = [
        (sweep.store, trial)
        for sweep in sweeps
        for trial in (draw_rows(sweep.rows, share, seed) if share else [])
    ]
    replays, refused = _replay(drawn, str(corpora.data_dir(data_dir)), tolerance, messages)
    return AuditBoard(
        place=redacted(fspath(path)),
        rows=sum(len(sweep.rows) for sweep in sweeps),
        seed=seed,
        replays=replays,
        refused={sweep.place: sweep.refused for sweep in sweeps if sweep.refused} | refused,
        findings=[(sweep.place, finding) for sweep in sweeps for finding in sweep.findings],
        goals={sweep.rows[0].sweep: sweep.goal for sweep in sweeps if sweep.rows and sweep.goal},
        studies={sweep.place: sweep.recorded for sweep in sweeps},
    )


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
    file = Path(store.folder) / "study.db"
    if not study and (is_uri(store.folder) or not file.is_file()):
        return None
    card = store.card_fields() or {}
    return recorded_study(study or file_url(file), card.get("name") or file.parent.name)


def _replay(
    sample: Sequence[tuple[Store, Run]], data_dir: str, tolerance: float, messages: Messages
) -> tuple[list[Replay], dict[str, str]]:
    """Every row of the sample trained again; one that cannot be does not end the audit."""
    replays: list[Replay] = []
    refused: dict[str, str] = {}
    for index, (store, row) in enumerate(sample, start=1):
        place = f"{redacted(store.folder)}:{row.number} {row.cell.task} seed {row.cell.seed}"
        messages.note(f"{index} of {len(sample)}: training {place} again")
        try:
            replays.append(replay_run(row, data_dir, tolerance=tolerance))
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
