"""The method around the steps: stages, results, selection, state, workers, export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo import on_two_workers
from transformers import AutoModel, AutoTokenizer

from raysearch import distributed
from raysearch.config import read_config
from raysearch.errors import ConfigError, StoreError
from raysearch.methods import get_method
from raysearch.methods.msmo import method as method_file
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.run import Cell

Make = Callable[..., MsmoMethod]
Perform = Callable[..., dict[str, float]]
TINY = {"encoder": "tiny", "pairs": "en-es", "max_length": 48, "batch_size": 16}


def pass_through(method: MsmoMethod, perform: Perform, steps: int) -> None:
    """Run every stage but the last for so many steps, and begin the last."""
    *before, last = method.stages()
    for stage in before:
        torch.manual_seed(0)
        method.begin(stage)
        for step, batch in zip(
            range(min(steps, stage.steps)), method.batches(stage, 0), strict=False
        ):
            perform(method, batch, step)
        method.accept(stage, method.finish(stage))
    method.begin(last)


# Results of stages


def test_training_goes_on_from_the_aligned_encoder(make_method: Make, perform: Perform) -> None:
    method = make_method()
    align, train = method.stages()
    method.begin(align)
    first = {n: t.clone() for n, t in method.network.result()["weights"].items()}
    for step, batch in zip(range(2), method.batches(align, 0), strict=False):
        perform(method, batch, step)
    result = method.finish(align)
    assert set(result["terms"]) == {
        *("gap", "critic_accuracy", "saturation", "critic_updates", "critic_followed")
    }
    method.accept(align, result)
    method.begin(train)
    now = method.network.result()["weights"]
    name = "encoder.encoder.layer.0.output.dense.weight"
    assert torch.equal(now[name], result["weights"][name])
    assert not torch.equal(now[name], first[name])
    assert torch.equal(now["tagger.weight"], first["tagger.weight"])
    found = method.evaluate("dev")
    assert found["align/gap"] == result["terms"]["gap"]


def test_every_network_starts_afresh_from_the_same_weights(make_method: Make) -> None:
    method = make_method(distillation="multi", variant="acs")
    starts = []
    for stage in method.stages():
        if stage.name.startswith("train-"):
            method.begin(stage)
            starts.append(method.network.result()["weights"])
            torch.nn.init.zeros_(method.network.tagger.weight)
            torch.nn.init.zeros_(method.network.encoder.embeddings.LayerNorm.weight)
    assert len(starts) == 3
    for other in starts[1:]:
        assert all(torch.equal(starts[0][name], other[name]) for name in other)
    other_seed = make_method(seed=1, variant="acs")
    other_seed.begin(other_seed.stages()[0])
    tagger = other_seed.network.result()["weights"]["tagger.weight"]
    assert not torch.equal(tagger, starts[0]["tagger.weight"])


def test_a_student_has_its_own_rate_and_its_start(make_method: Make, perform: Perform) -> None:
    method = make_method(distillation="single", variant="acs", distill_learning_rate=7e-4)
    pass_through(method, perform, 2)
    assert method.optimizers["main"].param_groups[0]["lr"] == 7e-4
    weights = method._results["student"]["weights"]
    now = method.network.result()["weights"]
    assert all(torch.equal(weights[name], now[name]) for name in weights)
    # What no later stage starts from is let go of.
    assert set(method._results) == {"student", "teach-main"}


def test_a_result_of_another_tag_set_is_one_sentence(make_method: Make) -> None:
    method = make_method(distillation="single", variant="acs")
    train, teach, *_ = method.stages()
    method.begin(train)
    result = method.finish(train)
    method.accept(train, {**result, "tags": ["O", "ASPECT"]})
    with pytest.raises(StoreError, match="stage train-main must be of a tagger with the 13"):
        method.begin(teach)


# Selection


def scored(monkeypatch: pytest.MonkeyPatch, *f1: float) -> None:
    """Make the next reports find these F1s."""
    waiting = list(f1)

    def evaluate(*_: Any, **__: Any) -> dict[str, float]:
        return {"f1": waiting.pop(0), "predicted": 1.0, "hallucinated": 0.1}

    monkeypatch.setattr(method_file, "evaluate", evaluate)


def reported(
    method: MsmoMethod, perform: Perform, count: int
) -> tuple[list[float], list[torch.Tensor]]:
    stage = method.stages()[-1]
    scores, biases = [], []
    for step, batch in zip(range(count), method.batches(stage, 0), strict=False):
        perform(method, batch, step)
        scores.append(method.evaluate("dev")["dev/f1"])
        biases.append(method.network.tagger.bias.detach().clone())
    return scores, biases


def test_the_best_report_of_the_later_part_is_selected(
    make_method: Make, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method(variant="zero_shot", steps=6, selection_from=0.5)
    method.begin(method.stages()[-1])
    scored(monkeypatch, 0.9, 0.2, 0.3, 0.5, 0.5, 0.4, 0.77)
    scores, biases = reported(method, perform, 6)
    # Until half of the steps nothing is selected; then the first of the best stays.
    assert scores == [0.9, 0.2, 0.3, 0.5, 0.5, 0.5]
    result = method.finish(method.stages()[-1])
    assert torch.equal(result["weights"]["tagger.bias"], biases[3])
    method.accept(method.stages()[-1], result)
    assert torch.equal(method.network.tagger.bias, biases[3])
    assert method.evaluate("dev")["dev/f1"] == 0.77  # of the selected weights themselves


@pytest.mark.parametrize("distillation, name", [("single", "train-main"), ("multi", "train-t2")])
def test_a_teacher_is_the_checkpoint_that_dev_chose(
    make_method: Make,
    perform: Perform,
    monkeypatch: pytest.MonkeyPatch,
    distillation: str,
    name: str,
) -> None:
    method = make_method(variant="acs", distillation=distillation, steps=4, selection_from=0.5)
    (stage,) = (each for each in method.stages() if each.name == name)
    assert stage.selects and not stage.reports
    method.begin(stage)
    scored(monkeypatch, 0.9, 0.6, 0.3, 0.5)
    biases = []
    for step, batch in zip(range(4), method.batches(stage, 0), strict=False):
        perform(method, batch, step)
        method.evaluate("dev")
        biases.append(method.network.tagger.bias.detach().clone())
    result = method.finish(stage)
    assert torch.equal(result["weights"]["tagger.bias"], biases[1])


def test_the_last_report_counts_where_asked(
    make_method: Make, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = make_method(variant="zero_shot", steps=3, selection="last")
    method.begin(method.stages()[-1])
    scored(monkeypatch, 0.2, 0.5, 0.4)
    scores, biases = reported(method, perform, 3)
    assert scores == [0.2, 0.5, 0.4]
    result = method.finish(method.stages()[-1])
    assert torch.equal(result["weights"]["tagger.bias"], biases[2])


def test_a_selected_report_survives_a_resume(
    make_method: Make, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, other = (make_method(variant="zero_shot", steps=4) for _ in range(2))
    last = method.stages()[-1]
    method.begin(last)
    scored(monkeypatch, 0.1, 0.6)
    _, biases = reported(method, perform, 2)
    other.begin(last, method.state_dict())
    scored(monkeypatch, 0.3)
    assert other.evaluate("dev")["dev/f1"] == 0.6
    assert torch.equal(other.finish(last)["weights"]["tagger.bias"], biases[1])


def test_a_finished_trial_is_evaluated_from_its_result(make_method: Make, perform: Perform) -> None:
    first, second = (make_method(distillation="single", variant="acs") for _ in range(2))
    pass_through(first, perform, 2)
    last = first.stages()[-1]
    result = first.finish(last)
    first.accept(last, result)
    second.accept(last, result)  # with nothing before it
    assert second.evaluate("dev") == first.evaluate("dev")
    assert "dev/current_f1" in second.evaluate("dev")


def test_evaluation_leaves_training_as_it_was(make_method: Make) -> None:
    method = make_method(variant="acs")
    method.begin(method.stages()[-1])
    before = torch.get_rng_state()
    first = method.evaluate("dev")
    assert torch.equal(torch.get_rng_state(), before) and method.network.training
    assert first == method.evaluate("dev")
    for name in ("f1", "current_f1", "precision", "recall", "aspect_f1", "hallucinated"):
        assert 0 <= first[f"dev/{name}"] <= 1


# Provenance


def test_provenance_names_what_the_variant_reads(make_method: Make) -> None:
    def read(**settings: Any) -> set[str]:
        found = make_method(**settings).provenance
        return {
            name.removesuffix("_digest") for name, v in found.items() if "_digest" in name and v
        }

    always = {"encoder", "data", "dev"}
    assert read(variant="zero_shot") == always | {"s"}
    assert read(variant="translate_train") == always | {"t"}
    assert read(variant="supervised") == always | {"gold"}
    assert read() == always | {"s", "st", "ts", "t"}
    assert read(variant="bilingual", distillation="single") == always | {"s", "t", "unlabelled"}
    source_only = [make_method(variant="zero_shot", pairs=pair) for pair in ("en-es", "en-ru")]
    first, second = (dict(method.provenance) for method in source_only)
    assert first.pop("corpora") != second.pop("corpora")
    assert first == second  # so that one zero-shot model serves all pairs


def test_multilingual_trials_are_one_for_all_pairs(make_config: Callable[..., MsmoConfig]) -> None:
    config = make_config(pairs="en-es,en-fr", multilingual=True, distillation="single")
    found = [
        get_method("msmo").build(
            config, Cell(pair, 0), device=torch.device("cpu"), roles=("train", "dev"),
            data_dir="nowhere",
        )
        for pair in config.pairs
    ]  # fmt: skip
    assert found[0].provenance == found[1].provenance
    first, second = (each for each in found if isinstance(each, MsmoMethod))
    assert first.training_set.tokens.ids.tolist() == second.training_set.tokens.ids.tolist()
    assert first.training_set.items.table.tolist() == second.training_set.items.table.tolist()


def test_the_batch_divides_over_the_workers(
    make_method: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raysearch.methods.msmo.method.world_size", lambda: 3)
    with pytest.raises(ConfigError, match="`batch_size` must be a multiple of the 3 workers"):
        make_method()
    monkeypatch.setattr("raysearch.methods.msmo.method.world_size", lambda: 8)
    with pytest.raises(ConfigError, match="must give each of the 8 workers .* at least 32"):
        make_method()
    make_method(sampling="literal")


def test_every_worker_has_a_sentence_of_the_smallest_batch(
    make_method: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = len(make_method(variant="zero_shot").training_set.items)
    monkeypatch.setattr("raysearch.methods.msmo.method.world_size", lambda: there + 1)
    for sampling in ("literal", "aligned"):
        with pytest.raises(ConfigError, match=f"stage train-main must have .* but has {there};"):
            make_method(variant="zero_shot", batch_size=there + 1, sampling=sampling)


def test_an_exported_encoder_gives_the_same_states(
    make_method: Make, perform: Perform, tmp_path: Path
) -> None:
    method = make_method(variant="zero_shot")
    last = method.stages()[-1]
    method.begin(last)
    perform(method, next(iter(method.batches(last, 0))))
    method.accept(last, method.finish(last))
    method.save_encoder(str(tmp_path / "kept"))
    model = AutoModel.from_pretrained(tmp_path / "kept").eval()
    tokens = AutoTokenizer.from_pretrained(tmp_path / "kept")(["some food"], return_tensors="pt")
    own = method.network.encoder.eval()
    with torch.no_grad():
        first, second = (each(**tokens).last_hidden_state for each in (model, own))
    assert torch.allclose(first, second, atol=1e-6)


# Two workers do what one does.

MULTILINGUAL = {"pairs": "en-es,en-fr", "multilingual": True, "max_length": 32, "batch_size": 160}

SHARED: tuple[dict[str, Any], ...] = (
    {"schedule": "interleaved", "adversarial_weight": 1.0, "consistency_weight": 1.0},
    {"schedule": "interleaved", "sampling": "literal", "adversarial_source": "mixed"},
    {"variant": "cl_token", "contrastive_weight": 1.0, "max_length": 24},
    {"variant": "acs", "distillation": "single", "max_length": 24},
    # Five items a step, and three: neither divides over two workers.
    {"schedule": "interleaved", "batch_size": 20, "consistency_weight": 1.0},
    {"variant": "cl_token", "contrastive_weight": 1.0, "max_length": 24, "batch_size": 12},
    # Some source sentences stand in items of either worker.
    {**MULTILINGUAL, "schedule": "interleaved", "consistency_weight": 1.0},
)


SMALL = {
    "layers": 1,
    "critic_steps": 2,
    "critic_first_steps": 4,
    "critic_most_steps": 8,
    "head_learning_rate": 1e-2,
}


def two_steps(settings: dict[str, Any]) -> tuple[list[float], dict[str, float]]:
    """Squares of the trained weights and terms after two steps of each stage, in fp64."""
    torch.set_num_threads(1)
    config = read_config(MsmoConfig, {**TINY, **SMALL, **settings}, where="test")
    method = get_method("msmo").build(
        config, Cell("en-es", 0), device=torch.device("cpu"), roles=("train", "dev"),
        data_dir="nowhere",
    )  # fmt: skip
    assert isinstance(method, MsmoMethod)
    terms: dict[str, float] = {}
    for stage in method.stages():
        method.begin(stage)
        method.network.double()
        for module in method.network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        batches = method.batches(stage, 5) if stage.steps else iter(())
        for step, batch in zip(range(2), batches, strict=False):
            for update in method.updates(batch, step):
                optimizer = method.optimizers[update.optimizer]
                optimizer.zero_grad()
                update.loss.backward()
                distributed.average_gradients(
                    [p for group in optimizer.param_groups for p in group["params"]]
                )
                optimizer.step()
                values = [float(torch.as_tensor(v).detach()) for v in update.terms.values()]
                terms |= dict(zip(update.terms, distributed.average_values(values), strict=True))
        method.accept(stage, method.finish(stage))
    return [float(p.detach().square().sum()) for p in method.network.parameters()], terms


def shared_steps() -> list[Any]:
    return [two_steps(settings) for settings in SHARED]


@pytest.mark.slow
def test_two_workers_take_the_single_workers_steps() -> None:
    answers, _ = on_two_workers(shared_steps)
    for settings, (weights, terms) in zip(SHARED, answers, strict=True):
        alone, own_terms = two_steps(settings)
        assert weights == pytest.approx(alone, rel=1e-6), settings
        assert set(terms) == set(own_terms)
        for name, value in own_terms.items():
            assert terms[name] == pytest.approx(value, rel=1e-5), (settings, name)
