"""Where do the mailboxes of a sweep's slots stand, and what if that place goes down?

`Mailroom` runs as one asynchronous Ray actor, by name of the slot. Where its process dies,
another takes its place and knows nothing: the slots open their mailboxes anew, and whoever
asks before that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from raysearch.cluster.events import SlotEvent
from raysearch.cluster.mailbox import Mailbox
from raysearch.trial import Lease

__all__ = ["Mailroom"]

IDLE_SECONDS = 1.0
"""So long who asks for work waits for the answer, when there will be none."""
REOPEN_SECONDS = 30.0
"""So long a room waits for a slot that it does not know: it asks for its news every second."""


class Mailroom:
    """The mailboxes of a sweep's slots; runs as one asynchronous Ray actor without a CPU."""

    def __init__(self) -> None:
        self._boxes: dict[str, Mailbox] = {}
        self._gone: set[str] = set()
        self._winding_up = False
        self._opened = asyncio.Condition()

    async def ping(self) -> None:
        """Answer once the actor is up."""

    async def open(self, slot: str, lease: Lease, judged: bool, after: int = 0) -> None:
        """A mailbox for a slot that is new, or new to this room, with the lease that it runs.

        Other slots that have this lease are dead, since nobody takes a lease from one that
        lives; their mailboxes are closed.

        Args:
            slot: The slot.
            lease: See `Mailbox.put`.
            judged: Likewise.
            after: See `Mailbox`.
        """
        for name in [name for name, box in self._boxes.items() if not box.called_off(lease.id)]:
            await self.close(name)
        self._gone.discard(slot)
        self._boxes[slot] = Mailbox(after)
        await self._boxes[slot].put(lease, judged)
        async with self._opened:
            self._opened.notify_all()

    async def _box(self, slot: str) -> Mailbox | None:
        """A slot's mailbox; None for one that is gone, or that nobody opens."""
        if slot not in self._boxes and slot not in self._gone:
            try:
                async with asyncio.timeout(REOPEN_SECONDS), self._opened:
                    await self._opened.wait_for(lambda: slot in self._boxes or slot in self._gone)
            except TimeoutError:
                pass
        return self._boxes.get(slot)

    async def put(self, slot: str, lease: Lease, judged: bool) -> bool:
        """See `Mailbox.put`; False where the slot shall open its mailbox instead."""
        if slot not in self._boxes:
            return False
        await self._boxes[slot].put(lease, judged)
        return True

    async def next_events(
        self, slot: str, after: int, seconds: float
    ) -> Sequence[SlotEvent] | None:
        """See `Mailbox.next_events`; None where the slot shall open its mailbox first."""
        box = self._boxes.get(slot)
        return await box.next_events(after, seconds) if box else None

    async def next_lease(self, slot: str, seconds: float, worker: str = "") -> Lease | None:
        """See `Mailbox.next_lease`; a slot that is gone has none."""
        box = None if self._winding_up else await self._box(slot)
        return await box.next_lease(seconds, worker) if box else None

    async def owns(self, slot: str, lease_id: str, worker: str) -> bool:
        """See `Mailbox.owns`; a slot that is gone owns nothing."""
        box = await self._box(slot)
        return box is not None and box.owns(lease_id, worker)

    async def wanted(self, slot: str, seconds: float) -> bool:
        """See `Mailbox.wanted`; a slot that is gone wants nobody."""
        if self._winding_up:
            await asyncio.sleep(min(seconds, IDLE_SECONDS))
            return False
        box = await self._box(slot)
        return await box.wanted(seconds) if box else False

    async def post(self, slot: str, event: SlotEvent) -> bool:
        """See `Mailbox.post`; a slot that is gone lets go of everything."""
        box = await self._box(slot)
        return await box.post(event) if box else True

    async def call_off(self, lease_id: str) -> None:
        """Tell the worker that runs this lease, in whatever slot, to let go of it."""
        for box in self._boxes.values():
            if not box.called_off(lease_id):
                await box.call_off()

    async def wind_up(self) -> None:
        """The run is over: workers shall write their checkpoints and leave, and none shall come."""
        self._winding_up = True

    async def winding_up(self) -> bool:
        """Whether that is so."""
        return self._winding_up

    async def give_up(self, lease_id: str) -> None:
        """See `Mailbox.give_up`; of the slot that runs this lease."""
        for box in self._boxes.values():
            if not box.called_off(lease_id):
                box.give_up()

    async def given_up(self, slot: str) -> bool:
        """See `Mailbox.given_up`."""
        return slot in self._boxes and self._boxes[slot].given_up()

    async def rest(self) -> None:
        """See `Mailbox.rest`; of every slot."""
        for box in self._boxes.values():
            await box.rest()

    async def called_off(self, slot: str, lease_id: str) -> bool:
        """See `Mailbox.called_off`."""
        box = await self._box(slot)
        return box.called_off(lease_id) if box else True

    async def lost(self, slot: str) -> None:
        """See `Mailbox.lost`."""
        if slot in self._boxes:
            self._boxes[slot].lost()

    async def crash(self, slot: str, text: str) -> None:
        """See `Mailbox.crash`."""
        box = await self._box(slot)
        if box:
            await box.crash(text)

    async def close(self, slot: str) -> None:
        """Close the slot's mailbox and forget what was in it."""
        self._gone.add(slot)
        box = self._boxes.pop(slot, None)
        if box:
            await box.close()
        async with self._opened:
            self._opened.notify_all()
