"""The cost of a step of MSMO: the step that is timed beside it computes the same loss."""

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_codes_passes_give_the_same_gradient_but_for_the_second_cross_entropy() -> None:
    step_cost = load("step_cost_msmo")
    arguments = argparse.Namespace(
        encoder="tiny", layers=1, corpus="sample_reviews", batch_size=8, precision="fp32",
        data_dir=None, train_embeddings=True,
    )  # fmt: skip
    method = step_cost.build(
        arguments, schedule="interleaved", sampling="literal", adversarial_source="mixed",
        adversarial_weight=1.0, consistency_weight=1.0,
    )  # fmt: skip
    stage = method.stages()[-1]
    method.begin(stage)
    method.network.double().eval()
    batch = next(iter(method.batches(stage, 0)))
    found = []
    for each in (method, step_cost.AsTheCode(method)):
        updates = list(each.updates(batch, 1))
        assert [update.optimizer for update in updates].count("critic") == 5
        weights = [p for p in method.network.parameters() if p.requires_grad][:20]
        method.network.zero_grad()
        updates[-1].loss.backward()
        found.append((float(updates[-1].loss.detach()), [p.grad for p in weights]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-9)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-10)


@pytest.mark.slow
def test_it_prints_and_writes(tmp_path: Path) -> None:
    written = tmp_path / "found.json"
    command = [sys.executable, str(FOLDER / "step_cost.py"), "msmo", "--encoder=tiny"]
    options = ["--batch-size=8", "--steps=1", "--rounds=1", f"--json={written}"]
    answer = subprocess.run(
        [*command, *options], capture_output=True, text=True, check=True, cwd=FOLDER.parent
    )
    assert "msmo, aligned" in answer.stdout and "x acs" in answer.stdout
    rows = {row["step"]: row for row in json.loads(written.read_text())["rows"]}
    assert rows["acs, literal"]["ratio"] == 1.0
    assert rows["  second step: train"]["floor"] == 1.0  # the critic reads sentences of its own
    assert 1 < rows["msmo, aligned"]["floor"] < rows["msmo, literal"]["floor"]
    assert rows["as the code"]["floor"] > rows["msmo, literal, mixed"]["floor"] > 4
