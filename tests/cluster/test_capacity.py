"""What node types hold, by hand: what would wait for ever is said, and what just fits is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from raysearch.cluster.capacity import check_capacity, idle_tail, slots_held, workers_held
from raysearch.cluster.prices import NodeType, PriceTable, of_gpu_types
from raysearch.errors import ConfigError

SMALL = NodeType(name="small", most=4, resources={"CPU": 4, "GPU": 1})
LARGE = NodeType(name="large", most=2, resources={"CPU": 32, "GPU": 8})
HEAD = NodeType(name="head", resources={"CPU": 0}, head=True)
TABLE = PriceTable(
    per_hour={"small": 0.5, "large": 6.0, "head": 0.1},
    currency="USD",
    types=(HEAD, SMALL, LARGE),
    most=5,
    idle_seconds=300,
)
ONE_GPU = {"CPU": 4, "GPU": 1}


@pytest.mark.parametrize(
    ("wanted", "small", "large"),
    [
        (ONE_GPU, 1, 8),
        ({"CPU": 1}, 4, 32),
        ({"CPU": 8, "GPU": 1}, 0, 4),
        ({"CPU": 1, "GPU": 2}, 0, 4),
        ({"CPU": 1, "GPU": 0.3333}, 3, 24),
    ],
)
def test_workers_on_a_node(wanted: dict[str, float], small: int, large: int) -> None:
    assert (workers_held(wanted, SMALL), workers_held(wanted, LARGE)) == (small, large)


def test_slots_of_all_nodes_the_largest_first() -> None:
    """Two large nodes and, within the cluster's five, three small ones."""
    assert slots_held(ONE_GPU, 1, TABLE) == 2 * 8 + 3 * 1
    assert slots_held(ONE_GPU, 4, TABLE) == 19 // 4


def test_the_idle_tail_is_that_of_the_cheapest_nodes() -> None:
    """A small node costs 0.5 a slot and hour, a large one 0.75."""
    assert idle_tail(ONE_GPU, 1, 4, TABLE) == pytest.approx(4 * 0.5 * 300 / 3600)
    assert idle_tail(ONE_GPU, 1, 6, TABLE) == pytest.approx((4 * 0.5 + 6) * 300 / 3600)


def test_only_node_types_with_the_wanted_gpus_count() -> None:
    table = replace(TABLE, types=(HEAD, replace(SMALL, gpu="L4"), replace(LARGE, gpu="A100")))
    assert of_gpu_types(table, ()) is table
    kept = of_gpu_types(table, ("L4",))
    assert [node.name for node in kept.types] == ["head", "small"] and kept.most == 4
    assert slots_held(ONE_GPU, 1, kept) == 4
    assert of_gpu_types(table, ("L4", "A100")).types == table.types
    with pytest.raises(ConfigError, match="none has T4; they have A100, L4; a node type names its"):
        of_gpu_types(table, ("L4", "T4"))
    with pytest.raises(ConfigError, match="none has L4; they have none that their labels name"):
        of_gpu_types(TABLE, ("L4",))
    assert of_gpu_types(PriceTable(), ("L4",)) == PriceTable()


def checked(wanted: dict[str, float] = ONE_GPU, **changes: Any) -> str:
    given: dict[str, Any] = {"workers": 1, "slots": 1, "cap": None, "table": TABLE, **changes}
    try:
        check_capacity(wanted, **given)
    except ConfigError as error:
        return str(error)
    return ""


def test_what_fits_passes() -> None:
    assert checked(slots=19) == checked({"CPU": 32, "GPU": 8}, slots=2) == ""
    assert checked(slots=4, cap=0.17) == ""
    assert checked(slots=99, table=PriceTable(per_hour={"gpu": 1.0}, most=1)) == ""


def test_what_waits_for_ever_is_said() -> None:
    assert "`slots` must be at most 19, which the node types hold" in checked(slots=20)
    assert "the 64 CPU of a trial's worker, but none has: small has 4 CPU, 1 GPU; large" in checked(
        {"CPU": 64}
    )
    said = checked(slots=4, cap=0.16)
    assert "`--max-cost` must be more than the 0.17 USD that the nodes of 4 slots" in said
