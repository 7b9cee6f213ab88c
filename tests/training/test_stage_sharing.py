"""Stages with parents: what is run, what is taken over, and that it makes no difference."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from raysearch.config import TrainingConfig
from raysearch.methods.base import Stage, Update
from raysearch.methods.stage import parents_of
from raysearch.run import Report
from raysearch.training.loop import Fit
from raysearch.training.progress import NullListener
from raysearch.training.seed import seed_everything
from raysearch.training.stages.cache import StageCache
from raysearch.training.stages.keys import stage_keys
from raysearch.training.steps import stage_rungs

STAGES = (
    Stage("teacher", ("a",), 6, parents=(), data=("text_digest",), reports=False),
    Stage("teach", (), 0, parents=("teacher",), data=(), reports=False),
    Stage("student", ("b",), 4, parents=(), data=(), reports=False),
    Stage("distill", ("c",), 10, parents=("student", "teach"), data=()),
)


class Family:
    """A student that starts from its own stage and is pulled towards a teacher's output."""

    name = "family"
    provenance: Mapping[str, str] = {"text_digest": "t"}

    def __init__(self, seed: int) -> None:
        seed_everything(seed)
        self.results: dict[str, dict[str, Any]] = {}
        self.ran: list[str] = []
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._fresh()

    def _fresh(self) -> None:
        self.model = torch.nn.Linear(3, 1)
        self.optimizers = {"main": torch.optim.Adam(self.model.parameters(), lr=0.05)}

    def stages(self) -> Sequence[Stage]:
        return STAGES

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        self._fresh()
        if stage.steps and state is None:
            self.ran.append(stage.name)
        if state is not None:
            self.results = dict(state["results"])
            self.model.load_state_dict(state["model"])
        elif stage.name == "distill":
            self.model.load_state_dict(self.results["student"])

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(epoch_seed)
        for _ in range(4):
            yield torch.randn(5, 3, generator=generator)

    def updates(self, batch: torch.Tensor, step: int) -> Iterator[Update]:
        target = self.results["teach"]["bias"] if "teach" in self.results else torch.ones(1)
        noise = torch.rand(5, 1)  # the generator's state matters too
        loss = (self.model(batch) + noise - target).square().mean()
        yield Update("main", loss, {"loss": loss})

    def finish(self, stage: Stage) -> dict[str, Any]:
        if stage.name == "teach":
            return {"bias": 2 * self.results["teacher"]["bias"]}
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        self.results[stage.name] = dict(result)

    def evaluate(self, role: str) -> dict[str, float]:
        return {f"{role}/x": float(self.model.weight.detach().sum())}

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {"results": self.results, "model": self.model.state_dict()}

    def save_encoder(self, folder: str) -> None: ...


class Ear(NullListener):
    def __init__(self, die_after: int = 99) -> None:
        self.reports: list[Report] = []
        self.die_after = die_after

    def report(self, report: Report) -> None:
        self.reports.append(report)
        if len(self.reports) == self.die_after:
            raise KeyboardInterrupt


def keys(a: int = 0, b: int = 0, c: int = 0, text: str = "t", reports: int = 2) -> list[str]:
    return stage_keys(
        STAGES,
        method="family",
        config={"a": a, "b": b, "c": c},
        provenance={"text_digest": text},
        seed=3,
        rungs=stage_rungs(STAGES, reports),
    )


def run(
    folder: Path, cache: StageCache | None, ear: Ear | None = None, **settings: Any
) -> tuple[Family, Fit, list[tuple[int, int, dict[str, float]]]]:
    method, ear = Family(seed=11), ear or Ear()
    fit = Fit(
        method,
        TrainingConfig(reports=2, checkpoint_seconds=0),
        seed=3,
        checkpoint=folder / "checkpoint.safetensors",
        listener=ear,
        keys=keys(**settings),
        cache=cache,
    )
    assert fit.run()
    return method, fit, [(r.rung, r.step, dict(r.metrics)) for r in ear.reports]


def test_parents_by_name_and_by_order() -> None:
    assert [parents_of(STAGES, index) for index in range(4)] == [(), (0,), (), (2, 1)]
    line = [Stage("x", (), 1), Stage("y", (), 1)]
    assert [parents_of(line, index) for index in range(2)] == [(), (0,)]


def test_rungs_fall_into_the_stages_that_report() -> None:
    assert stage_rungs(STAGES, 2) == [{}, {}, {}, {5: 1, 10: 2}]
    line = [Stage("x", (), 6), Stage("y", (), 4)]
    assert stage_rungs(line, 2) == [{5: 1}, {4: 2}]
    assert stage_rungs([Stage("x", (), 0)], 3) == [{0: 3}]


def test_a_key_changes_with_what_its_stage_depends_on_and_nothing_else() -> None:
    def moved(**settings: Any) -> list[bool]:
        return [ours != base for ours, base in zip(keys(**settings), keys(), strict=True)]

    assert moved(a=1) == [True, True, False, True]
    assert moved(b=1) == [False, False, True, True]
    assert moved(c=1) == [False, False, False, True]
    assert moved(text="other") == [True, True, False, True]
    assert moved(reports=5) == [False, False, False, True]


def test_a_shared_prefix_gives_the_numbers_of_a_cold_trial(tmp_path: Path) -> None:
    _, cold, expected = run(tmp_path / "cold", None)
    cache = StageCache(tmp_path / "stages")
    run(tmp_path / "a", cache, c=1)  # pays for teacher, teach and student
    method, shared, found = run(tmp_path / "b", cache)
    assert method.ran == ["distill"]
    assert found == expected
    assert [r.step for r in cold.position.reports] == [15, 20]
    assert all(torch.equal(cold.result[name], shared.result[name]) for name in cold.result)
    assert (cold.position.reused, shared.position.reused) == (0, 10)
    assert cold.position.done == shared.position.done == 20


def test_an_ancestor_of_a_finished_stage_is_neither_run_nor_loaded(tmp_path: Path) -> None:
    cache = StageCache(tmp_path / "stages")
    run(tmp_path / "a", cache)
    method, _, _ = run(tmp_path / "b", cache, c=1)
    assert "teacher" not in method.results and "teach" in method.results
    other, _, _ = run(tmp_path / "c", cache, b=1)
    assert other.ran == ["student", "distill"]


@pytest.mark.parametrize("die_after", [1, 2])
def test_a_resumed_trial_needs_no_entry_any_more(tmp_path: Path, die_after: int) -> None:
    _, _, expected = run(tmp_path / "cold", None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", StageCache(tmp_path / "stages"), Ear(die_after))
    _, _, found = run(tmp_path / "a", None)
    assert found == expected


def test_a_damaged_entry_is_computed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = StageCache(tmp_path / "stages")
    _, _, expected = run(tmp_path / "a", cache)
    for entry in (tmp_path / "stages").rglob("*"):
        if entry.is_file():
            entry.write_bytes(entry.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING):
        method, _, found = run(tmp_path / "b", cache)
    assert method.ran == ["teacher", "student", "distill"]
    assert found == expected
    assert caplog.records
    again, _, _ = run(tmp_path / "c", cache)
    assert again.ran == ["distill"]
