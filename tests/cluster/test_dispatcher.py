"""The mailbox without Ray: order, verdicts, deaths, repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from raysearch.cluster import dispatcher as mailbox_module
from raysearch.cluster import dispatcher as mailroom_module
from raysearch.cluster.dispatcher import MAX_DEATHS, MAX_LOSSES, Dispatcher, RunChannel
from raysearch.events import Event, EventKind
from raysearch.run import Cell, Report, Run, RunSpec, RunState


def lease(number: int = 0) -> RunSpec:
    cell = Cell("sample", 0)
    return RunSpec(
        sweep="s",
        number=number,
        cell=cell,
        method="m",
        config={"corpora": ["mr", "sst2"]},
        folder="f",
    )


def report(rung: int, of: RunSpec) -> Event:
    point = Report(rung=rung, step=10 * rung, seconds=1.0, metrics={"dev/x": 1.0})
    return Event(kind=EventKind.REPORT, run_id=of.id, report=point)


def finished(of: RunSpec) -> Event:
    trial = Run(
        sweep="s",
        number=of.number,
        cell=of.cell,
        method="m",
        state=RunState.COMPLETE,
        config={},
    )
    return Event(kind=EventKind.FINISHED, run_id=of.id, record=trial)


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 20))


def test_worker_waits_for_a_lease_and_gets_it_as_soon_as_it_is_put() -> None:
    async def body() -> None:
        box = RunChannel()
        waiting = asyncio.create_task(box.next_lease(20))
        await asyncio.sleep(0)
        assert not waiting.done()
        await box.put(lease(), judged=False)
        assert await waiting == lease()

    run(body())


def test_question_for_a_lease_ends_without_one() -> None:
    async def body() -> None:
        assert await RunChannel().next_lease(0.01) is None

    run(body())


def test_events_come_in_order_and_are_forgotten_once_read() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        await box.post(Event(kind=EventKind.STARTED, run_id=lease().id))
        await box.post(report(1, lease()))
        first = await box.next_events(0, 1)
        assert [event.sequence for event in first] == [1, 2]
        assert await box.next_events(0, 1) == first  # not acknowledged: the same again
        assert await box.next_events(2, 0.01) == ()

    run(body())


def test_judged_report_waits_until_the_search_reads_on() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=True)
        posted = asyncio.create_task(box.post(report(1, lease())))
        (event,) = await box.next_events(0, 1)
        await asyncio.sleep(0.01)
        assert not posted.done()
        reading = asyncio.create_task(box.next_events(event.sequence, 20))
        assert await posted is False
        reading.cancel()

    run(body())


def test_judged_report_is_answered_by_calling_off() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=True)
        posted = asyncio.create_task(box.post(report(1, lease())))
        await box.next_events(0, 1)
        await box.call_off()
        assert await posted is True

    run(body())


def test_judged_report_goes_on_when_the_search_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_module, "VERDICT_SECONDS", 0.01)

    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=True)
        assert await box.post(report(1, lease())) is False

    run(body())


def test_next_lease_calls_the_earlier_one_off() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(0), judged=False)
        await box.put(lease(1), judged=False)
        assert box.called_off(lease(0).id)
        assert await box.post(report(1, lease(0))) is True
        assert await box.post(finished(lease(0))) is True
        assert await box.next_events(0, 0.01) == ()  # its news interest nobody any more
        assert await box.next_lease(1) == lease(1)

    run(body())


def test_a_lease_is_given_up_once_and_the_next_worker_has_it_in_peace() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("one", lease(0), judged=False)
        await room.open("two", lease(1), judged=False)
        await room.next_lease("two", 20, "hangs")
        await room.give_up(lease(1).id)
        assert not await room.given_up("one") and not await room.given_up("none")
        assert await room.given_up("two") and not await room.given_up("two")
        await room.give_up(lease(1).id)
        assert await room.next_lease("two", 20, "next") == lease(1)  # by a death of its own
        assert not await room.given_up("two")

    run(body())


def test_finished_lease_is_not_given_again() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        await box.next_lease(1)
        await box.post(finished(lease()))
        assert await box.next_lease(0.01) is None

    run(body())


def test_new_worker_gets_the_lease_and_its_repeats_are_dropped() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        assert await box.next_lease(1) == lease()
        await box.post(report(1, lease()))
        assert await box.next_lease(1) == lease()
        await box.post(report(1, lease()))
        await box.post(report(2, lease()))
        rungs = [event.report.rung for event in await box.next_events(0, 1) if event.report]
        assert rungs == [1, 2]

    run(body())


def test_lease_that_kills_its_worker_at_one_place_ends_as_failed() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        for _ in range(MAX_DEATHS):
            assert await box.next_lease(1) == lease()
        assert await box.next_lease(0.01) is None
        (event,) = await box.next_events(0, 1)
        assert event.kind is EventKind.FINISHED and event.record is not None
        assert event.record.state is RunState.FAILED
        assert f"died {MAX_DEATHS} times" in event.record.reason
        assert event.record.config == {"corpora": "mr+sst2"}

    run(body())


def test_lease_that_gets_further_in_every_life_goes_on() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        for life in range(1, 3 * MAX_DEATHS):
            assert await box.next_lease(1) == lease()
            await box.post(report(life, lease()))

    run(body())


def test_preemptions_and_lost_nodes_are_no_deaths_but_have_a_bound() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        going = Event(kind=EventKind.PREEMPTED, run_id=lease().id)
        for life in range(MAX_LOSSES):
            assert await box.next_lease(1) == lease()
            if life % 2:
                box.lost()
            else:
                assert await box.post(going) is False  # the lease stays to be gone on with
        assert await box.next_lease(0.01) is None
        event = (await box.next_events(0, 1))[-1]
        assert event.record is not None and event.record.state is RunState.FAILED
        assert f"its node went away {MAX_LOSSES} times" in event.record.reason

    run(body())


def test_preemptions_do_not_use_up_deaths_and_steps_between_them_count() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        for life in range(2 * MAX_LOSSES):
            assert await box.next_lease(1) == lease()
            await box.post(Event(kind=EventKind.PROGRESS, run_id=lease().id, step=life))
            box.lost()
        for _ in range(MAX_DEATHS):
            assert await box.next_lease(1) == lease()
        assert await box.next_lease(0.01) is None

    run(body())


def test_closed_mailbox_sends_everybody_away() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=True)
        posted = asyncio.create_task(box.post(report(1, lease())))
        await asyncio.sleep(0)
        await box.close()
        assert await posted is True
        assert await box.next_lease(1) is None

    run(body())


def test_workers_are_wanted_while_a_lease_waits() -> None:
    async def body() -> None:
        box = RunChannel()
        assert not await box.wanted(0.01)
        asking = asyncio.create_task(box.wanted(20))
        await asyncio.sleep(0)
        await box.put(lease(), judged=False)
        assert await asking
        await box.post(finished(lease()))
        assert not await box.wanted(0.01)
        await box.put(lease(1), judged=False)
        await box.close()
        assert not await box.wanted(0.01)

    run(body())


def test_crash_is_an_event() -> None:
    async def body() -> None:
        box = RunChannel()
        await box.put(lease(), judged=False)
        await box.crash("Traceback")
        (event,) = await box.next_events(0, 1)
        assert (event.kind, event.text, event.run_id) == (
            EventKind.CRASHED,
            "Traceback",
            lease().id,
        )

    run(body())


def test_slot_that_takes_the_place_of_a_dead_one_closes_its_mailbox() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("one", lease(0), False)
        await room.open("other", lease(1), False)
        await room.open("two", lease(0), False)
        assert await room.next_lease("one", 1) is None
        assert await room.next_lease("two", 1) == lease(0)
        assert await room.next_lease("other", 1) == lease(1)

    run(body())


def test_a_room_in_the_place_of_one_that_died_waits_for_its_slots() -> None:
    async def body() -> None:
        room = Dispatcher()
        asked = asyncio.create_task(room.next_lease("one", 20))
        posted = asyncio.create_task(room.post("one", report(3, lease(0))))
        assert await room.next_events("one", 7, 20) is None  # at once: the slot opens
        assert not await room.put("one", lease(0), True)
        assert not asked.done() and not posted.done()
        await room.open("one", lease(0), True, 7)
        assert await asked == lease(0)
        (news,) = await room.next_events("one", 7, 1) or ()
        assert (news.sequence, news.report) == (8, report(3, lease(0)).report)
        assert not posted.done()  # it is judged
        assert await room.next_events("one", 8, 0.01) == ()
        assert await posted is False

    run(body())


def test_a_slot_that_nobody_opens_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailroom_module, "REOPEN_SECONDS", 0.01)

    async def body() -> None:
        room = Dispatcher()
        assert await room.post("one", report(1, lease(0))) is True
        assert await room.next_lease("one", 20) is None
        assert await room.called_off("one", lease(0).id)
        assert not await room.wanted("one", 20)
        await room.close("two")
        monkeypatch.setattr(mailroom_module, "REOPEN_SECONDS", 20)
        assert not await room.wanted("two", 20)

    run(body())


def test_room_calls_off_by_lease_and_closes_by_slot() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("one", lease(0), False)
        await room.call_off(lease(0).id)
        assert await room.called_off("one", lease(0).id)
        await room.put("one", lease(1), False)
        await room.call_off(lease(0).id)
        assert not await room.called_off("one", lease(1).id)
        await room.close("one")
        assert await room.post("one", report(1, lease(1))) is True
        assert await room.called_off("one", lease(1).id)
        await room.crash("one", "too late")

    run(body())


def test_a_last_lease_on_its_way_finds_the_worker_of_a_resting_slot() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("one", lease(), False)
        assert await room.next_lease("one", 1) == lease()
        await room.rest()
        await room.post("one", finished(lease()))
        waiting = asyncio.create_task(room.next_lease("one", 20))
        await asyncio.sleep(0.01)
        await room.put("one", lease(1), False)
        assert await waiting == lease(1)

    run(body())


def test_idle_workers_leave_when_no_lease_will_come_and_return_if_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mailbox_module, "REST_SECONDS", 0.05)

    async def body() -> None:
        room = Dispatcher()
        await room.open("idle", lease(), False)
        await room.open("busy", lease(1), False)
        assert await room.next_lease("busy", 1) == lease(1)
        await room.post("idle", finished(lease()))
        waiting = asyncio.create_task(room.next_lease("idle", 20))
        await asyncio.sleep(0)
        await room.rest()
        assert await waiting is None, "soon"
        assert not await room.called_off("busy", lease(1).id), "who has a lease goes on with it"
        assert await room.next_lease("busy", 1) == lease(1), "and its successor too"
        await room.put("idle", lease(2), False)
        assert await room.wanted("idle", 1)
        assert await room.next_lease("idle", 1) == lease(2)

    run(body())


def test_a_room_that_winds_up_has_no_work_for_anybody() -> None:
    async def body() -> None:
        room = Dispatcher()
        await room.open("slot", lease(), judged=False)
        assert not await room.winding_up() and await room.wanted("slot", 20)
        await room.wind_up()
        assert await room.winding_up()
        assert not await room.wanted("slot", 0.01)
        assert await room.next_lease("slot", 20) is None
        assert not await room.called_off("slot", lease().id)  # what runs may still save

    run(body())
