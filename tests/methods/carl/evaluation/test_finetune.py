from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from raysearch import corpora, encoders
from raysearch.corpora import Corpus, Split
from raysearch.errors import RoleError
from raysearch.methods.base import Stage, Update
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.evaluation.finetune import FineTuning, TaskBatch, TunedModel
from raysearch.run import Report
from raysearch.training.loop import Fit
from raysearch.training.progress import NullListener

CONFIG = CarlConfig(
    encoder="tiny",
    batch_size=8,
    max_length=32,
    finetune_epochs=2.0,
    finetune_learning_rate=1e-3,
    head_learning_rate=1e-2,
    reports=2,
    checkpoint_seconds=0.0,
)
CPU = torch.device("cpu")


def part(name: str, rows: int, roles: Sequence[str] = ("train", "dev")) -> Corpus:
    """The first rows of each role of a bundled corpus."""
    whole = corpora.load(name, ".", roles)
    splits = []
    for role in roles:
        split = whole.split(role)
        step = max(1, len(split) // rows)
        chosen = np.arange(len(split))[::step][:rows]
        splits.append(
            (
                role,
                Split(
                    texts=tuple(split.texts[i] for i in chosen),
                    labels=split.labels[chosen],
                    ids=tuple(split.ids[i] for i in chosen),
                ),
            )
        )
    return dataclasses.replace(whole, _splits=tuple(splits))


def tuning(*opened: Corpus, config: CarlConfig = CONFIG) -> FineTuning:
    return FineTuning(encoders.load("tiny"), opened, config, CPU)


class OnlyFineTuning:
    """The smallest method that hands the fine-tuning stages to the loop."""

    name = "only-finetuning"
    provenance: Mapping[str, str] = {}

    def __init__(self, stages: FineTuning) -> None:
        self.tuning = stages

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        return self.tuning.optimizers

    def stages(self) -> Sequence[Stage]:
        return self.tuning.stages()

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        self.tuning.begin(stage)
        if state is not None:
            self.tuning.load_state_dict(state)

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[TaskBatch]:
        return self.tuning.batches(stage, epoch_seed)

    def updates(self, batch: TaskBatch, step: int) -> Iterator[Update]:
        return self.tuning.updates(batch)

    def evaluate(self, role: str) -> dict[str, float]:
        return self.tuning.evaluate(role)

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return self.tuning.state_dict()

    def finish(self, stage: Stage) -> dict[str, Any]:
        return self.state_dict()

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        self.tuning.load_state_dict(result)

    def save_encoder(self, folder: str) -> None:
        raise NotImplementedError


class Listener(NullListener):
    def __init__(self, stop_after: int = 10**9) -> None:
        self.reports: list[Report] = []
        self._stop_after = stop_after

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def stopped(self) -> bool:
        return len(self.reports) >= self._stop_after


def run(stages: FineTuning, folder: Path, config: CarlConfig, stop_after: int = 10**9) -> Listener:
    method, listener = OnlyFineTuning(stages), Listener(stop_after)
    keys = [stage.name for stage in method.stages()]
    checkpoint = folder / "checkpoint.safetensors"
    Fit(method, config, seed=0, checkpoint=checkpoint, listener=listener, keys=keys).run()
    return listener


def test_a_stage_for_every_corpus_with_its_own_steps() -> None:
    stages = tuning(part("sample", 40), part("sample_polarity", 12)).stages()
    assert [(stage.name, stage.steps, stage.reports) for stage in stages] == [
        ("finetune-sample", 10, False),
        ("finetune-sample_polarity", 2, True),
    ]
    own = ("protocol", "finetune_epochs", "finetune_learning_rate")
    assert all(stage.fields == own for stage in stages)


@pytest.mark.slow
def test_it_overfits_a_few_rows_of_every_task(tmp_path: Path) -> None:
    opened = [part(name, 16) for name in ("sample", "sample_emotions", "sample_polarity")]
    config = dataclasses.replace(CONFIG, finetune_epochs=30.0, warmup_share=0.1)
    stages = tuning(*opened, config=config)
    run(stages, tmp_path, config)
    found = stages.evaluate("train")
    assert found["train/finetuned_va_pearson"] > 0.8
    assert found["train/finetuned_class_accuracy"] > 0.9
    assert found["train/finetuned_polarity_accuracy"] > 0.9


def test_metric_names_are_those_of_this_protocol_in_every_report(tmp_path: Path) -> None:
    opened = [part("sample", 16), part("sample_polarity", 16)]
    stages = tuning(*opened)
    assert stages.evaluate("dev") == {}
    listener = run(stages, tmp_path, CONFIG)
    halfway, end = [
        {name for name in report.metrics if name.startswith("dev/")} for report in listener.reports
    ]
    va = {
        f"dev/sample/finetuned_{dimension}_{score}"
        for dimension in ("valence", "arousal")
        for score in ("pearson", "spearman")
    }
    assert halfway == end
    assert va < end
    assert end - va == {
        *("dev/sample_polarity/finetuned_accuracy", "dev/sample_polarity/finetuned_macro_f1"),
        *("dev/finetuned_va_pearson", "dev/finetuned_va_spearman"),
        "dev/finetuned_polarity_accuracy",
    }


def test_reports_are_of_corpora_at_their_end_but_for_the_last(tmp_path: Path) -> None:
    """So that a report of one rung says the same of every trial, and a mean has no fresh start."""
    opened = [part("sample", 16), part("sample_polarity", 40)]
    config = dataclasses.replace(CONFIG, reports=3)
    reports = run(tuning(*opened, config=config), tmp_path / "both", config).reports
    assert [report.rung for report in reports] == [1, 2, 3]
    first = {
        name: value
        for name, value in reports[0].metrics.items()
        if name.startswith("dev/sample/finetuned_")
    }
    assert len(first) == 4
    for report in reports:
        assert {name: report.metrics[name] for name in first} == first
    # It is the score of the corpus alone, at its end.
    alone = run(tuning(opened[0], config=config), tmp_path / "one", config).reports
    assert {name: alone[-1].metrics[name] for name in first} == first
    polarity = [report.metrics["train/finetune_loss"] for report in reports]
    assert len(set(polarity)) == 3


def test_the_trial_s_encoder_is_copied_and_left_alone(tmp_path: Path) -> None:
    encoder = encoders.load("tiny")
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    stages = FineTuning(encoder, [part("sample", 16)], CONFIG, CPU)
    run(stages, tmp_path, CONFIG)
    assert all(
        torch.equal(before[name], value) for name, value in encoder.model.state_dict().items()
    )
    tuned = stages.state_dict()["finetune-sample"]
    assert any(not torch.equal(before[name], tuned[f"encoder.{name}"]) for name in before)


@pytest.mark.parametrize("freeze", [False, True])
def test_every_parameter_is_trained_even_of_a_frozen_encoder(freeze: bool) -> None:
    encoder = encoders.load("tiny").model.requires_grad_(False)
    config = dataclasses.replace(CONFIG, freeze_embeddings=freeze)
    model = TunedModel(encoder, part("sample", 8), config)
    words = model.encoder.get_input_embeddings().weight
    batch = next(batches(part("sample", 8)))
    model.loss(batch).backward()
    for name, parameter in model.named_parameters():
        if parameter is words:
            assert parameter.requires_grad is not freeze
        elif "position" not in name and "token_type" not in name:
            assert parameter.grad is not None, name


def batches(corpus: Corpus, config: CarlConfig = CONFIG, seed: int = 0) -> Iterator[TaskBatch]:
    stages = tuning(corpus, config=config)
    return stages.batches(stages.stages()[0], seed)


def test_loss_by_hand_and_whatever_the_padding() -> None:
    encoder = encoders.load("tiny").model
    for name in ("sample", "sample_emotions"):
        corpus = part(name, 8)
        model = TunedModel(encoder, corpus, CONFIG).eval()
        batch = next(batches(corpus))
        outputs = model(batch.ids, batch.mask)
        if name == "sample":
            assert outputs.min() >= 0
            assert outputs.max() <= 1
            expected = (outputs - batch.labels).square().mean()
        else:
            assert outputs.shape == (8, 6)
            expected = functional.cross_entropy(outputs, batch.labels)
        torch.testing.assert_close(model.loss(batch), expected)
        wider = dataclasses.replace(
            batch,
            ids=functional.pad(batch.ids, (0, 9)),
            mask=functional.pad(batch.mask, (0, 9)),
        )
        torch.testing.assert_close(model.loss(wider), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rows", [24, 5])
def test_two_workers_together_have_the_gradient_of_one(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    corpus = part("sample", rows)
    model = TunedModel(encoders.load("tiny").model, corpus, CONFIG).eval()
    whole = next(batches(corpus))
    alone = torch.autograd.grad(model.loss(whole), model.head.weight)[0]
    together = torch.zeros_like(alone)
    monkeypatch.setattr("raysearch.methods.carl.evaluation.finetune.world_size", lambda: 2)
    for worker in range(2):
        monkeypatch.setattr(
            "raysearch.methods.carl.evaluation.finetune.rank", lambda worker=worker: worker
        )
        share = next(batches(corpus))
        assert len(share.ids) == len(whole.ids[worker::2])
        together += torch.autograd.grad(model.loss(share), model.head.weight)[0] / 2
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)


def test_an_epoch_has_no_row_twice_and_its_order_depends_on_the_seed() -> None:
    corpus = part("sample", 40)
    rows = [tuple(label) for batch in batches(corpus) for label in batch.labels.tolist()]
    assert sorted(rows) == sorted(tuple(label) for label in corpus.split("train").labels.tolist())
    again, other = (
        [tuple(label) for batch in batches(corpus, seed=seed) for label in batch.labels.tolist()]
        for seed in (0, 1)
    )
    assert rows == again
    assert rows != other


def test_predictions_are_in_the_order_of_the_texts() -> None:
    corpus = part("sample", 40)
    stages = tuning(corpus)
    stages.begin(stages.stages()[0])
    model, texts = stages._models["finetune-sample"], corpus.split("train").texts
    together = stages._predict(model, texts)
    one_by_one = np.concatenate([stages._predict(model, [text]) for text in texts])
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)
    assert model.training  # scoring in the middle of a stage does not switch dropout off


def test_a_stopped_trial_goes_on_to_the_same_end(tmp_path: Path) -> None:
    opened = [part("sample", 24), part("sample_polarity", 24)]
    config = dataclasses.replace(CONFIG, reports=4)
    whole = tuning(*opened, config=config)
    curve = run(whole, tmp_path / "whole", config).reports
    for stop_after in (1, 2, 3):
        folder = tmp_path / f"stopped{stop_after}"
        run(tuning(*opened, config=config), folder, config, stop_after)
        resumed = tuning(*opened, config=config)
        again = run(resumed, folder, config).reports
        assert [r.metrics for r in again] == [r.metrics for r in curve]
        for name, weights in whole.state_dict().items():
            for key, value in weights.items():
                assert torch.equal(value, resumed.state_dict()[name][key])


def test_a_role_that_was_not_opened_is_not_scored(tmp_path: Path) -> None:
    stages = tuning(part("sample", 16))
    stages.begin(stages.stages()[0])
    with pytest.raises(RoleError, match="role `test` of corpus sample"):
        stages.evaluate("test")
    opened = part("sample", 16, ("train", "dev", "test"))
    trained = tuning(opened)
    run(trained, tmp_path, CONFIG)
    assert "test/finetuned_va_pearson" in trained.evaluate("test")
