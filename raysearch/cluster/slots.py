"""Slots: Ray Train without its start-up cost, kept warm for one run after another.

A `Slot` owns a `TorchTrainer` in a thread of the process that made it (a Tune trial's actor).
Its workers hold the slot's CPUs and GPUs in a placement group of their own, so that an
autoscaler sees the demand; the process that owns it needs next to nothing. A worker that dies
comes back and goes on with the run from its checkpoint. Workers with nothing to do leave, so
that their node can go or another slot can have their place, and come back with the next run.
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
"""Length of one question whether workers are wanted; the answer comes when it is yes."""
CLOSE_SECONDS = 5.0
"""How long a closing slot waits for its workers to leave by themselves."""


class Slot:
    """A running slot; made with its first run.

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
        """Give the slot its next run; one that is still running is cancelled."""
        self._spec, self._prunable = spec, prunable
        if not ray.get(self._dispatcher.put.remote(self.name, spec, prunable)):
            self._open()

    def next_events(self, seconds: float) -> tuple[Event, ...]:
        """The next events, at least one; empty when nothing came in so many seconds."""
        events = ray.get(self._dispatcher.next_events.remote(self.name, self._read, seconds))
        if events is None:  # the dispatcher died, and the one in its place knows nothing
            self._open()
            return ()
        if events:
            self._read = events[-1].sequence
        return tuple(events)

    def _open(self) -> None:
        """A channel in a dispatcher that does not know this slot."""
        ray.get(self._dispatcher.open.remote(self.name, self._spec, self._prunable, self._read))

    def close(self) -> None:
        """Let the workers leave, and give back what the slot holds."""
        self._closed.set()
        ray.get(self._dispatcher.close.remote(self.name))
        self._thread.join(CLOSE_SECONDS)

    def _fit(self) -> None:
        """Keep a Ray Train run up while there are runs; it ends when there is none for long."""
        try:
            # Torch takes a second to import; here it does not hold up the Tune trial.
            from raysearch.cluster.trainer import slot_trainer

            with scratch_folder("slot") as scratch:
                while not self._closed.is_set():
                    if ray.get(self._dispatcher.wanted.remote(self.name, WANTED_SECONDS)):
                        slot_trainer(self._dispatcher, self.name, self._shape, str(scratch)).fit()
        except Exception:
            if not self._closed.is_set():
                ray.get(self._dispatcher.crash.remote(self.name, traceback.format_exc()))
