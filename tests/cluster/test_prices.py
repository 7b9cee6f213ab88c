"""The price table of a cluster file: read, checked with lines, and what a node costs by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysearch.cluster import prices
from raysearch.cluster.prices import PriceTable, known_prices, read_prices
from raysearch.cluster.remote.manifest import check_manifest
from raysearch.errors import ConfigError

ROOT = Path(__file__).parents[2]
OURS = ROOT / "cluster.yaml"
TABLE = "prices: {gpu_spot: 0.50, gpu_on_demand: 1.02, head: 0.11}"


def changed(folder: Path, old: str, new: str) -> Path:
    """Our cluster file with one change."""
    text = OURS.read_text()
    assert old in text
    path = folder / "cluster.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_ours_has_a_price_for_every_node_type() -> None:
    table = read_prices(OURS)
    assert table.per_hour == {"gpu_spot": 0.5, "gpu_on_demand": 1.02, "head": 0.11}
    assert table.currency == "USD"
    assert [(item.name, item.most, item.head) for item in table.types] == [
        ("head", 0, True),
        ("gpu_spot", 4, False),
        ("gpu_on_demand", 1, False),
    ]
    assert table.types[1].resources == {"CPU": 4, "GPU": 1}
    assert table.most == 4, "max_workers of the cluster is less than the sum of the types'"
    assert table.idle_seconds == 300


def test_ours_says_the_gpu_of_every_node_type() -> None:
    table = read_prices(ROOT / "cluster.yaml")
    assert {node.name: node.gpu for node in table.worker_types()} == {
        "gpu_spot": "A10G", "gpu_on_demand": "A10G",
    }  # fmt: skip


def test_what_is_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = changed(tmp_path, TABLE, "prices: {gpu_spot: -1, gpu: 2, gpu_on_demand: 1, head: true}")
    line = path.read_text().split("prices:")[0].count("\n") + 1
    for read in (read_prices, check_manifest):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert sorted(caught.value.problems) == [
            f"`prices` must name node types of the file, but got 'gpu'; known: gpu_on_demand, "
            f"gpu_spot, head ({path}:{line})",
            f"the price of `gpu_spot` must be money per hour, >= 0, but got -1 ({path}:{line})",
            f"the price of `head` must be money per hour, >= 0, but got True ({path}:{line})",
        ]


def test_a_node_type_without_a_price_is_said(tmp_path: Path) -> None:
    path = changed(tmp_path, TABLE, "prices: {gpu_spot: 0.5, head: 0.1}")
    with pytest.raises(ConfigError, match="a price, but `gpu_on_demand` has none in `prices`"):
        check_manifest(path)


def test_prices_that_are_no_table(tmp_path: Path) -> None:
    path = changed(tmp_path, TABLE, "prices: 0.5")
    with pytest.raises(ConfigError, match="must map node types to money per hour.*but got 0.5"):
        read_prices(path)


def test_a_file_without_prices_is_refused_where_it_was_named(tmp_path: Path) -> None:
    path = changed(tmp_path, TABLE, "")
    assert read_prices(path).per_hour == {}
    with pytest.raises(ConfigError, match="`provider.raysearch.prices` must say.*has none"):
        known_prices(path)


def test_at_the_head_the_clusters_own_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_head = tmp_path / "ray_bootstrap_config.yaml"
    monkeypatch.setattr(prices, "BOOTSTRAP", str(at_head))
    assert known_prices(None) is None
    at_head.write_text(changed(tmp_path, TABLE, "").read_text())
    assert known_prices(None) is None
    at_head.write_text(OURS.read_text())
    found = known_prices(None)
    assert found is not None and found.per_hour["head"] == 0.11


def test_the_file_as_ray_writes_it_at_the_head_can_be_read(tmp_path: Path) -> None:
    import json

    import yaml

    path = tmp_path / "ray_bootstrap_config.yaml"
    path.write_text(json.dumps(yaml.safe_load(OURS.read_text())))
    assert read_prices(path).per_hour == read_prices(OURS).per_hour


def test_what_is_not_in_the_table_costs_the_dearest_price() -> None:
    table = PriceTable(per_hour={"a": 0.5, "b": 2.0, "head": 0.1}, currency="EUR")
    assert [table.price(name) for name in ("a", "b", "c", "")] == [0.5, 2.0, 2.0, 2.0]
    assert table.price("", head=True) == 0.1, "a head that no launcher started"
    assert PriceTable().price("a") == 0.0
    assert table.money(1234.5) == "1,234.50 EUR"
    assert PriceTable().money(2) == "2.00"


def test_a_file_that_is_wrong_elsewhere_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """`check` says what is wrong with it; the head's own copy has more keys than Ray's schema."""
    path = tmp_path / "cluster.yaml"
    path.write_text(
        "idle_timeout_minutes: soon\nmax_workers: many\navailable_node_types: {a: 3, head: {}}\n"
        "head_node_type: head\nprovider: {raysearch: {prices: {a: 1, head: 2}}}\n"
    )
    table = read_prices(path)
    assert [(item.name, item.most) for item in table.types] == [("a", 0), ("head", 0)]
    assert (table.idle_seconds, table.most, table.head_price()) == (300, 0, 2.0)
