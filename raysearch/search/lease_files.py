"""What do leases leave behind where the sweep lies, and how is it cleared away?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raysearch.storage import open_storage

__all__ = ["LeaseFiles"]

_log = logging.getLogger(__name__)
_CHECKPOINT = "checkpoint.pt"
_BROKEN = "error.txt"
"""A lease whose runner broke leaves its traceback; that stays."""


class LeaseFiles:
    """The folders of a sweep's leases, on a disk or in an object store.

    What cannot be removed is told of and stays: it takes room, and the next run removes it.

    Args:
        place: Folder or URI that holds one folder per lease.

    Raises:
        StoreError: The place cannot be reached.
    """

    def __init__(self, place: str | Path) -> None:
        self._storage = open_storage(place, make=False)
        self._listed: dict[str, set[str]] | None = None

    @contextmanager
    def listed(self) -> Iterator[None]:
        """Inside, what is there is what one look found: for many leases that do not run."""
        found: dict[str, set[str]] = {}
        with self._excused("looked at"):
            for file in self._storage.tree():
                lease, _, name = file.name.partition("/")
                found.setdefault(lease, set()).add(name)
        self._listed = found
        try:
            yield
        finally:
            self._listed = None

    def remove_checkpoint(self, lease: str) -> None:
        """Remove a finished lease's checkpoint."""
        with self._excused("removed"):
            if _CHECKPOINT in self._names(lease):
                self._storage.remove(f"{lease}/{_CHECKPOINT}")

    def clear(self, lease: str) -> None:
        """Remove a lease's folder, but for the traceback of a runner that broke."""
        with self._excused("removed"):
            names = self._names(lease)
            if _BROKEN in names:
                for name in names - {_BROKEN}:
                    self._storage.remove(f"{lease}/{name}")
            elif names or self._listed is None:
                self._storage.remove_folder(lease)

    def _names(self, lease: str) -> set[str]:
        if self._listed is not None:
            return self._listed.get(lease, set())
        return {file.name.rpartition("/")[2] for file in self._storage.files(lease)}

    @contextmanager
    def _excused(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            _log.warning(
                "files of finished trials in %s cannot be %s now: %s",
                *(self._storage.place, what, error),
            )
