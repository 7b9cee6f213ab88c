"""Peak memory of a trial: by a GPU's own counters, which are faked, and of this host for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from raysearch.cluster.packing import CudaMeter, ResidentMeter, measure_peak
from raysearch.config import flatten, read_config
from raysearch.errors import DataError
from raysearch.methods import get_method
from raysearch.run import Cell, RunSpec

TINY = {"encoder": "tiny", "max_length": 16, "batch_size": 16, "epochs": 0.2}


def spec(method: str = "carl", task: str = "sample", **settings: object) -> RunSpec:
    config = flatten(read_config(get_method(method).config_type, TINY | settings, where="t"))
    return RunSpec(
        sweep="s", number=0, cell=Cell(task, 0), method=method, config=config, folder="nowhere"
    )


def test_a_gpu_holds_what_is_reserved_and_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    reset = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", reset.append)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (600, 1000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 350)
    meter = CudaMeter(torch.device("cuda", 0))
    assert reset == [torch.device("cuda", 0)]
    assert (meter.taken(), meter.total()) == (350 + (1000 - 600 - 300), 1000)


class Scale:
    """A meter whose reading the test knows; it counts how often it is asked."""

    def taken(self) -> int:
        return 7

    def total(self) -> int:
        return 70


def settings_of_msmo() -> dict[str, object]:
    return {
        "pairs": ["en-es"],
        "max_length": 32,
        "steps": 4,
        "align_steps": 2,
        "student_steps": 2,
        "distill_steps": 2,
        "distillation": "single",
    }


def of_msmo(**settings: object) -> RunSpec:
    config = {name: value for name, value in TINY.items() if name != "epochs"}
    config |= settings_of_msmo() | settings
    full = flatten(read_config(get_method("msmo").config_type, config, where="t"))
    return RunSpec(
        sweep="s", number=0, cell=Cell("en-es", 0), method="msmo", config=full, folder="nowhere"
    )


@pytest.mark.parametrize(
    "of", [spec(), spec(precision="auto", protocol="finetuned", finetune_epochs=0.1), of_msmo()]
)
def test_every_stage_is_run_and_nothing_is_written(of: RunSpec) -> None:
    peak = measure_peak(of, data_dir="", meter=Scale())
    assert (peak.taken, peak.total) == (7, 70)
    assert peak.device.startswith("cpu")
    assert not Path("nowhere").exists()


def test_what_no_trial_can_use_is_said() -> None:
    with pytest.raises(DataError):
        measure_peak(spec(corpora=["emobank"]), data_dir="nowhere", meter=Scale())


MEASURE = """
import sys
from raysearch.cluster.packing import measure_peak
from raysearch.run import RunSpec
peak = measure_peak(RunSpec.from_json(sys.argv[1]), data_dir="")
print(peak.taken, peak.total)
"""


def measured(of: RunSpec) -> tuple[int, int]:
    """In a process of its own, by its resident memory."""
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, of.to_json()], capture_output=True, text=True, check=True
    )
    taken, total = map(int, answer.stdout.split())
    return taken, total


@pytest.mark.slow
def test_resident_memory_of_a_real_process_grows_with_the_batch() -> None:
    ballast = torch.ones(300_000_000, dtype=torch.uint8)  # of the parent, and not to be counted
    small, total = measured(spec())
    large, _ = measured(spec(batch_size=128, max_length=64, epochs=0.5))
    assert 100e6 < small < large < total
    assert ballast.all()
    assert total == ResidentMeter().total()
