"""The benchmark of `reuse` counts steps as they are paid, prints its table and writes it."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
CONFIG = {
    "adversarial_weight": 0.1,
    "consistency_weight": 1e-3,
    "critic_clip": 0.01,
    "distill_learning_rate": 1e-4,
    "distill_loss": "mse",
    "distill_temperature": 1.0,
}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("stage_sampler", FOLDER / "stage_sampler.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "stage_sampler", module)  # its dataclass asks for it
    spec.loader.exec_module(module)
    return module


def test_a_stage_is_paid_once(benchmark: ModuleType) -> None:
    bill = benchmark.Bill(benchmark.space_of("random", 0.0))
    # Teachers t1 and t3 align (100) and train (400), t2 trains (400); student 200, distill 200.
    assert bill.pay(CONFIG) == bill.steps == 1800
    bill.pay(CONFIG)
    assert bill.steps == 1800
    bill.pay({**CONFIG, "distill_temperature": 2.0})
    assert bill.steps == 2000
    # With beta t1 and t2 train anew, and distil: no pair of views of t3 is drawn together.
    bill.pay({**CONFIG, "consistency_weight": 2e-3})
    assert bill.steps == 3000


def test_the_optimum_has_no_regret(benchmark: ModuleType) -> None:
    at = {
        "critic_clip": 0.35,
        "adversarial_weight": 0.6,
        "consistency_weight": 0.45,
        "distill_temperature": 0.4,
        "distill_learning_rate": 0.65,
    }
    best = {
        item.name: item.low * (item.high / item.low) ** at[item.name]
        for item in benchmark.PARAMETERS
        if item.name in at
    }
    assert benchmark.regret({**best, "distill_loss": "mse"}, 0.5) == pytest.approx(0, abs=1e-12)
    assert benchmark.regret({**best, "distill_loss": "kl"}, 0.5) == pytest.approx(0.1)


def test_it_prints_and_writes(
    benchmark: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(benchmark, "BUDGETS", (2, 4))
    monkeypatch.setattr(benchmark, "REUSE", (0.0, 0.75))
    monkeypatch.setattr(benchmark, "suggestion_cost", lambda sampler, trials: {"reuse 0": 1.0})
    written = tmp_path / "found.json"
    options = ["--seeds", "2", "--sampler", "random", "--json", str(written)]
    monkeypatch.setattr(sys, "argv", ["stage_sampler.py", *options])
    benchmark.main()
    found = json.loads(written.read_text())
    assert [row["reuse"] for row in found["rows"]] == [0.0, 0.75] * 3
    assert found["cold"] == 1800 and found["rows"][0]["better_4"] == 0
    assert "regret in points" in capsys.readouterr().out
