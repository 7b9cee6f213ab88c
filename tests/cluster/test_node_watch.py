"""A sweep's cost and its cap, with a clock that the test turns: exact sums, kept over runs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from raysearch.cluster.node_watch import (
    LOOK_SECONDS,
    LiveNode,
    NodeClock,
    NodeWatch,
    read_spent,
    write_spent,
)
from raysearch.cluster.prices import PriceTable
from raysearch.errors import StoreError
from raysearch.seal import unseal
from raysearch.summary import NodeTimes, total

PRICES = PriceTable(
    per_hour={"spot": 3600.0, "dear": 7200.0, "head": 360.0}, currency="USD", idle_seconds=30
)
"""Money per second: 1 of a spot node, 2 of a dear one, 0.1 of the head."""


class Cloud:
    """Nodes that the test starts and ends, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.up: list[LiveNode] | None = [LiveNode(id="head", type="head", head=True)]

    def start(self, name: str, node_type: str) -> None:
        assert self.up is not None
        self.up.append(LiveNode(id=name, type=node_type))

    def watch(self, folder: Path, **more: object) -> NodeWatch:
        options = {"prices": PRICES, "folder": folder, "now": lambda: self.now, **more}
        return NodeWatch(lambda: self.up, **options)  # type: ignore[arg-type]

    def until(self, watch: NodeWatch, end: float, step: float = LOOK_SECONDS) -> None:
        while self.now < end:
            self.now = min(end, self.now + step)
            watch.look()


def test_the_cost_counts_every_node_and_the_head(tmp_path: Path) -> None:
    cloud = Cloud()
    watch = cloud.watch(tmp_path)
    cloud.until(watch, 10)
    cloud.start("a", "spot")
    cloud.start("b", "dear")
    cloud.until(watch, 12)
    cloud.until(watch, 20)
    usage = watch.usage()
    assert usage.cost is not None
    assert usage.cost.spent == pytest.approx(0.1 * 20 + 1 * 8 + 2 * 8)
    assert usage.cost.run == usage.cost.spent
    assert usage.cost.tail == pytest.approx(30 * (1 + 2)), "the head stays up"
    assert usage.cost.rate == pytest.approx(360 + 3600 + 7200)
    assert usage.workers.nodes == 2 and usage.workers.up == 16


def test_the_cap_ends_the_sweep_before_what_the_nodes_still_cost_is_beyond_it(
    tmp_path: Path,
) -> None:
    """With a spot node: 1.1 a second and 30 until it is ended, so 100 is reached at 63.6 s."""
    cloud = Cloud()
    cloud.start("a", "spot")
    watch = cloud.watch(tmp_path, cap=100)
    cloud.until(watch, 62)
    assert not watch.out_of_money
    cloud.until(watch, 64)
    assert watch.out_of_money
    cost = watch.usage().cost
    assert cost is not None and 0 <= cost.spent + cost.tail - 100 <= 1.1 * LOOK_SECONDS


@pytest.mark.parametrize("nodes", [0, 1, 3])
def test_the_cap_is_overshot_by_one_look_at_most(tmp_path: Path, nodes: int) -> None:
    cloud = Cloud()
    for number in range(nodes):
        cloud.start(f"n{number}", "dear")
    watch = cloud.watch(tmp_path, cap=333)
    while not watch.out_of_money:
        cloud.until(watch, cloud.now + 1, step=1.0)
    cost = watch.usage().cost
    assert cost is not None
    assert 0 <= cost.spent + cost.tail - 333 <= (0.1 + 2 * nodes) * LOOK_SECONDS


def test_a_restart_gets_no_new_budget(tmp_path: Path) -> None:
    cloud = Cloud()
    first = cloud.watch(tmp_path, cap=10)
    cloud.until(first, 60)
    assert not first.out_of_money
    assert read_spent(tmp_path, "USD") == pytest.approx(6)
    second = cloud.watch(tmp_path, cap=10)  # the first was killed: it had no chance to say more
    cloud.until(second, 98)
    assert not second.out_of_money
    cloud.until(second, 100)
    assert second.out_of_money
    cost = second.usage().cost
    assert cost is not None and (cost.spent, cost.run) == (pytest.approx(10), pytest.approx(4))
    assert cloud.watch(tmp_path, cap=10).out_of_money, "at once"
    assert not cloud.watch(tmp_path, cap=20).out_of_money, "a higher cap goes on"


def test_what_is_kept_holds_the_nodes_that_nobody_ended(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.start("a", "spot")
    cloud.until(cloud.watch(tmp_path), 10)
    assert read_spent(tmp_path, "USD") == pytest.approx(1.1 * 10 + 30)


def test_the_last_look_is_kept_though_none_is_due(tmp_path: Path) -> None:
    cloud = Cloud()
    watch = cloud.watch(tmp_path)
    cloud.until(watch, 10)
    cloud.now = 11.0
    cost = watch.last_usage().cost
    assert cost is not None
    assert read_spent(tmp_path, "USD") == pytest.approx(cost.spent + cost.tail)
    assert cost.spent == pytest.approx(1.1)


def test_it_looks_as_often_as_it_says(tmp_path: Path) -> None:
    cloud, asked = Cloud(), []
    watch = NodeWatch(lambda: asked.append(cloud.now) or [], folder=tmp_path, now=lambda: cloud.now)  # type: ignore[func-returns-value]
    cloud.until(watch, 10, step=0.5)
    assert asked == [0, 2, 4, 6, 8, 10]
    assert list(tmp_path.iterdir()) == [], "without prices nothing is kept"
    assert watch.usage().cost is None


def test_a_cluster_that_does_not_answer_goes_on_costing(tmp_path: Path) -> None:
    cloud = Cloud()
    watch = cloud.watch(tmp_path)
    cloud.up = None
    cloud.until(watch, 10)
    cost = watch.usage().cost
    assert cost is not None and cost.spent == pytest.approx(1)


def test_a_type_without_a_price_is_named_and_counts_with_the_dearest(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.start("a", "tpu")
    cloud.start("b", "")
    watch = cloud.watch(tmp_path)
    cloud.until(watch, 10)
    cost = watch.usage().cost
    assert cost is not None
    assert cost.unpriced == ("tpu", "(none)")
    assert cost.spent == pytest.approx(10 * (0.1 + 2 + 2))


def test_leases_are_counted_on_their_nodes(tmp_path: Path) -> None:
    cloud = Cloud()
    cloud.start("a", "spot")
    watch = cloud.watch(tmp_path, prices=None)
    cloud.until(watch, 4)
    watch.began("one", ["a"])
    cloud.until(watch, 10)
    watch.ended("one")
    cloud.until(watch, 11)
    workers = watch.usage().workers
    assert (workers.up, workers.before, workers.leased, workers.after) == (11, 4, 6, 1)


def test_a_damaged_file_and_another_currency_are_refused(tmp_path: Path) -> None:
    write_spent(tmp_path, 3.5, "USD")
    assert unseal(json.loads((tmp_path / "cost.json").read_text())) == {
        "spent": 3.5,
        "currency": "USD",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["cost.json"]
    with pytest.raises(StoreError, match="in one currency, but earlier runs counted 3.5 USD"):
        read_spent(tmp_path, "EUR")
    for text in ("", "[]", '{"spent": -1, "currency": "USD"}', '{"spent": NaN, "currency": ""}'):
        (tmp_path / "cost.json").write_text(text)
        with pytest.raises(StoreError, match="must say what the sweep has cost"):
            read_spent(tmp_path, "USD")
    with pytest.raises(StoreError, match="must be kept in .*cannot be written"):
        write_spent(tmp_path / "none", 1.0, "USD")


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
