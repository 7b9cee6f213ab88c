"""Carries runs to a slot's worker and events to the search, without polling or loss.

A `RunChannel` belongs to one slot. The search puts a run in; the worker takes it, posts events
and asks whether to continue; the search reads events in order. The channel survives the worker: its
replacement gets the unfinished run, and repeated events are dropped. `RunChannel` does not use
Ray; a `Dispatcher` with the channels of all slots runs as a Ray actor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from raysearch.cluster.gpu_faults import GpuFaults
from raysearch.cluster.gpus import GpuPlace, gpu_nodes
from raysearch.events import GPU_FAILED, NODE_WENT, Event, EventKind, ended_run
from raysearch.run import RunSpec, RunState

__all__ = ["MAX_DEATHS", "MAX_LOSSES", "Dispatcher", "RunChannel"]

MAX_DEATHS = 3
"""Deaths of its worker without progress after which a run fails."""
MAX_LOSSES = 20
"""Losses of its node after which a run fails; not the trial's fault, but bounded."""
VERDICT_SECONDS = 10.0
"""How long a prunable report waits for the search before training continues."""

ENDS = (EventKind.FINISHED, EventKind.STOPPED, EventKind.REFUSED, EventKind.TOO_LARGE)
"""After these no worker takes the run again."""
DRAIN_WAIT_SECONDS = 3.0
"""How long a draining slot's worker still waits: Tune may be about to pass it a last run."""


class RunChannel:
    """The exchange between one slot's worker and the search; one event loop, no threads.

    Args:
        after: Number of the last event that the search has read, from an earlier dispatcher.
    """

    def __init__(self, after: int = 0) -> None:
        self._changed = asyncio.Condition()
        self._spec: RunSpec | None = None
        self._prunable = False
        self._open = False
        self._closed = False
        self._draining = False
        self._sequence = self._read = after
        self._events: list[Event] = []
        self._rungs: set[int] = set()
        self._grants = self._losses = 0
        self._furthest = -1
        self._worker: str | None = None
        self._given_up = False
        self._fault = ""
        self.places: tuple[GpuPlace, ...] = ()
        """Where the slot's workers are."""
        self.too_small: set[str] = set()
        """Types of GPUs that the run does not fit."""

    async def put(self, spec: RunSpec, prunable: bool) -> None:
        """Pass the slot its next run; one that is still running is cancelled.

        Args:
            spec: What to run.
            prunable: Whether the worker waits at every report until the search has read it,
                so that early stopping takes effect at the report that caused it.
        """
        self._spec, self._prunable, self._open = spec, prunable, True
        self._draining = False
        self._events, self._rungs = [], set()
        self._grants = self._losses = 0
        self._furthest = -1
        self._worker = None
        self._given_up = False
        self._fault = ""
        self.too_small = set()
        await self._notify()

    async def cancel(self) -> None:
        """The search is done with the run: the worker must release it and ask for the next."""
        self._open = False
        await self._notify()

    async def drain(self) -> None:
        """No further run is expected: a worker that waits for one must leave."""
        self._draining = True
        await self._notify()

    async def close(self) -> None:
        """Close the slot: the worker must leave at its next request."""
        self._closed = True
        await self._notify()

    async def next_events(self, after: int, seconds: float) -> tuple[Event, ...]:
        """The events after a number, once there are any; acknowledges the earlier ones.

        Args:
            after: The last sequence number read; 0 at first. A worker that waits for the
                verdict on a report up to this number continues.
            seconds: How long to wait when there is none; the result is then empty.
        """
        self._read = max(self._read, after)
        self._events = [event for event in self._events if event.sequence > after]
        await self._notify()
        await self._wait(lambda: bool(self._events), seconds)
        return tuple(self._events)

    async def next_run(self, seconds: float, worker: str = "") -> RunSpec | None:
        """The run to execute: the current one until it is finished, then the next.

        A worker that asks again without having finished has died: at the `MAX_DEATHS`th death
        at the same step the run fails and the worker waits for another. A loss reported by
        `lost` is no death.

        Args:
            seconds: How long to wait for one.
            worker: The worker, which from now on owns the run; see `owns`.

        Returns:
            None when the worker must leave: no run came, or the slot is closed.
        """
        await self._wait(lambda: self._open or self._closed or self._draining, seconds)
        if self._draining:
            await self._wait(lambda: self._open or self._closed, min(seconds, DRAIN_WAIT_SECONDS))
        if self._closed or not self._open or self._spec is None:
            return None
        died = self._grants >= MAX_DEATHS
        if died or self._losses >= MAX_LOSSES:
            what = f"its worker died {MAX_DEATHS}" if died else f"{NODE_WENT} {MAX_LOSSES}"
            why = "see the Ray logs"
            if died and self._fault:
                what, why = f"{GPU_FAILED} {MAX_DEATHS}", self._fault
            reason = f"{what} times at the same place ({why})"
            trial = ended_run(self._spec, RunState.FAILED, reason)
            await self.post(Event(kind=EventKind.FINISHED, run_id=self._spec.id, record=trial))
            return await self.next_run(seconds, worker)
        self._grants += 1
        self._worker = worker
        self._given_up = False
        return self._spec

    async def wanted(self, seconds: float) -> bool:
        """Whether a run waits for a worker; returns as soon as one does, or after `seconds`."""
        await self._wait(lambda: self._open or self._closed, seconds)
        return self._open and not self._closed

    async def post(self, event: Event) -> bool:
        """Add an event of a run.

        Returns:
            Whether the worker must release this run: it is finished or cancelled, or the
            slot is closed. For a prunable report the answer waits for the search.
        """
        if self.cancelled(event.run_id) or self._is_repeated(event):
            return self.cancelled(event.run_id)
        self._sequence += 1
        sequence = self._sequence
        self._events.append(replace(event, sequence=sequence))
        self._note_progress(event)
        if event.kind is EventKind.PREEMPTED:
            self.lost()
        if event.kind in ENDS:
            self._open = False
        await self._notify()
        if event.kind is EventKind.REPORT and self._prunable:
            await self._wait(
                lambda: self._read >= sequence or self.cancelled(event.run_id), VERDICT_SECONDS
            )
        return self.cancelled(event.run_id)

    def lost(self) -> None:
        """The worker ends, or ended, with its node: this does not count as a death."""
        self._grants = max(0, self._grants - 1)
        self._losses += 1

    def fault(self, text: str, *, of_node: bool) -> None:
        """A GPU failed under the worker, which is replaced; one of a bad node is no death."""
        self._fault = text
        if of_node:
            self._grants = 0

    async def tell(self, text: str) -> None:
        """Pass the user of the sweep a sentence."""
        if self._spec is not None:
            await self.post(Event(kind=EventKind.WARNING, run_id=self._spec.id, text=text))

    def give_up(self) -> None:
        """The run's workers hang: they must be killed, so that others take over."""
        self._given_up = True

    def given_up(self) -> bool:
        """Whether to kill the run's workers now; True once, for the caller to kill them."""
        said, self._given_up = self._given_up, False
        return said

    async def crash(self, text: str) -> None:
        """The slot itself broke; no worker will take the run."""
        await self._end(EventKind.CRASHED, text)

    async def refuse(self, text: str) -> None:
        """A node of the slot cannot run the sweep's trials, and says why; none takes the run."""
        await self._end(EventKind.REFUSED, text)

    async def _end(self, kind: EventKind, text: str) -> None:
        self._open = False
        self._sequence += 1
        spec = self._spec.id if self._spec else ""
        self._events.append(Event(kind=kind, run_id=spec, sequence=self._sequence, text=text))
        await self._notify()

    def cancelled(self, run_id: str) -> bool:
        """Whether a worker that executes this run must release it."""
        current = self._spec.id if self._spec and self._open else None
        return self._closed or run_id != current

    def owns(self, run_id: str, worker: str) -> bool:
        """Whether this worker is the latest to have taken this run.

        One that was given up for dead may still be alive behind a broken link, and must not
        overwrite its successor's files. In a new dispatcher, which has passed the run to
        nobody, the first worker to ask owns it.
        """
        if self._closed or self._spec is None or self._spec.id != run_id:
            return False
        if self._worker is None:
            self._worker = worker
        return self._worker == worker

    def _is_repeated(self, event: Event) -> bool:
        if event.report is None:
            return False
        repeated = event.report.rung in self._rungs
        self._rungs.add(event.report.rung)
        return repeated

    def _note_progress(self, event: Event) -> None:
        """Reset the count of deaths when a worker gets further than any before it."""
        step = event.report.step if event.report else event.step
        if step > self._furthest:
            # The running worker keeps its own grant.
            self._furthest, self._grants, self._losses = step, min(self._grants, 1), 0

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, ready: Callable[[], bool], seconds: float) -> None:
        if ready():
            return
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(ready)
        except TimeoutError:
            pass  # the caller checks again; nothing has happened


IDLE_SECONDS = 1.0
"""How long a worker waits for an answer to its request when there will be none."""
REOPEN_SECONDS = 30.0
"""How long a dispatcher waits for an unknown slot; a live one asks every second."""


class Dispatcher:
    """The channels of a sweep's slots; runs as one asynchronous Ray actor without a CPU."""

    def __init__(self) -> None:
        self._channels: dict[str, RunChannel] = {}
        self._gone: set[str] = set()
        self._winding_up = False
        self._opened = asyncio.Condition()
        self._faults = GpuFaults()

    async def ping(self) -> None:
        """Answer once the actor is up."""

    async def open(self, slot: str, spec: RunSpec, prunable: bool, after: int = 0) -> None:
        """Open a channel for a slot that is new, or new to this dispatcher, with its run.

        Other slots with this run are dead, since no run is taken from a live one; their channels
        are closed.

        Args:
            slot: The slot.
            spec: See `RunChannel.put`.
            prunable: See `RunChannel.put`.
            after: See `RunChannel`.
        """
        for name in [
            name for name, channel in self._channels.items() if not channel.cancelled(spec.id)
        ]:
            await self.close(name)
        self._gone.discard(slot)
        self._channels[slot] = RunChannel(after)
        await self._channels[slot].put(spec, prunable)
        async with self._opened:
            self._opened.notify_all()

    async def _channel(self, slot: str) -> RunChannel | None:
        """A slot's channel; None for a slot that is gone or that is never opened."""
        if slot not in self._channels and slot not in self._gone:
            try:
                async with asyncio.timeout(REOPEN_SECONDS), self._opened:
                    await self._opened.wait_for(
                        lambda: slot in self._channels or slot in self._gone
                    )
            except TimeoutError:
                pass
        return self._channels.get(slot)

    async def put(self, slot: str, spec: RunSpec, prunable: bool) -> bool:
        """See `RunChannel.put`; False if the slot must open its channel instead."""
        if slot not in self._channels:
            return False
        await self._channels[slot].put(spec, prunable)
        return True

    async def next_events(self, slot: str, after: int, seconds: float) -> Sequence[Event] | None:
        """See `RunChannel.next_events`; None if the slot must open its channel first."""
        channel = self._channels.get(slot)
        return await channel.next_events(after, seconds) if channel else None

    async def next_run(self, slot: str, seconds: float, worker: str = "") -> RunSpec | None:
        """See `RunChannel.next_run`; None for a slot that is gone."""
        channel = None if self._winding_up else await self._channel(slot)
        return await channel.next_run(seconds, worker) if channel else None

    async def owns(self, slot: str, run_id: str, worker: str) -> bool:
        """See `RunChannel.owns`; False for a slot that is gone."""
        channel = await self._channel(slot)
        return channel is not None and channel.owns(run_id, worker)

    async def wanted(self, slot: str, seconds: float) -> bool:
        """See `RunChannel.wanted`; False for a slot that is gone."""
        if self._winding_up:
            await asyncio.sleep(min(seconds, IDLE_SECONDS))
            return False
        channel = await self._channel(slot)
        return await channel.wanted(seconds) if channel else False

    async def post(self, slot: str, event: Event) -> bool:
        """See `RunChannel.post`; True for a slot that is gone."""
        channel = await self._channel(slot)
        if channel and event.kind is EventKind.REPORT:
            self._faults.worked(channel.places)
        return await channel.post(event) if channel else True

    async def begin(self, slot: str, places: Sequence[GpuPlace]) -> None:
        """The slot's workers are up, at these places."""
        if channel := await self._channel(slot):
            channel.places = tuple(places)

    async def fault(self, slot: str, place: GpuPlace, run_id: str, text: str) -> None:
        """A GPU failed under a worker, which ends; a node where that recurs is left out.

        Args:
            slot: The worker's slot.
            place: Its place.
            run_id: The run that met it; empty for a check between runs.
            text: The error.
        """
        channel = await self._channel(slot)
        if channel is None:
            return
        sentence = self._faults.failed(place, run_id, text)
        channel.fault(f"{place}: {text}", of_node=bool(sentence) or not run_id)
        await channel.tell(sentence or f"{place} failed, and its worker is replaced: {text}")

    async def selector(
        self, slot: str, nodes: Mapping[str, str], types: Sequence[str] = (), most: int = 1
    ) -> dict[str, str]:
        """Ray's labels of the nodes that the slot's workers may be on; empty for any.

        The sweep is refused where no node is left.

        Args:
            slot: The slot.
            nodes: The living nodes that have GPUs, and the type of these.
            types: See `GpuFaults.selector`.
            most: See there.
        """
        channel = await self._channel(slot)
        if channel is None:
            return {}
        if refusal := self._faults.refusal(nodes):
            await self.refuse(slot, refusal)
        return self._faults.selector(channel.too_small, types, most)

    async def too_large(
        self, slot: str, place: GpuPlace, event: Event, types: Sequence[str] = ()
    ) -> bool:
        """A run does not fit its GPU: it goes to another type, if there is one, or is set aside.

        Args:
            slot: Its slot.
            place: The GPU.
            event: What is to be said.
            types: The types that the sweep may have; empty for those of the living nodes.

        Returns:
            Whether it goes to another type, so that the workers must leave.
        """
        channel = await self._channel(slot)
        if channel is None:
            return False
        channel.too_small.add(place.type)
        others = set(types or gpu_nodes().values()) - channel.too_small - {""}
        if not others:
            await channel.post(event)
            return False
        channel.lost()
        await channel.tell(f"{event.text}; it goes to {' or '.join(sorted(others))}")
        return True

    async def cancel(self, run_id: str) -> None:
        """Have the worker that executes this run, in whatever slot, release it."""
        for channel in self._channels.values():
            if not channel.cancelled(run_id):
                await channel.cancel()

    async def wind_up(self) -> None:
        """The session is over: workers must write their checkpoints and leave, none may start."""
        self._winding_up = True

    async def winding_up(self) -> bool:
        """Whether `wind_up` was called."""
        return self._winding_up

    async def give_up(self, run_id: str) -> None:
        """`RunChannel.give_up` in the slot that executes this run."""
        for channel in self._channels.values():
            if not channel.cancelled(run_id):
                channel.give_up()

    async def given_up(self, slot: str) -> bool:
        """See `RunChannel.given_up`."""
        return slot in self._channels and self._channels[slot].given_up()

    async def drain(self) -> None:
        """`RunChannel.drain` in every slot."""
        for channel in self._channels.values():
            await channel.drain()

    async def cancelled(self, slot: str, run_id: str) -> bool:
        """See `RunChannel.cancelled`."""
        channel = await self._channel(slot)
        return channel.cancelled(run_id) if channel else True

    async def lost(self, slot: str) -> None:
        """See `RunChannel.lost`."""
        if slot in self._channels:
            self._channels[slot].lost()

    async def crash(self, slot: str, text: str) -> None:
        """See `RunChannel.crash`."""
        channel = await self._channel(slot)
        if channel:
            await channel.crash(text)

    async def refuse(self, slot: str, text: str) -> None:
        """See `RunChannel.refuse`."""
        channel = await self._channel(slot)
        if channel:
            await channel.refuse(text)

    async def close(self, slot: str) -> None:
        """Close the slot's channel and drop its contents."""
        self._gone.add(slot)
        channel = self._channels.pop(slot, None)
        if channel:
            await channel.close()
        async with self._opened:
            self._opened.notify_all()
