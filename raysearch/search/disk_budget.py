"""Measures what the files of a sweep's runs and stages take, and removes what need not stay.

`raysearch.search.incumbent` says which files are needed; here they are measured and removed, in
a folder or in an object store. Room is made before it is needed: a trial that runs is counted
with what it may come to hold, so that the quota holds while its next checkpoint is written.
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
"""A run whose runner broke leaves its traceback; that stays."""


@dataclass(frozen=True)
class DiskUsage:
    """What a sweep's files take, in bytes.

    Attributes:
        runs: Id to the bytes of its folder.
        growth: Bytes that the trials which run may take beyond what they hold.
        stages: Bytes of the stages.
    """

    runs: Mapping[str, int]
    growth: int
    stages: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.runs.values()) + self.growth + self.stages


@dataclass
class _Largest:
    """The largest file of each kind that was seen, in bytes."""

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
        """What a trial may come to hold: a stage, a checkpoint, and beside it the next or weights.

        Weights that were never seen are no larger than a checkpoint, which holds them too.
        """
        return self.stage + self.checkpoint + max(self.checkpoint, self.weights)


@dataclass
class DiskBudget:
    """The room that a sweep's runs take, and its own stages.

    What cannot be listed or removed is logged and tried again at the next tidying: no trial
    fails because a file that nobody needs is still there.

    Attributes:
        place: Folder or URI of the runs' folders.
        stages_place: Folder or URI of the sweep's own stages; empty when others share them.
        guard: Called before files are removed.
        freed: Bytes removed so far.
    """

    place: str | Path
    stages_place: str = ""
    guard: Guard = unguarded
    freed: int = 0
    _largest: _Largest = field(default_factory=_Largest)
    _stages: StageCache | None = None

    def __post_init__(self) -> None:
        self._store: Storage = open_storage(self.place, make=False)
        self._stage_store: Storage | None = None
        if self.stages_place:
            self._stage_store = open_storage(self.stages_place, make=False)

    def settle(self, run_id: str, *, weights: bool) -> int:
        """Remove what an ended run need not hold any more; the bytes that this freed.

        Args:
            run_id: The run.
            weights: Whether its weights stay; a checkpoint never does.
        """
        try:
            return self._settle(run_id, self._store.files(run_id), weights=weights)
        except OSError as error:
            _log.warning("files of trial %s are removed later: %s", run_id, error)
            return 0

    def tidy(self, ended: Callable[[str], bool], weights: Collection[str]) -> None:
        """Settle every ended run that still has a folder, in one pass.

        Args:
            ended: Whether a run of this id is at its end.
            weights: Those of them whose weights stay.
        """
        try:
            for run_id, files in self._by_run().items():
                if ended(run_id):
                    self._settle(run_id, files, weights=run_id in weights)
        except OSError as error:
            _log.warning("files in %s are removed later: %s", self._store.uri, error)

    def usage(self, running: Collection[str]) -> DiskUsage:
        """What there is now.

        Args:
            running: Ids of the runs that run or are about to.

        Raises:
            OSError: It cannot be listed.
        """
        found = self._by_run()
        runs = {run_id: sum(file.size for file in files) for run_id, files in found.items()}
        stages = self._stage_store.tree() if self._stage_store else []
        self._largest.stage = max([self._largest.stage, *(file.size for file in stages)])
        each = self._largest.of_a_trial
        growth = sum(max(0, each - runs.get(run_id, 0)) for run_id in running)
        return DiskUsage(runs, growth, sum(file.size for file in stages))

    def shrink_stages(self, limit: int) -> int:
        """Evict stages that are not in use, down to so many bytes; the bytes that this freed.

        Raises:
            OSError: They cannot be listed or removed.
        """
        from raysearch.training.stages.cache import StageCache  # imports torch

        self.guard()
        if self._stages is None:  # one for all times: it learns who of the users has died
            self._stages = StageCache(self.stages_place)
        freed = self._stages.shrink(limit)
        self.freed += freed
        return freed

    def _settle(self, run_id: str, files: Collection[StoredFile], *, weights: bool) -> int:
        self._largest.see(files)
        self.guard()
        # What lies in a folder of its own, such as an export, was put there by somebody else.
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
    """Whether a file of an ended run stays; hidden ones are what a killed writer left."""
    return name == BROKEN or (weights and name not in _CHECKPOINTS and not name.startswith("."))
