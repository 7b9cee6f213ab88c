"""The way of runs to a slot's worker and of its events to the search, without polling or loss.

A `RunChannel` belongs to one slot. The search puts a run in; the worker takes it, posts events
and asks whether to go on; the search reads events in order. All of it survives the worker: a
worker that takes its place gets the run that is not finished, and events that it repeats are
dropped. Nothing here touches Ray; `raysearch.cluster.dispatcher` is what a Ray actor holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from raysearch.events import NODE_WENT, Event, EventKind, ended_run
from raysearch.run import RunSpec, RunState

__all__ = ["MAX_DEATHS", "MAX_LOSSES", "Dispatcher", "RunChannel"]

MAX_DEATHS = 3
"""Deaths of its worker without progress after which a run ends as failed."""
MAX_LOSSES = 20
"""Losses of its node after which it does; they are not the trial's doing, but have a bound."""
VERDICT_SECONDS = 10.0
"""How long a prunable report waits for the search before training goes on."""

DRAIN_WAIT_SECONDS = 3.0
"""How long a draining slot's worker still waits: Tune may have a last run on its way to it."""


class RunChannel:
    """The exchange between one slot's worker and the search; one event loop, no threads.

    Args:
        after: Number of the last event that the search has read, in a dispatcher before this one.
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

    async def put(self, spec: RunSpec, prunable: bool) -> None:
        """Give the slot its next run; one that is still running is thereby cancelled.

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
        await self._notify()

    async def cancel(self) -> None:
        """The run is over for the search; the worker shall released it and ask for the next."""
        self._open = False
        await self._notify()

    async def drain(self) -> None:
        """No run will come as far as anybody knows: a worker that waits for one shall leave."""
        self._draining = True
        await self._notify()

    async def close(self) -> None:
        """The slot is over: the worker shall leave at its next question."""
        self._closed = True
        await self._notify()

    async def next_events(self, after: int, seconds: float) -> tuple[Event, ...]:
        """The events after a number, as soon as there are any; reading on approves the earlier.

        Args:
            after: The last sequence number read; 0 at first. A worker that waits for the
                verdict on a report up to here goes on.
            seconds: How long to wait when there is none; then the answer is empty.
        """
        self._read = max(self._read, after)
        self._events = [event for event in self._events if event.sequence > after]
        await self._notify()
        await self._wait(lambda: bool(self._events), seconds)
        return tuple(self._events)

    async def next_run(self, seconds: float, worker: str = "") -> RunSpec | None:
        """The run to run: the current one until it is finished, else the next.

        A worker that asks again without having finished has died: at the `MAX_DEATHS`th death
        at the same step the run ends as failed and the worker waits for another. What
        `lost` reported is no death.

        Args:
            seconds: How long to wait for one.
            worker: Who asks; from now on the run is this one's, see `owns`.

        Returns:
            None when the worker shall leave: no run came, or the slot is over.
        """
        await self._wait(lambda: self._open or self._closed or self._draining, seconds)
        if self._draining:
            await self._wait(lambda: self._open or self._closed, min(seconds, DRAIN_WAIT_SECONDS))
        if self._closed or not self._open or self._spec is None:
            return None
        died = self._grants >= MAX_DEATHS
        if died or self._losses >= MAX_LOSSES:
            what = f"its worker died {MAX_DEATHS}" if died else f"{NODE_WENT} {MAX_LOSSES}"
            reason = f"{what} times at the same place (see the Ray logs)"
            trial = ended_run(self._spec, RunState.FAILED, reason)
            await self.post(Event(kind=EventKind.FINISHED, run_id=self._spec.id, record=trial))
            return await self.next_run(seconds, worker)
        self._grants += 1
        self._worker = worker
        self._given_up = False
        return self._spec

    async def wanted(self, seconds: float) -> bool:
        """Whether there is a run that waits for a worker; answers when there is, or in time."""
        await self._wait(lambda: self._open or self._closed, seconds)
        return self._open and not self._closed

    async def post(self, event: Event) -> bool:
        """Take an event of a run.

        Returns:
            Whether the worker shall released this run: it is finished, cancelled, or the
            slot is over. For a judged report the answer waits for the search.
        """
        if self.cancelled(event.run_id) or self._is_repeated(event):
            return self.cancelled(event.run_id)
        self._sequence += 1
        sequence = self._sequence
        self._events.append(replace(event, sequence=sequence))
        self._note_progress(event)
        if event.kind is EventKind.PREEMPTED:
            self.lost()
        if event.kind in (EventKind.FINISHED, EventKind.STOPPED, EventKind.REFUSED):
            self._open = False
        await self._notify()
        if event.kind is EventKind.REPORT and self._prunable:
            await self._wait(
                lambda: self._read >= sequence or self.cancelled(event.run_id), VERDICT_SECONDS
            )
        return self.cancelled(event.run_id)

    def lost(self) -> None:
        """The worker ends, or ended, with its node: no death of the run."""
        self._grants = max(0, self._grants - 1)
        self._losses += 1

    def give_up(self) -> None:
        """The run's workers hang: they shall be killed, so that others take it."""
        self._given_up = True

    def given_up(self) -> bool:
        """Whether the run's workers are to be killed now; said once, to who kills them."""
        said, self._given_up = self._given_up, False
        return said

    async def crash(self, text: str) -> None:
        """The slot itself broke; nobody will take the run."""
        self._open = False
        self._sequence += 1
        spec = self._spec.id if self._spec else ""
        event = Event(kind=EventKind.CRASHED, run_id=spec, sequence=self._sequence, text=text)
        self._events.append(event)
        await self._notify()

    def cancelled(self, run_id: str) -> bool:
        """Whether a worker that runs this run shall released it."""
        current = self._spec.id if self._spec and self._open else None
        return self._closed or run_id != current

    def owns(self, run_id: str, worker: str) -> bool:
        """Whether this worker, of all that ever had this run, is the one that has it now.

        One that was given up for dead may live on, beyond a link that is down, and must not
        write over what the next one wrote. In a dispatcher that has given the run to nobody the
        first that asks has it.
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
        """A worker that got further than any before it does not count as one more death."""
        step = event.report.step if event.report else event.step
        if step > self._furthest:
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
            pass  # the caller looks again; nothing has happened


IDLE_SECONDS = 1.0
"""How long a worker waits for an answer to its request for work when there will be none."""
REOPEN_SECONDS = 30.0
"""How long a dispatcher waits for a slot that it does not know; a live one asks every second."""


class Dispatcher:
    """The channels of a sweep's slots; runs as one asynchronous Ray actor without a CPU."""

    def __init__(self) -> None:
        self._channels: dict[str, RunChannel] = {}
        self._gone: set[str] = set()
        self._winding_up = False
        self._opened = asyncio.Condition()

    async def ping(self) -> None:
        """Answer once the actor is up."""

    async def open(self, slot: str, spec: RunSpec, prunable: bool, after: int = 0) -> None:
        """A channel for a slot that is new, or new to this dispatcher, with the run that it runs.

        Other slots that have this run are dead, since nobody takes a run from one that
        lives; their channels are closed.

        Args:
            slot: The slot.
            spec: See `RunChannel.put`.
            prunable: Likewise.
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
        """A slot's channel; None for one that is gone, or that nobody opens."""
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
        """See `RunChannel.put`; False where the slot shall open its channel instead."""
        if slot not in self._channels:
            return False
        await self._channels[slot].put(spec, prunable)
        return True

    async def next_events(self, slot: str, after: int, seconds: float) -> Sequence[Event] | None:
        """See `RunChannel.next_events`; None where the slot shall open its channel first."""
        channel = self._channels.get(slot)
        return await channel.next_events(after, seconds) if channel else None

    async def next_run(self, slot: str, seconds: float, worker: str = "") -> RunSpec | None:
        """See `RunChannel.next_run`; a slot that is gone has none."""
        channel = None if self._winding_up else await self._channel(slot)
        return await channel.next_run(seconds, worker) if channel else None

    async def owns(self, slot: str, run_id: str, worker: str) -> bool:
        """See `RunChannel.owns`; a slot that is gone owns nothing."""
        channel = await self._channel(slot)
        return channel is not None and channel.owns(run_id, worker)

    async def wanted(self, slot: str, seconds: float) -> bool:
        """See `RunChannel.wanted`; a slot that is gone wants nobody."""
        if self._winding_up:
            await asyncio.sleep(min(seconds, IDLE_SECONDS))
            return False
        channel = await self._channel(slot)
        return await channel.wanted(seconds) if channel else False

    async def post(self, slot: str, event: Event) -> bool:
        """See `RunChannel.post`; a slot that is gone releases everything."""
        channel = await self._channel(slot)
        return await channel.post(event) if channel else True

    async def cancel(self, run_id: str) -> None:
        """Tell the worker that runs this run, in whatever slot, to released it."""
        for channel in self._channels.values():
            if not channel.cancelled(run_id):
                await channel.cancel()

    async def wind_up(self) -> None:
        """The run is over: workers shall write their checkpoints and leave, and none shall come."""
        self._winding_up = True

    async def winding_up(self) -> bool:
        """Whether that is so."""
        return self._winding_up

    async def give_up(self, run_id: str) -> None:
        """See `RunChannel.give_up`; of the slot that runs this run."""
        for channel in self._channels.values():
            if not channel.cancelled(run_id):
                channel.give_up()

    async def given_up(self, slot: str) -> bool:
        """See `RunChannel.given_up`."""
        return slot in self._channels and self._channels[slot].given_up()

    async def drain(self) -> None:
        """See `RunChannel.drain`; of every slot."""
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

    async def close(self, slot: str) -> None:
        """Close the slot's channel and forget what was in it."""
        self._gone.add(slot)
        channel = self._channels.pop(slot, None)
        if channel:
            await channel.close()
        async with self._opened:
            self._opened.notify_all()
