"""A write-ahead journal of the runs that have begun and not ended, kept apart from the study.

``<root>/intents/<lease id>.json`` is a lease as it was offered first; it appears before the
lease runs and goes once the trial's row is there. The study needs none of them: they are for
`raysearch.search.study.recovery`, when the study is lost and its checkpoints are not.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace

from raysearch.errors import StoreError
from raysearch.run import RunSpec
from raysearch.seal import seal, unseal
from raysearch.search.study.lock import Guard, unguarded
from raysearch.storage import RETRY_LONG, RETRY_SHORT, open_storage
from raysearch.storage.uri import redacted

__all__ = ["RunJournal"]

_FOLDER = "intents"


class RunJournal:
    """The open leases of one sweep.

    Args:
        root: Folder or URI of the sweep.
        make: Whether the root is made if it is not there; a reader makes nothing.
        guard: Called before each write.

    Raises:
        StoreError: There is no such place; every method may raise it too.
    """

    def __init__(self, root: str, *, make: bool = True, guard: Guard = unguarded) -> None:
        self._guard = guard
        self._where = f"{redacted(root).rstrip('/')}/{_FOLDER}"
        self._storage = open_storage(root, make=make, patience=RETRY_LONG if make else RETRY_SHORT)

    def write(self, lease: RunSpec) -> None:
        """Say that the lease begins."""
        self._guard()
        # Without its folder, whose URI may hold keys; whoever reads it knows where it lies.
        text = json.dumps(seal(json.loads(replace(lease, folder="").to_json())))
        # Not synced: it is of use only if a power cut takes the study as well.
        with self._sentences():
            self._storage.write(self._name(lease.id), [text.encode()], lasting=False)

    def remove(self, lease_id: str) -> None:
        """The lease's trial is at its end, and its row is written."""
        self._guard()
        with self._sentences():
            self._storage.remove(self._name(lease_id))

    def keep(self, lease_ids: Container[str]) -> None:
        """Remove those of other leases, whose driver was killed before it did."""
        for lease_id in self.ids():
            if lease_id not in lease_ids:
                self.remove(lease_id)

    def ids(self) -> list[str]:
        """Ids of the open leases."""
        with self._sentences():
            files = self._storage.files(_FOLDER)
        names = [file.name.removeprefix(f"{_FOLDER}/") for file in files]
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def leases(self) -> list[RunSpec]:
        """The open leases in order of number and cell."""
        found = [self._read(lease_id) for lease_id in self.ids()]
        return sorted(found, key=lambda lease: (lease.number, lease.cell))

    def _read(self, lease_id: str) -> RunSpec:
        try:
            with self._sentences(), self._storage.open(self._name(lease_id)) as file:
                lease = RunSpec.from_json(json.dumps(unseal(json.loads(file.read()))))
            if lease.id != lease_id or not isinstance(lease.config, dict) or lease.number < 0:
                raise ValueError(f"it is of the lease {lease.id}")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{self._where}/{lease_id}.json must be a lease as a sweep writes it, but: "
                f"{error}; remove it to give up that trial's checkpoint"
            ) from error
        return lease

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self._where} must be a place that can be read and written, but: "
                f"{error.strerror or error}; mend it and run the same command again"
            ) from error

    def _name(self, lease_id: str) -> str:
        return f"{_FOLDER}/{lease_id}.json"
