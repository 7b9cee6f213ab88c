"""What a sweep says of its nodes and its cost, there and at the laptop; and caps without prices."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from raysearch.api.options import SweepOptions
from raysearch.api.sweep_plan import plan_of
from raysearch.cli import main, parser
from raysearch.cli.arguments import given
from raysearch.cluster import prices
from raysearch.render.sweep_summary import cost_lines
from raysearch.summary import Cost, Ending, NodeTimes, NodeUsage, SweepSummary

HEAD = NodeTimes(type="head", head=True, nodes=1, up=100, before=100)
GPU = NodeTimes(type="gpu", nodes=4, up=212, leased=161, before=38, between=5, after=8)
COST = Cost(spent=4.92, run=1.5, tail=0.17, cap=5.0, rate=2.1, unpriced=("tpu",), currency="USD")


def summary(ending: Ending, cost: Cost | None) -> SweepSummary:
    nodes = NodeUsage(types=(HEAD, GPU), cost=cost)
    return SweepSummary(ending=ending, asked=3, unfinished=2, nodes=nodes)


def test_the_lines_of_a_sweep_that_used_up_its_money() -> None:
    assert cost_lines(summary(Ending.COST, COST)) == [
        "nodes: 4 up for 3m32s together, 76% of it with a trial; 51s without: 38s before their "
        "first, 5.0s between two, 8.0s after their last",
        "cost: 4.92 USD, 1.50 USD of it in this run; up to 0.17 USD more until idle nodes are gone",
        "  counted at the dearest price, for want of their own: tpu",
        "ended by --max-cost 5: what is finished stays, what ran continues from its checkpoint "
        "with a higher one, for example --max-cost 10",
    ]


def test_without_prices_or_a_cluster_there_is_less_to_say() -> None:
    assert len(cost_lines(summary(Ending.DONE, None))) == 1
    assert cost_lines(SweepSummary(ending=Ending.DONE, asked=1)) == []
    alone = dataclasses.replace(COST, run=4.92, tail=0.0, unpriced=(), currency="")
    only_head = SweepSummary(
        ending=Ending.DONE, asked=1, nodes=NodeUsage(types=(HEAD,), cost=alone)
    )
    assert cost_lines(only_head) == ["cost: 4.92"]


@pytest.mark.parametrize("cost", [COST, None])
def test_the_usage_comes_back_from_json(cost: Cost | None) -> None:
    usage = NodeUsage(types=(HEAD, GPU), cost=cost)
    assert NodeUsage.from_plain(json.loads(json.dumps(dataclasses.asdict(usage)))) == usage


def test_a_cap_without_prices_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prices, "BOOTSTRAP", str(tmp_path / "none.yaml"))
    results = ["--results", str(tmp_path)]
    assert main(["sweep", "carl", "--max-cost", "3", *results]) == 2
    assert "`max_cost` 3 must go with prices, but none are known" in capsys.readouterr().err
    assert main(["sweep", "carl", "--max-cost", "-1", "--prices", "cluster.yaml", *results]) == 2
    assert "`max_cost` must be > 0, but got -1.0" in capsys.readouterr().err
    (tmp_path / "cluster.yaml").write_text("cluster_name: x\nprovider: {type: aws}\n")
    words = ["--prices", str(tmp_path / "cluster.yaml")]
    assert main(["sweep", "carl", "--max-cost", "1", *words, *results]) == 2
    assert "must say what each node type costs an hour" in capsys.readouterr().err


def test_prices_come_from_the_file_that_is_named_else_from_the_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_head = tmp_path / "head.yaml"
    at_head.write_text("cluster_name: x\nprovider: {raysearch: {prices: {head: 7}}}\n")
    monkeypatch.setattr(prices, "BOOTSTRAP", str(at_head))

    def table(*words: str) -> dict[str, float] | None:
        args = parser().parse_args(["sweep", "carl", *words])
        plan = plan_of(SweepOptions(**given(args)))
        return None if plan.prices is None else dict(plan.prices.per_hour)

    ours = {"gpu_spot": 0.5, "gpu_on_demand": 1.02, "head": 0.11}
    assert table("--max-cost", "3", "--cluster", "cluster.yaml") == ours
    assert table("--prices", "cluster.yaml") == ours
    assert table("--address", "auto") == {"head": 7}, "so that the ending says the cost"
    assert table("--max-cost", "3") == {"head": 7}
    assert table() is None
