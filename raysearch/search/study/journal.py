"""A write-ahead journal of the runs that have begun and not ended, separate from the study.

``<root>/intents/<run id>.json`` is a run as it was first queued. It is written before the run
begins and removed once its row is written. The study does not need these files: they let
`raysearch.search.study.recovery` resume from checkpoints when the study is lost.
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
    """The open runs of one sweep.

    Args:
        root: Folder or URI of the sweep.
        make: Whether to create the root if it is missing; readers do not.
        guard: Called before each write.

    Raises:
        StoreError: The root does not exist; every method may raise it too.
    """

    def __init__(self, root: str, *, make: bool = True, guard: Guard = unguarded) -> None:
        self._guard = guard
        self._where = f"{redacted(root).rstrip('/')}/{_FOLDER}"
        self._storage = open_storage(root, make=make, retry=RETRY_LONG if make else RETRY_SHORT)

    def write(self, spec: RunSpec) -> None:
        """Record that the run begins."""
        self._guard()
        # Without its folder, whose URI may hold keys; readers know where it is.
        text = json.dumps(seal(json.loads(replace(spec, folder="").to_json())))
        # Not synced: it is needed only if a power cut takes the study as well.
        with self._sentences():
            self._storage.write(self._name(spec.id), [text.encode()], lasting=False)

    def remove(self, run_id: str) -> None:
        """Remove the run, which has ended and whose row is written."""
        self._guard()
        with self._sentences():
            self._storage.remove(self._name(run_id))

    def keep(self, run_ids: Container[str]) -> None:
        """Remove the runs not in `run_ids`, whose driver was killed before it did."""
        for run_id in self.ids():
            if run_id not in run_ids:
                self.remove(run_id)

    def ids(self) -> list[str]:
        """Ids of the open runs."""
        with self._sentences():
            files = self._storage.files(_FOLDER)
        names = [file.name.removeprefix(f"{_FOLDER}/") for file in files]
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def specs(self) -> list[RunSpec]:
        """The open runs in order of number and cell."""
        found = [self._read(run_id) for run_id in self.ids()]
        return sorted(found, key=lambda spec: (spec.number, spec.cell))

    def _read(self, run_id: str) -> RunSpec:
        try:
            with self._sentences(), self._storage.open(self._name(run_id)) as file:
                spec = RunSpec.from_json(json.dumps(unseal(json.loads(file.read()))))
            if spec.id != run_id or not isinstance(spec.config, dict) or spec.number < 0:
                raise ValueError(f"it is of the run {spec.id}")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{self._where}/{run_id}.json must be a run as a sweep writes it, but: "
                f"{error}; remove it to give up that trial's checkpoint"
            ) from error
        return spec

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self._where} must be a place that can be read and written, but: "
                f"{error.strerror or error}; mend it and run the same command again"
            ) from error

    def _name(self, run_id: str) -> str:
        return f"{_FOLDER}/{run_id}.json"
