"""Two workers with one lease: which may write its files, whoever was thought to be dead."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from raysearch.cluster.dispatcher import Dispatcher
from raysearch.run import Cell, RunSpec


def lease(number: int = 0) -> RunSpec:
    return RunSpec(
        sweep="s", number=number, cell=Cell("sample", 0), method="m", config={}, folder="f"
    )


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 20))


def test_a_lease_is_of_the_worker_that_took_it_last() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("slot", lease(), False)
        await room.next_lease("slot", 1, "first")
        assert await room.owns("slot", lease().id, "first")
        await room.next_lease("slot", 1, "second")  # the first was given up for dead
        assert not await room.owns("slot", lease().id, "first")
        assert await room.owns("slot", lease().id, "second")

    run(body())


def test_a_lease_that_is_called_off_may_still_be_saved_by_its_worker() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("slot", lease(), False)
        await room.next_lease("slot", 1, "worker")
        await room.call_off(lease().id)  # the run ends: the next one goes on from here
        assert await room.owns("slot", lease().id, "worker")
        await room.put("slot", lease(1), False)
        assert not await room.owns("slot", lease().id, "worker")

    run(body())


def test_the_worker_of_a_dead_slot_owns_nothing() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("dead", lease(), False)
        await room.next_lease("dead", 1, "old")
        await room.open("alive", lease(), False)
        await room.next_lease("alive", 1, "new")
        assert not await room.owns("dead", lease().id, "old")
        assert await room.owns("alive", lease().id, "new")
        await room.close("alive")
        assert not await room.owns("alive", lease().id, "new")

    run(body())


def test_a_new_room_leaves_the_lease_with_the_worker_that_goes_on() -> None:
    async def body() -> None:
        room = Dispatcher()
        asked = asyncio.create_task(room.owns("slot", lease().id, "worker"))
        await asyncio.sleep(0)
        assert not asked.done()  # the slot has not opened its mailbox yet
        await room.open("slot", lease(), False, 7)
        assert await asked
        assert not await room.owns("slot", lease().id, "another")
        assert await room.owns("slot", lease().id, "worker")

    run(body())
