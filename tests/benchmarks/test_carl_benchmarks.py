"""The benchmarks of CARL run, and the naive step that is timed computes the same gradient."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("steps", [1, 3])
def test_the_naive_step_has_the_same_gradient(steps: int) -> None:
    step_cost = load("step_cost")
    arguments = step_cost.argparse.Namespace(
        encoder="tiny", layers=0, corpus="sample", batch_size=8, precision="fp32", data_dir=None
    )
    gradients: list[list[Any]] = []
    for naive in (False, True):
        method = step_cost.build(arguments, pgd_steps=steps)
        method.model.double().eval()
        batch = next(iter(method.batches(method.stages()[-1], 0)))
        wide = step_cost.widen(batch, method._sentences.texts.pad_id)
        updates = step_cost.naive_updates(method, wide) if naive else method.updates(batch, 1)
        for update in updates:
            update.loss.backward()
        gradients.append([p.grad for p in method.model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, options", [("step_cost", ["carl", "--steps=1", "--rounds=1"]), ("padding", [])]
)
def test_a_benchmark_prints_and_writes(name: str, options: list[str], tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *options, "--encoder=tiny"]
    written = tmp_path / "found.json"
    answer = subprocess.run(
        [*command, "--batch-size=8", f"--json={written}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER.parent,
    )
    found = json.loads(written.read_text())
    assert found["benchmark"] == name
    assert len(found["rows"]) >= 5
    assert len(answer.stdout.splitlines()) == len(found["rows"]) + 2
