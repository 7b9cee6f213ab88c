"""Slots: Ray Train workers kept warm, so that each run is spared their start-up.

A `Slot` owns a Ray Train run in a thread of the process that made it (a Tune trial's actor).
Its workers hold the slot's CPUs and GPUs in their own placement group, so that an autoscaler
sees the demand; the owner needs next to nothing. A worker that dies is replaced, and the run
continues from its checkpoint. Idle workers leave, so that their node can go or another slot
can use it, and are started again for the next run.
"""

from __future__ import annotations

import threading
import traceback
import uuid
from typing import Any

import ray

from raysearch.cluster.session_folder import scratch_folder
from raysearch.cluster.worker import SlotShape
from raysearch.events import Event
from raysearch.run import RunSpec

__all__ = ["Slot"]

WANTED_SECONDS = 60.0
"""Longest wait of one request whether workers are wanted; the answer comes when it is yes."""
CLOSE_SECONDS = 5.0
"""How long a closing slot waits for its workers to leave by themselves."""


class Slot:
    """A slot, created with its first run.

    Args:
        dispatcher: Handle of the sweep's `raysearch.cluster.dispatcher.Dispatcher` actor.
        shape: Its workers.
        spec: The first run.
        prunable: See `raysearch.cluster.dispatcher.RunChannel.put`.
    """

    def __init__(self, dispatcher: Any, shape: SlotShape, spec: RunSpec, *, prunable: bool) -> None:
        self.name = uuid.uuid4().hex[:12]
        self._dispatcher, self._shape = dispatcher, shape
        self._spec, self._prunable, self._read = spec, prunable, 0
        self._closed = threading.Event()
        self._open()
        self._thread = threading.Thread(target=self._fit, name="slot", daemon=True)
        self._thread.start()

    def put(self, spec: RunSpec, *, prunable: bool) -> None:
        """Pass the slot its next run; one that is still running is cancelled."""
        self._spec, self._prunable = spec, prunable
        if not ray.get(self._dispatcher.put.remote(self.name, spec, prunable)):
            self._open()

    def next_events(self, seconds: float) -> tuple[Event, ...]:
        """The next events, at least one; empty when none came within `seconds`."""
        events = ray.get(self._dispatcher.next_events.remote(self.name, self._read, seconds))
        if events is None:  # the dispatcher was restarted and does not know this slot
            self._open()
            return ()
        if events:
            self._read = events[-1].sequence
        return tuple(events)

    def _open(self) -> None:
        """Open a channel in a dispatcher that does not know this slot."""
        ray.get(self._dispatcher.open.remote(self.name, self._spec, self._prunable, self._read))

    def close(self) -> None:
        """Let the workers leave, and free the slot's resources."""
        self._closed.set()
        ray.get(self._dispatcher.close.remote(self.name))
        self._thread.join(CLOSE_SECONDS)

    def _fit(self) -> None:
        """Keep Ray Train running while there are runs; it ends after a long idle time."""
        try:
            # Importing Ray Train takes a second; in this thread it does not delay the Tune trial.
            from raysearch.cluster.trainer import slot_trainer

            with scratch_folder("slot") as scratch:
                while not self._closed.is_set():
                    if ray.get(self._dispatcher.wanted.remote(self.name, WANTED_SECONDS)):
                        slot_trainer(self._dispatcher, self.name, self._shape, str(scratch)).fit()
        except Exception:
            if not self._closed.is_set():
                ray.get(self._dispatcher.crash.remote(self.name, traceback.format_exc()))
