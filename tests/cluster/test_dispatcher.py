"""The channel without Ray: order, verdicts, deaths, repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from raysearch.cluster import dispatcher as dispatcher_module
from raysearch.cluster.dispatcher import MAX_DEATHS, MAX_LOSSES, Dispatcher, RunChannel
from raysearch.cluster.gpus import GpuPlace
from raysearch.events import Event, EventKind
from raysearch.run import Cell, Report, Run, RunSpec, RunState


def spec(number: int = 0) -> RunSpec:
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


def test_worker_waits_for_a_run_and_gets_it_as_soon_as_it_is_put() -> None:
    async def body() -> None:
        channel = RunChannel()
        waiting = asyncio.create_task(channel.next_run(20))
        await asyncio.sleep(0)
        assert not waiting.done()
        await channel.put(spec(), prunable=False)
        assert await waiting == spec()

    run(body())


def test_question_for_a_run_ends_without_one() -> None:
    async def body() -> None:
        assert await RunChannel().next_run(0.01) is None

    run(body())


def test_events_come_in_order_and_are_forgotten_once_read() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        await channel.post(Event(kind=EventKind.STARTED, run_id=spec().id))
        await channel.post(report(1, spec()))
        first = await channel.next_events(0, 1)
        assert [event.sequence for event in first] == [1, 2]
        assert await channel.next_events(0, 1) == first  # not acknowledged: the same again
        assert await channel.next_events(2, 0.01) == ()

    run(body())


def test_judged_report_waits_until_the_search_reads_on() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=True)
        posted = asyncio.create_task(channel.post(report(1, spec())))
        (event,) = await channel.next_events(0, 1)
        await asyncio.sleep(0.01)
        assert not posted.done()
        reading = asyncio.create_task(channel.next_events(event.sequence, 20))
        assert await posted is False
        reading.cancel()

    run(body())


def test_judged_report_is_answered_by_calling_off() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=True)
        posted = asyncio.create_task(channel.post(report(1, spec())))
        await channel.next_events(0, 1)
        await channel.cancel()
        assert await posted is True

    run(body())


def test_judged_report_goes_on_when_the_search_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "VERDICT_SECONDS", 0.01)

    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=True)
        assert await channel.post(report(1, spec())) is False

    run(body())


def test_next_run_calls_the_earlier_one_off() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(0), prunable=False)
        await channel.put(spec(1), prunable=False)
        assert channel.cancelled(spec(0).id)
        assert await channel.post(report(1, spec(0))) is True
        assert await channel.post(finished(spec(0))) is True
        assert await channel.next_events(0, 0.01) == ()  # its news interest nobody any more
        assert await channel.next_run(1) == spec(1)

    run(body())


def test_a_run_is_given_up_once_and_the_next_worker_has_it_in_peace() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(0), prunable=False)
        await dispatcher.open("two", spec(1), prunable=False)
        await dispatcher.next_run("two", 20, "hangs")
        await dispatcher.give_up(spec(1).id)
        assert not await dispatcher.given_up("one") and not await dispatcher.given_up("none")
        assert await dispatcher.given_up("two") and not await dispatcher.given_up("two")
        await dispatcher.give_up(spec(1).id)
        assert await dispatcher.next_run("two", 20, "next") == spec(1)  # by a death of its own
        assert not await dispatcher.given_up("two")

    run(body())


def test_finished_run_is_not_given_again() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        await channel.next_run(1)
        await channel.post(finished(spec()))
        assert await channel.next_run(0.01) is None

    run(body())


def test_new_worker_gets_the_run_and_its_repeats_are_dropped() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        assert await channel.next_run(1) == spec()
        await channel.post(report(1, spec()))
        assert await channel.next_run(1) == spec()
        await channel.post(report(1, spec()))
        await channel.post(report(2, spec()))
        rungs = [event.report.rung for event in await channel.next_events(0, 1) if event.report]
        assert rungs == [1, 2]

    run(body())


def test_lease_that_kills_its_worker_at_one_place_ends_as_failed() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        for _ in range(MAX_DEATHS):
            assert await channel.next_run(1) == spec()
        assert await channel.next_run(0.01) is None
        (event,) = await channel.next_events(0, 1)
        assert event.kind is EventKind.FINISHED and event.record is not None
        assert event.record.state is RunState.FAILED
        assert f"died {MAX_DEATHS} times" in event.record.reason
        assert event.record.config == {"corpora": "mr+sst2"}

    run(body())


def test_lease_that_gets_further_in_every_life_goes_on() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        for life in range(1, 3 * MAX_DEATHS):
            assert await channel.next_run(1) == spec()
            await channel.post(report(life, spec()))

    run(body())


def test_preemptions_and_lost_nodes_are_no_deaths_but_have_a_bound() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        going = Event(kind=EventKind.PREEMPTED, run_id=spec().id)
        for life in range(MAX_LOSSES):
            assert await channel.next_run(1) == spec()
            if life % 2:
                channel.lost()
            else:
                assert await channel.post(going) is False  # the run stays to be gone on with
        assert await channel.next_run(0.01) is None
        event = (await channel.next_events(0, 1))[-1]
        assert event.record is not None and event.record.state is RunState.FAILED
        assert f"its node went away {MAX_LOSSES} times" in event.record.reason

    run(body())


def test_preemptions_do_not_use_up_deaths_and_steps_between_them_count() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        for life in range(2 * MAX_LOSSES):
            assert await channel.next_run(1) == spec()
            await channel.post(Event(kind=EventKind.PROGRESS, run_id=spec().id, step=life))
            channel.lost()
        for _ in range(MAX_DEATHS):
            assert await channel.next_run(1) == spec()
        assert await channel.next_run(0.01) is None

    run(body())


def test_a_closed_channel_sends_everybody_away() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=True)
        posted = asyncio.create_task(channel.post(report(1, spec())))
        await asyncio.sleep(0)
        await channel.close()
        assert await posted is True
        assert await channel.next_run(1) is None

    run(body())


def test_workers_are_wanted_while_a_run_waits() -> None:
    async def body() -> None:
        channel = RunChannel()
        assert not await channel.wanted(0.01)
        asking = asyncio.create_task(channel.wanted(20))
        await asyncio.sleep(0)
        await channel.put(spec(), prunable=False)
        assert await asking
        await channel.post(finished(spec()))
        assert not await channel.wanted(0.01)
        await channel.put(spec(1), prunable=False)
        await channel.close()
        assert not await channel.wanted(0.01)

    run(body())


def test_crash_is_an_event() -> None:
    async def body() -> None:
        channel = RunChannel()
        await channel.put(spec(), prunable=False)
        await channel.crash("Traceback")
        (event,) = await channel.next_events(0, 1)
        assert (event.kind, event.text, event.run_id) == (
            EventKind.CRASHED,
            "Traceback",
            spec().id,
        )

    run(body())


def test_slot_that_takes_the_place_of_a_dead_one_closes_its_channel() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(0), False)
        await dispatcher.open("other", spec(1), False)
        await dispatcher.open("two", spec(0), False)
        assert await dispatcher.next_run("one", 1) is None
        assert await dispatcher.next_run("two", 1) == spec(0)
        assert await dispatcher.next_run("other", 1) == spec(1)

    run(body())


def test_a_room_in_the_place_of_one_that_died_waits_for_its_slots() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        asked = asyncio.create_task(dispatcher.next_run("one", 20))
        posted = asyncio.create_task(dispatcher.post("one", report(3, spec(0))))
        assert await dispatcher.next_events("one", 7, 20) is None  # at once: the slot opens
        assert not await dispatcher.put("one", spec(0), True)
        assert not asked.done() and not posted.done()
        await dispatcher.open("one", spec(0), True, 7)
        assert await asked == spec(0)
        (news,) = await dispatcher.next_events("one", 7, 1) or ()
        assert (news.sequence, news.report) == (8, report(3, spec(0)).report)
        assert not posted.done()  # it is judged
        assert await dispatcher.next_events("one", 8, 0.01) == ()
        assert await posted is False

    run(body())


def test_a_slot_that_nobody_opens_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "REOPEN_SECONDS", 0.01)

    async def body() -> None:
        dispatcher = Dispatcher()
        assert await dispatcher.post("one", report(1, spec(0))) is True
        assert await dispatcher.next_run("one", 20) is None
        assert await dispatcher.cancelled("one", spec(0).id)
        assert not await dispatcher.wanted("one", 20)
        await dispatcher.close("two")
        monkeypatch.setattr(dispatcher_module, "REOPEN_SECONDS", 20)
        assert not await dispatcher.wanted("two", 20)

    run(body())


def test_room_calls_off_by_run_and_closes_by_slot() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(0), False)
        await dispatcher.cancel(spec(0).id)
        assert await dispatcher.cancelled("one", spec(0).id)
        await dispatcher.put("one", spec(1), False)
        await dispatcher.cancel(spec(0).id)
        assert not await dispatcher.cancelled("one", spec(1).id)
        await dispatcher.close("one")
        assert await dispatcher.post("one", report(1, spec(1))) is True
        assert await dispatcher.cancelled("one", spec(1).id)
        await dispatcher.crash("one", "too late")

    run(body())


def test_a_last_run_on_its_way_finds_the_worker_of_a_resting_slot() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(), False)
        assert await dispatcher.next_run("one", 1) == spec()
        await dispatcher.drain()
        await dispatcher.post("one", finished(spec()))
        waiting = asyncio.create_task(dispatcher.next_run("one", 20))
        await asyncio.sleep(0.01)
        await dispatcher.put("one", spec(1), False)
        assert await waiting == spec(1)

    run(body())


def test_idle_workers_leave_when_no_run_will_come_and_return_if_one_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "DRAIN_WAIT_SECONDS", 0.05)

    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("idle", spec(), False)
        await dispatcher.open("busy", spec(1), False)
        assert await dispatcher.next_run("busy", 1) == spec(1)
        await dispatcher.post("idle", finished(spec()))
        waiting = asyncio.create_task(dispatcher.next_run("idle", 20))
        await asyncio.sleep(0)
        await dispatcher.drain()
        assert await waiting is None, "soon"
        assert not await dispatcher.cancelled("busy", spec(1).id), "who has a run continues it"
        assert await dispatcher.next_run("busy", 1) == spec(1), "and its successor too"
        await dispatcher.put("idle", spec(2), False)
        assert await dispatcher.wanted("idle", 1)
        assert await dispatcher.next_run("idle", 1) == spec(2)

    run(body())


def test_a_room_that_winds_up_has_no_work_for_anybody() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("slot", spec(), prunable=False)
        assert not await dispatcher.winding_up() and await dispatcher.wanted("slot", 20)
        await dispatcher.wind_up()
        assert await dispatcher.winding_up()
        assert not await dispatcher.wanted("slot", 0.01)
        assert await dispatcher.next_run("slot", 20) is None
        assert not await dispatcher.cancelled("slot", spec().id)  # what runs may still save

    run(body())


PLACE = GpuPlace(node="n1", host="h", gpu="0", type="A10G")


def test_a_run_under_which_gpus_fail_ends_with_their_error() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(), False)
        for _ in range(MAX_DEATHS):
            assert await dispatcher.next_run("one", 1) == spec()
            await dispatcher.fault("one", PLACE, spec().id, "CUDA error: assert")
        assert await dispatcher.next_run("one", 0.01) is None
        events = await dispatcher.next_events("one", 0, 1) or ()
        assert [event.kind for event in events[:-1]] == [EventKind.WARNING] * MAX_DEATHS
        assert events[0].text.endswith("failed, and its worker is replaced: CUDA error: assert")
        record = events[-1].record
        assert record is not None and record.reason == (
            "its GPU failed 3 times at the same place (GPU 0 of h: CUDA error: assert)"
        )
        assert await dispatcher.selector("one", {"n1": "A10G"}) == {}

    run(body())


def test_a_node_that_is_left_out_has_cost_its_last_run_no_life() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(0), False)
        await dispatcher.open("two", spec(1), False)
        for _ in range(MAX_DEATHS - 1):
            await dispatcher.next_run("one", 1)
            await dispatcher.fault("one", PLACE, spec(0).id, "lost")
        await dispatcher.next_run("two", 1)
        await dispatcher.fault("two", PLACE, spec(1).id, "lost")
        assert await dispatcher.selector("two", {"n1": "", "n2": ""}) == {
            "ray.io/node-id": "!in(n1)"
        }
        for _ in range(MAX_DEATHS):  # its own, elsewhere
            assert await dispatcher.next_run("two", 1) == spec(1)
        assert await dispatcher.next_run("two", 0.01) is None
        await dispatcher.selector("one", {"n1": ""})
        events = await dispatcher.next_events("one", 0, 1) or ()
        assert events[-1].kind is EventKind.REFUSED

    run(body())


def test_a_gpu_that_has_reported_in_between_is_no_bad_one() -> None:
    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(), False)
        await dispatcher.begin("one", (PLACE,))
        for number in range(1, 5):
            await dispatcher.fault("one", PLACE, "", "lost")
            await dispatcher.fault("one", PLACE, "", "lost")
            await dispatcher.post("one", report(number, spec()))
        assert await dispatcher.selector("one", {"n1": ""}) == {}

    run(body())


def test_a_run_that_does_not_fit_goes_to_a_type_that_is_still_to_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher_module, "gpu_nodes", lambda: {"n1": "A10G", "n2": "H100"})

    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(), False)
        await dispatcher.next_run("one", 1)
        large = Event(kind=EventKind.TOO_LARGE, run_id=spec().id, text="it must fit")
        types = ("A10G", "A100")
        assert await dispatcher.too_large("one", PLACE, large, types)
        (event,) = await dispatcher.next_events("one", 0, 1) or ()
        assert event.text == "it must fit; it goes to A100"
        wanted = {"ray.io/accelerator-type": "in(A100)"}
        assert await dispatcher.selector("one", {}, types, 1) == wanted

    run(body())


@pytest.mark.parametrize(
    ("types", "moves"),
    [({"n1": "A10G"}, False), ({"n1": "A10G", "n2": ""}, False), ({"n2": "A100"}, True)],
)
def test_a_run_that_does_not_fit_goes_to_another_type_or_is_set_aside(
    types: dict[str, str], moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "gpu_nodes", lambda: types)

    async def body() -> None:
        dispatcher = Dispatcher()
        await dispatcher.open("one", spec(), False)
        await dispatcher.next_run("one", 1)
        large = Event(kind=EventKind.TOO_LARGE, run_id=spec().id, text="it must fit")
        assert await dispatcher.too_large("one", PLACE, large) is moves
        (event,) = await dispatcher.next_events("one", 0, 1) or ()
        if not moves:
            assert (event.kind, event.text) == (EventKind.TOO_LARGE, "it must fit")
            assert await dispatcher.next_run("one", 0.01) is None
            return
        assert (event.kind, event.text) == (EventKind.WARNING, "it must fit; it goes to A100")
        wanted = {"ray.io/accelerator-type": "!in(A10G)"}
        assert await dispatcher.selector("one", types) == wanted
        assert await dispatcher.next_run("one", 1) == spec()
        a100 = replace(PLACE, node="n2", type="A100")
        assert not await dispatcher.too_large("one", a100, large)
        await dispatcher.put("one", spec(1), False)
        assert await dispatcher.selector("one", types) == {}

    run(body())
