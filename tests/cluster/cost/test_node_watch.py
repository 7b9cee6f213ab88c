"""A sweep's cost and its cap, with a clock that the test turns: exact sums, kept over runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raysearch.cluster.cost.node_clock import LiveNode
from raysearch.cluster.cost.node_watch import LOOK_SECONDS, NodeWatch, read_spent, write_spent
from raysearch.cluster.cost.prices import PriceTable
from raysearch.errors import StoreError
from raysearch.seal import unseal

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
