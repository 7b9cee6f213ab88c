"""Measures the disk use of a sweep's runs and stages, and removes files that are not needed.

`raysearch.search.incumbent` decides which files are needed; this module measures and removes them,
in a folder or an object store. A running trial counts with the largest size it may reach, so
that the quota still holds while its next checkpoint is written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.run import CHECKPOINT, FORMER_CHECKPOINT
from raysearch.search.study.lock import Guard, unguarded
from raysearch.storage import Storage, StoredFile, open_storage

if TYPE_CHECKING:
    from raysearch.training.stages.cache import StageCache

__all__ = ["DiskBudget", "DiskUsage"]

_log = logging.getLogger(__name__)

_CHECKPOINTS = (CHECKPOINT, FORMER_CHECKPOINT)
BROKEN = "error.txt"
"""Kept of every run: the traceback of a runner that crashed."""


@dataclass(frozen=True)
class DiskUsage:
    """Disk use of a sweep, in bytes.

    Attributes:
        runs: Run id to the size of its folder.
        growth: How much the running trials may still grow.
        stages: Size of the stages.
    """

    runs: Mapping[str, int]
    growth: int
    stages: int

    @property
    def total(self) -> int:
        """Sum of all three."""
        return sum(self.runs.values()) + self.growth + self.stages


@dataclass
class _Largest:
    """The largest file seen of each kind, in bytes."""

    checkpoint: int = 0
    weights: int = 0
    stage: int = 0

    def see(self, files: Collection[StoredFile]) -> None:
        for file in files:
            name = file.name.rpartition("/")[2]
            if name in _CHECKPOINTS:
                self.checkpoint = max(self.checkpoint, file.size)
            elif name != BROKEN and not name.startswith("."):
                self.weights = max(self.weights, file.size)

    @property
    def of_a_trial(self) -> int:
        """Upper bound for one trial: a stage, a checkpoint, and its successor or the weights.

        Weights not seen yet are bounded by a checkpoint, which contains them.
        """
        return self.stage + self.checkpoint + max(self.checkpoint, self.weights)


@dataclass
class DiskBudget:
    """The disk space of a sweep's runs and of its own stages.

    A failure to list or remove files is logged and retried at the next `tidy`: no trial fails
    because an unneeded file is still there.

    Attributes:
        runs: Folder or URI of the runs' folders.
        stages_folder: Folder or URI of the sweep's own stages; empty when they are shared.
        guard: Called before files are removed.
        freed: Bytes removed so far.
    """

    runs: str | Path
    stages_folder: str = ""
    guard: Guard = unguarded
    freed: int = 0
    _largest: _Largest = field(default_factory=_Largest)
    _stages: StageCache | None = None

    def __post_init__(self) -> None:
        self._store: Storage = open_storage(self.runs, make=False)
        self._stage_store: Storage | None = None
        if self.stages_folder:
            self._stage_store = open_storage(self.stages_folder, make=False)

    def settle(self, run_id: str, *, weights: bool) -> int:
        """Remove the files that an ended run no longer needs; returns the bytes freed.

        Args:
            run_id: The run.
            weights: Whether to keep its weights; a checkpoint is never kept.
        """
        try:
            return self._settle(run_id, self._store.files(run_id), weights=weights)
        except OSError as error:
            _log.warning("files of trial %s are removed later: %s", run_id, error)
            return 0

    def tidy(self, ended: Callable[[str], bool], weights: Collection[str]) -> None:
        """Settle every ended run that still has a folder, in one pass.

        Args:
            ended: Whether the run with this id has ended.
            weights: Ids of ended runs whose weights are kept.
        """
        try:
            for run_id, files in self._by_run().items():
                if ended(run_id):
                    self._settle(run_id, files, weights=run_id in weights)
        except OSError as error:
            _log.warning("files in %s are removed later: %s", self._store.uri, error)

    def usage(self, running: Collection[str]) -> DiskUsage:
        """Current disk use.

        Args:
            running: Ids of the runs that are running or about to start.

        Raises:
            OSError: A folder cannot be listed.
        """
        found = self._by_run()
        runs = {run_id: sum(file.size for file in files) for run_id, files in found.items()}
        stages = self._stage_store.tree() if self._stage_store else []
        self._largest.stage = max([self._largest.stage, *(file.size for file in stages)])
        each = self._largest.of_a_trial
        growth = sum(max(0, each - runs.get(run_id, 0)) for run_id in running)
        return DiskUsage(runs, growth, sum(file.size for file in stages))

    def shrink_stages(self, limit: int) -> int:
        """Evict unused stages down to `limit` bytes; returns the bytes freed.

        Raises:
            OSError: They cannot be listed or removed.
        """
        from raysearch.training.stages.cache import StageCache  # imports torch

        self.guard()
        if self._stages is None:  # one for all times: it learns who of the users has died
            self._stages = StageCache(self.stages_folder)
        freed = self._stages.shrink(limit)
        self.freed += freed
        return freed

    def _settle(self, run_id: str, files: Collection[StoredFile], *, weights: bool) -> int:
        self._largest.see(files)
        self.guard()
        # A subfolder, such as an export, was put there by somebody else.
        own = [file for file in files if file.name.count("/") == 1]
        going = [file for file in own if not _stays(file.name.rpartition("/")[2], weights)]
        if len(going) == len(files):
            self._store.remove_folder(run_id)
        else:
            for file in going:
                self._store.remove(file.name)
        freed = sum(file.size for file in going)
        self.freed += freed
        return freed

    def _by_run(self) -> dict[str, list[StoredFile]]:
        found: dict[str, list[StoredFile]] = {}
        for file in self._store.tree():
            run_id, slash, _ = file.name.partition("/")
            if slash:
                found.setdefault(run_id, []).append(file)
        for files in found.values():
            self._largest.see(files)
        return found


def _stays(name: str, weights: bool) -> bool:
    """Whether a file of an ended run stays; hidden files are leftovers of a killed writer."""
    return name == BROKEN or (weights and name not in _CHECKPOINTS and not name.startswith("."))
