"""Trains rows again with their settings, cell and threads, up to the same report.

`replay` does it for the cells of one trial, `verify` for a sample of a leaderboard, all of whose
rows it looks at.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import fspath
from pathlib import Path

from raysearch import corpora
from raysearch.analysis.audit import audit, compare_card, compare_with_study, draw_rows
from raysearch.analysis.replay import TOLERANCE, compare_replay
from raysearch.api.messages import QUIET, Messages
from raysearch.api.options import Folder, check_seed
from raysearch.api.trials import rows_of, spec_of
from raysearch.cluster.session_folder import scratch_folder
from raysearch.errors import ConfigError, RaysearchError, StoreError
from raysearch.findings.audit import Finding, Replay
from raysearch.leaderboard import Store, find_stores
from raysearch.render.audit import AuditBoard
from raysearch.run import MetricGoal, Report, Run, RunState
from raysearch.search.study.connection import file_url
from raysearch.search.study.database import DamagedStudyError
from raysearch.search.study.records import RecordedStudy, recorded_study
from raysearch.storage.uri import is_uri, join, redacted
from raysearch.training.again import train_again
from raysearch.training.progress import Listener
from raysearch.training.provenance import device_name, pick_device

__all__ = ["check_tolerance", "replay", "replay_run", "verify"]


def replay(
    row: str,
    *,
    task: str | None = None,
    seed: int | None = None,
    tolerance: float = TOLERANCE,
    data_dir: Folder | None = None,
    messages: Messages = QUIET,
) -> Iterator[Replay]:
    """Train the cells of a trial again, and compare every number of every report.

    Args:
        row: ``SWEEP:N``.
        task: Only the cell of this corpus or pair.
        seed: Only the cell of this seed.
        tolerance: Largest difference that another machine or version may explain, relative for
            numbers above 1.
        data_dir: Folder of the corpora.
        messages: Where training is shown.

    Returns:
        What came of each cell, as soon as it is trained.

    Raises:
        ConfigError: There is no such row, or the tolerance is below 0.
    """
    check_tolerance(tolerance)
    _, rows = rows_of(row, task=task, seed=seed)
    folder = str(corpora.data_dir(data_dir))
    return (replay_run(run, folder, tolerance=tolerance, messages=messages) for run in rows)


def check_tolerance(tolerance: float) -> None:
    """Check that a tolerance is a number >= 0.

    Raises:
        ConfigError: It is below 0 or not a number.
    """
    if not tolerance >= 0:
        raise ConfigError(f"`--tolerance` must be >= 0, but got {tolerance}")


def replay_run(
    row: Run, data_dir: str, *, tolerance: float = TOLERANCE, messages: Messages = QUIET
) -> Replay:
    """Train a row again on this machine and compare; nothing of the sweep is read or written.

    A pruned row is trained to the report that it ended at.

    Raises:
        RaysearchError: Its settings are not known to this version, or its data or encoder are
            not there.
    """
    last = len(row.curve) if row.state is RunState.PRUNED else None
    with scratch_folder("replay") as folder:
        scratch = str(folder)
        spec = replace(spec_of(row, scratch), keep=False)
        with messages.training(f"trial {row.id}") as shown:
            listener = _AsFarAs(shown, last)
            stages = join(scratch, "stages")
            again = train_again(row, spec, listener, data_dir=data_dir, stages=stages)
        if again is None:  # the listener stopped it, as the sweep stopped the row
            reports = listener.reports
            again = replace(
                row,
                curve=tuple(reports),
                metrics=reports[-1].metrics if reports else {},
                device=device_name(pick_device()),
                provenance=listener.provenance,
            )
    return compare_replay(row, again, tolerance=tolerance)


class _AsFarAs:
    """A listener that keeps a trial's reports and stops it after a rung.

    Args:
        listener: Receives progress and reports.
        rung: The last one; None for the trial's own end.
    """

    def __init__(self, listener: Listener, rung: int | None) -> None:
        self._listener = listener
        self._rung = rung
        self.reports: list[Report] = []
        self.provenance: Mapping[str, str] = {}

    def started(self, device: str, provenance: Mapping[str, str]) -> None:
        """Keep the provenance."""
        self.provenance = dict(provenance)
        self._listener.started(device, provenance)

    def progress(self, step: int, total: int) -> None:
        """Pass it on."""
        self._listener.progress(step, total)

    def report(self, report: Report) -> None:
        """Keep it."""
        self.reports.append(report)
        self._listener.report(report)

    def stopped(self) -> bool:
        """Whether the rung is reached."""
        return self._rung is not None and len(self.reports) >= self._rung

    def preempted(self) -> bool:
        """Never: nobody would continue the trial elsewhere."""
        return False

    def owns(self) -> bool:
        """Always: nobody else trains it."""
        return True


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
    """Audit every row of every sweep, compare it with its study, and train a sample again.

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
        folder=redacted(fspath(path)),
        rows=sum(len(sweep.rows) for sweep in sweeps),
        seed=seed,
        replays=replays,
        refused={sweep.folder: sweep.refused for sweep in sweeps if sweep.refused} | refused,
        findings=[(sweep.folder, finding) for sweep in sweeps for finding in sweep.findings],
        goals={sweep.rows[0].sweep: sweep.goal for sweep in sweeps if sweep.rows and sweep.goal},
        studies={sweep.folder: sweep.recorded for sweep in sweeps},
    )


@dataclass(kw_only=True)
class _Looked:
    """Result of auditing one sweep without training; `rows` is empty if a file is damaged.

    `recorded` counts the cells in its study, `refused` is why the study could not be read.
    """

    store: Store
    folder: str
    findings: list[Finding]
    rows: list[Run] = field(default_factory=list)
    goal: MetricGoal | None = None
    recorded: int | None = None
    refused: str = ""


def _look_at(store: Store, study: str) -> _Looked:
    found = _Looked(store=store, folder=redacted(store.folder), findings=[])
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
    """The records of the sweep's study; None without a study."""
    file = Path(store.folder) / "study.db"
    if not study and (is_uri(store.folder) or not file.is_file()):
        return None
    card = store.card_fields() or {}
    return recorded_study(study or file_url(file), card.get("name") or file.parent.name)


def _replay(
    sample: Sequence[tuple[Store, Run]], data_dir: str, tolerance: float, messages: Messages
) -> tuple[list[Replay], dict[str, str]]:
    """Train every row of the sample again; one that cannot be trained does not end the audit."""
    replays: list[Replay] = []
    refused: dict[str, str] = {}
    for index, (store, row) in enumerate(sample, start=1):
        name = f"{redacted(store.folder)}:{row.number} {row.cell.task} seed {row.cell.seed}"
        messages.note(f"{index} of {len(sample)}: training {name} again")
        try:
            replays.append(replay_run(row, data_dir, tolerance=tolerance))
        except RaysearchError as error:
            refused[name] = str(error)
    return replays, refused


def _share(text: str) -> float:
    """``5%`` or ``0.05`` as a share."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise ConfigError(f"`--sample` must be a share like 5% or 0.05, but got {text!r}")
    return value
