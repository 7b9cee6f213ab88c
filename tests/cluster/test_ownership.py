"""Two workers with one run: which may write its files, whoever was thought to be dead."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from raysearch.cluster.dispatcher import Dispatcher
from raysearch.run import Cell, RunSpec


def spec(number: int = 0) -> RunSpec:
    return RunSpec(
        sweep="s", number=number, cell=Cell("sample", 0), method="m", config={}, folder="f"
    )


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 20))


def test_a_run_is_of_the_worker_that_took_it_last() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("slot", spec(), False)
        await dispatcher.next_run("slot", 1, "first")
        assert await dispatcher.owns("slot", spec().id, "first")
        await dispatcher.next_run("slot", 1, "second")  # the first was given up for dead
        assert not await dispatcher.owns("slot", spec().id, "first")
        assert await dispatcher.owns("slot", spec().id, "second")

    run(body())


def test_a_run_that_is_called_off_may_still_be_saved_by_its_worker() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("slot", spec(), False)
        await dispatcher.next_run("slot", 1, "worker")
        await dispatcher.cancel(spec().id)  # the run ends: the next one goes on from here
        assert await dispatcher.owns("slot", spec().id, "worker")
        await dispatcher.put("slot", spec(1), False)
        assert not await dispatcher.owns("slot", spec().id, "worker")

    run(body())


def test_the_worker_of_a_dead_slot_owns_nothing() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("dead", spec(), False)
        await dispatcher.next_run("dead", 1, "old")
        await dispatcher.open("alive", spec(), False)
        await dispatcher.next_run("alive", 1, "new")
        assert not await dispatcher.owns("dead", spec().id, "old")
        assert await dispatcher.owns("alive", spec().id, "new")
        await dispatcher.close("alive")
        assert not await dispatcher.owns("alive", spec().id, "new")

    run(body())


def test_a_new_room_leaves_the_run_with_the_worker_that_goes_on() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        asked = asyncio.create_task(dispatcher.owns("slot", spec().id, "worker"))
        await asyncio.sleep(0)
        assert not asked.done()  # the slot has not opened its channel yet
        await dispatcher.open("slot", spec(), False, 7)
        assert await asked
        assert not await dispatcher.owns("slot", spec().id, "another")
        assert await dispatcher.owns("slot", spec().id, "worker")

    run(body())
