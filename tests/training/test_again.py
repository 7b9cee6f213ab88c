"""A row is trained again with its workers, and read in its number format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from method_cases import CARL, MSMO

from raysearch.api.replay import replay_run
from raysearch.api.train import with_weights
from raysearch.api.trials import spec_of
from raysearch.config import flatten, read_config
from raysearch.errors import RunError, StoreError
from raysearch.findings.audit import Outcome
from raysearch.methods import get_method
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.training import partner
from raysearch.training.again import read_as, workers_of
from raysearch.training.checkpoint import load_weights
from raysearch.training.partner import execute_on_workers
from raysearch.training.progress import NullListener
from raysearch.training.run import restore_method


def trained(
    folder: Path, method: str, settings: dict[str, Any], *, workers: int = 1, keep: bool = True
) -> Run:
    loader = get_method(method)
    config = read_config(loader.config_type, settings, where="test")
    spec = RunSpec(
        sweep="again",
        number=0,
        cell=Cell(loader.tasks(config)[0], 0),
        method=method,
        config=flatten(config),
        folder="",
        keep=keep,
    )
    spec = replace(spec, folder=str(folder / "leases" / spec.id))
    row = execute_on_workers(spec, NullListener(), workers=workers, threads=1, data_dir="nowhere")
    assert row is not None and row.state is RunState.COMPLETE, row
    return row


@pytest.mark.parametrize(
    ("method", "settings"),
    [("carl", CARL), ("msmo", {**MSMO, "variant": "acs", "steps": 40, "encoder": "tiny"})],
)
def test_a_bf16_row_is_read_in_bf16(tmp_path: Path, method: str, settings: dict[str, Any]) -> None:
    row = trained(tmp_path, method, {**settings, "precision": "bf16"})
    spec = spec_of(row, tmp_path)
    weights = load_weights(spec)
    assert weights is not None
    restored = restore_method(spec, weights.result, roles=("train", "dev"), data_dir="nowhere")
    torch.set_num_threads(1)
    with read_as(row):
        found = restored.evaluate("dev")
    assert not torch.is_autocast_enabled("cpu")
    judged = [name for name in found if name in row.metrics]
    assert len(judged) > 4
    assert {name: found[name] for name in judged} == {name: row.metrics[name] for name in judged}
    if method == "carl":
        assert restored.evaluate("dev") != found  # in fp32


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "settings"),
    [("carl", {**CARL, "protocol": "finetuned", "finetune_epochs": 0.1}), ("msmo", MSMO)],
)
def test_a_row_of_two_workers_is_made_again_by_two(
    tmp_path: Path, method: str, settings: dict[str, Any]
) -> None:
    row = trained(tmp_path, method, settings, workers=2, keep=False)
    assert row.provenance["workers"] == "2"
    again = replay_run(row, "nowhere")
    assert (again.outcome, again.unequal) == (Outcome.EQUAL, 0)
    _, weights = with_weights(row, tmp_path, "nowhere")  # for `evaluate` and `export`
    assert weights.result
    # Alone, a worker has other dropout masks.
    alone = trained(tmp_path / "alone", method, settings, keep=False)
    assert alone.metrics != row.metrics


@pytest.mark.slow
def test_a_worker_that_ends_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partner, "LEAVING_SECONDS", 10.0)
    start = partner._start

    def killed(rank: int, words: Path) -> Any:
        process = start(rank, words)
        process.kill()
        return process

    monkeypatch.setattr(partner, "_start", killed)
    with pytest.raises(RunError, match="a worker of the trial ended before it: exit code -9"):
        trained(tmp_path, "carl", dict(CARL), workers=2)
    assert not torch.distributed.is_initialized()


def test_a_worker_that_does_not_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partner, "LEAVING_SECONDS", 0.1)
    monkeypatch.setattr(partner, "MEETING", partner.MEETING / 1000)
    waiting = []  # for what they are to do
    monkeypatch.setattr(partner, "_tell", lambda process, about: waiting.append(process))
    with pytest.raises(RunError, match="must start within 0 s, but worker 1 has not"):
        trained(tmp_path, "carl", dict(CARL), workers=2)
    waiting[0].stdin.close()


@pytest.mark.parametrize("text", ["0", "-1", "two", "65", "9" * 40, ""])
def test_a_strangers_number_of_workers_is_refused(text: str) -> None:
    row = Run(
        sweep="a",
        number=0,
        cell=Cell("sample", 0),
        method="carl",
        state=RunState.COMPLETE,
        config={},
        provenance={"workers": text},
    )
    with pytest.raises(StoreError, match="must be of 1 to 64 workers"):
        workers_of(row)
    assert workers_of(replace(row, provenance={})) == 1
