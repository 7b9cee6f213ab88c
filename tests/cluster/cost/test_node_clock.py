"""The time of nodes: hand-worked sums of up, leased, before, between and after."""

from __future__ import annotations

import random

import pytest

from raysearch.cluster.cost.node_clock import LiveNode, NodeClock
from raysearch.summary import NodeTimes, total


def nodes(*names: str) -> list[LiveNode]:
    """Workers by name; ``head`` is the head."""
    return [
        LiveNode(id=name, type="head" if name == "head" else "gpu", head=name == "head")
        for name in names
    ]


def gpu(clock: NodeClock, now: float) -> NodeTimes:
    (found,) = (item for item in clock.times(now) if item.type == "gpu")
    return found


def test_a_nodes_time_by_hand() -> None:
    clock = NodeClock()
    clock.see(0, nodes("head"))
    clock.see(10, nodes("head", "a"))
    clock.begin(15, "one", ["a"])
    clock.end(25, "one")
    clock.begin(27, "two", ["a"])
    clock.end(40, "two")
    clock.see(48, nodes("head"))
    head, worker = clock.times(60)
    assert head == NodeTimes(type="head", head=True, nodes=1, up=60, before=60)
    assert worker == NodeTimes(
        type="gpu", nodes=1, up=38, leased=10 + 13, before=5, between=2, after=8
    )


def test_a_node_with_a_trial_has_no_time_after_it() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a"))
    clock.begin(3, "one", ["a"])
    assert gpu(clock, 9) == NodeTimes(type="gpu", nodes=1, up=9, leased=6, before=3)


def test_two_trials_on_a_node_count_once() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a"))
    clock.begin(1, "one", ["a"])
    clock.begin(2, "two", ["a"])
    clock.end(5, "one")
    assert gpu(clock, 6).leased == 5
    clock.end(8, "two")
    assert gpu(clock, 10) == NodeTimes(type="gpu", nodes=1, up=10, leased=7, before=1, after=2)


def test_a_trial_on_two_nodes_counts_on_both() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a", "b"))
    clock.begin(1, "one", ["a", "b"])
    clock.end(4, "one")
    expected = NodeTimes(type="gpu", nodes=2, up=10, leased=6, before=2, after=2)
    assert gpu(clock, 5) == expected


def test_a_node_that_goes_takes_its_trial_along() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a"))
    clock.begin(2, "one", ["a"])
    clock.see(6, nodes("b"))
    clock.begin(7, "one", ["b"])
    clock.end(9, "one")
    assert gpu(clock, 10) == NodeTimes(
        type="gpu", nodes=2, up=6 + 4, leased=4 + 2, before=2 + 1, after=1
    )


def test_a_node_that_a_run_names_first_gets_its_type_when_it_is_seen() -> None:
    clock = NodeClock()
    clock.begin(1, "one", ["a"])
    clock.see(2, nodes("a"))
    assert gpu(clock, 4) == NodeTimes(type="gpu", nodes=1, up=3, leased=3)


def test_a_node_that_was_only_out_of_reach_was_up_all_the_while() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a"))
    clock.see(4, [])
    clock.see(6, nodes("a"))
    assert gpu(clock, 10).up == 10


def test_an_end_that_comes_twice_or_for_nothing_changes_nothing() -> None:
    clock = NodeClock()
    clock.see(0, nodes("a"))
    clock.begin(1, "one", ["a"])
    clock.end(2, "one")
    clock.end(5, "one")
    clock.end(5, "never")
    assert gpu(clock, 6).leased == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_sum_up_whatever_happens(seed: int) -> None:
    draw, clock = random.Random(seed), NodeClock()
    for now in range(60):
        names = draw.sample("abcd", draw.randint(0, 4))
        match draw.randint(0, 2):
            case 0:
                clock.see(now, nodes(*names))
            case 1 if names:
                clock.begin(now, draw.choice("xyz"), names)
            case _:
                clock.end(now, draw.choice("xyz"))
        for item in clock.times(now):
            parts = (item.leased, item.before, item.between, item.after)
            assert min(parts) >= 0 and sum(parts) == pytest.approx(item.up)


def test_the_sum_of_types() -> None:
    parts = [NodeTimes(type="a", nodes=1, up=3, leased=2), NodeTimes(type="b", nodes=2, up=4)]
    assert total(parts, "all") == NodeTimes(type="all", nodes=3, up=7, leased=2)
