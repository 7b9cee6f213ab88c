"""The method around the steps: evaluation, state, health, workers, corpora, export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gloo import on_two_workers
from method_cases import CARL, curve, run
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

from raysearch import corpora, distributed, encoders
from raysearch.config import read_config
from raysearch.corpora.seen import marks
from raysearch.errors import ConfigError, RoleError, UnhealthyError
from raysearch.methods import get_method
from raysearch.methods.carl import health
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import tokenise
from raysearch.methods.carl.evaluation.downstream import embed
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.model import pool
from raysearch.run import Cell

Make = Callable[..., CarlMethod]
TINY = {"encoder": "tiny", "corpora": "sample", "max_length": 32, "batch_size": 16}


def test_pooling_by_hand() -> None:
    states = torch.tensor([[[1.0], [3.0], [99.0]]])
    mask = torch.tensor([[True, True, False]])
    assert pool(states, mask, "mean").tolist() == [[2.0]]
    assert pool(states, mask, "cls").tolist() == [[1.0]]


def test_states_do_not_depend_on_padding(make_method: Make) -> None:
    method = make_method()
    method.model.eval()
    batch = next(iter(method.batches(method.stages()[-1], 0)))
    online = method.model.online
    alone = online.states(online.lookup(batch.ids), batch.mask)
    wide = [torch.nn.functional.pad(t, (0, 9)) for t in (batch.ids, batch.mask)]
    padded = online.states(online.lookup(wide[0]), wide[1])
    assert torch.allclose(pool(padded, wide[1], "mean"), pool(alone, batch.mask, "mean"), atol=1e-5)


def test_embeddings_keep_the_order_of_the_texts(make_method: Make) -> None:
    method = make_method()
    method.model.eval()
    texts = ["a long sentence stands first here", "short", "and a middle one"]
    rows = embed(method.model, method._encoder, texts, method.config)
    assert rows.dtype == np.float32
    for text, row in zip(texts, rows, strict=True):
        alone = embed(method.model, method._encoder, [text], method.config)
        assert np.allclose(row, alone[0], atol=1e-5)


def test_evaluation_reports_what_the_leaderboard_needs(make_method: Make) -> None:
    found = make_method(polarity_corpora="sample_polarity").evaluate("dev")
    for name in (
        "dev/va_pearson",
        "dev/va_spearman",
        "dev/sample/valence_pearson",
        "dev/sample/uniformity",
        "dev/polarity_accuracy",
        "dev/detection_auc",
        "dev/detection_auc_removed",
        "dev/mccl_kl",
        "dev/perturbation_changed",
        "dev/saliency_agreement",
        "dev/saliency_chance",
    ):
        assert np.isfinite(found[name]), name


@pytest.mark.parametrize("scaling", ["scale", "standardised"])
def test_plain_fine_tuning_is_scored_by_its_own_head_too(
    make_method: Make, train: Callable[..., Any], scaling: str
) -> None:
    method = make_method(variant="finetune", label_scaling=scaling, learning_rate=1e-3)
    train(method, 4)
    found = method.evaluate("dev")
    dev = corpora.load("sample", "nowhere", {"dev"}).split("dev")
    method.model.eval()
    tokens = tokenise(method._encoder, dev.texts, 32)
    ids, mask, _ = tokens.padded(np.arange(len(dev)), torch.device("cpu"))
    with torch.no_grad():
        states = method.model.online.states(method.model.online.lookup(ids), mask)
        rated = method.model.ratings(states, mask).numpy()
    for column, name in enumerate(("valence", "arousal")):
        expected = np.corrcoef(rated[:, column], dev.labels[:, column])[0, 1]
        assert found[f"dev/sample/head_{name}_pearson"] == pytest.approx(expected, abs=1e-4)
    assert np.isfinite(found["dev/head_va_pearson"]) and np.isfinite(found["dev/va_pearson"])
    assert not any("head_" in name for name in make_method(variant="no_ptd").evaluate("dev"))


def test_evaluation_leaves_training_as_it_was(make_method: Make) -> None:
    method = make_method()
    before = torch.get_rng_state()
    first, second = method.evaluate("dev"), method.evaluate("dev")
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)
    assert method.model.training
    assert not method.model.target.branch.training  # type: ignore[union-attr]
    assert all(p.grad is None for p in method.model.parameters())


def test_test_data_stay_closed(make_method: Make) -> None:
    with pytest.raises(RoleError, match="test"):
        make_method().evaluate("test")


def test_target_dropout_is_a_setting(make_method: Make) -> None:
    off, on = make_method(), make_method(target_dropout=True)
    batch = next(iter(off.batches(off.stages()[-1], 0)))
    for method, same in ((off, True), (on, False)):
        keys = [method.model.target.keys(batch.ids, batch.mask) for _ in range(2)]  # type: ignore[union-attr]
        assert torch.equal(keys[0], keys[1]) is same


def test_a_frozen_word_embedding_is_shared_with_the_target(make_method: Make) -> None:
    method = make_method(freeze_embeddings=True)
    assert method.model.target is not None
    mine = method.model.target.branch.encoder.get_input_embeddings().weight
    assert mine is method.model.encoder.get_input_embeddings().weight


def test_the_warm_up_contrasts_only(
    make_method: Make, accumulate: Callable[..., dict[str, float]]
) -> None:
    method = make_method(contrastive_warmup_share=0.5, epochs=2)
    warmup, pretrain = method.stages()
    batch = next(iter(method.batches(warmup, 0)))
    method.begin(warmup)
    assert "ptd_loss" not in accumulate(method, batch)
    assert method.model.discriminator[0].weight.grad is None  # type: ignore[index]
    method.begin(pretrain)
    terms = accumulate(method, batch)
    assert "ptd_loss" in terms
    halfway = 1 - method.config.momentum_gap / 2
    assert terms["momentum"] == pytest.approx(halfway, abs=1e-3)


def test_gradient_lengths_are_those_of_the_weighted_terms(
    make_method: Make, accumulate: Callable[..., dict[str, float]]
) -> None:
    lengths = []
    for weight in (0.2, 0.4):
        method = make_method(detection_weight=weight)
        batch = next(iter(method.batches(method.stages()[-1], 0)))
        torch.manual_seed(0)
        lengths.append(accumulate(method, batch))
    assert lengths[1]["detection_gradient"] == pytest.approx(2 * lengths[0]["detection_gradient"])
    assert lengths[1]["contrastive_gradient"] == pytest.approx(lengths[0]["contrastive_gradient"])
    assert lengths[0]["contrastive_gradient"] > 0


def test_saliency_variant_measures_both_gradients(
    make_method: Make, accumulate: Callable[..., dict[str, float]]
) -> None:
    method = make_method(variant="saliency")
    terms = accumulate(method, next(iter(method.batches(method.stages()[-1], 0))))
    assert terms["detection_gradient"] > 0
    assert terms["contrastive_gradient"] > 0


def test_bf16_stays_finite_and_close(make_method: Make, accumulate: Callable[..., Any]) -> None:
    method = make_method()
    method.model.eval()
    batch = next(iter(method.batches(method.stages()[-1], 0)))
    full = accumulate(method, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = accumulate(method, batch)
    assert half["mccl_loss"] == pytest.approx(full["mccl_loss"], rel=0.02)
    assert half["ptd_loss"] == pytest.approx(full["ptd_loss"], rel=0.05)


# Health


def test_collapse_and_noise_stop_a_trial() -> None:
    config = CarlConfig()
    fine = {"dev/a/uniformity": -2.0, "dev/b/uniformity": -1e-5}
    health.check(config, {"contrastive_gradient": 1e-3}, fine)
    health.check(config, {}, {"dev/a/uniformity": 0.0})  # an untrained encoder is what it is
    with pytest.raises(UnhealthyError, match="embedding collapse.*-1e-05"):
        health.check(config, {"x": 1.0}, {"dev/b/uniformity": -1e-5})
    with pytest.raises(UnhealthyError, match="saliency is noise.*1e-12"):
        health.check(config, {"contrastive_gradient": 1e-12}, fine)


def test_a_really_collapsed_encoder_is_stopped(make_method: Make) -> None:
    method = make_method(variant="no_ptd")
    norm = method.model.encoder.encoder.layer[-1].output.LayerNorm
    torch.nn.init.zeros_(norm.weight)
    torch.nn.init.ones_(norm.bias)
    found = method.evaluate("dev")
    with pytest.raises(UnhealthyError, match="embedding collapse"):
        method.check_health({"mccl_loss": 1.0}, found)


# Building


def test_a_corpus_of_another_task_is_refused() -> None:
    settings = {**TINY, "corpora": "sample_emotions", "class_corpora": "sample"}
    with pytest.raises(ConfigError) as caught:
        build(settings)
    assert "`corpora` must name corpora of task va, or of task polarity" in str(caught.value)
    assert "but sample_emotions is of task classes with the labels anger" in str(caught.value)
    assert "`class_corpora` must name corpora of task classes, but sample" in str(caught.value)


def test_the_batch_divides_over_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysearch.methods.carl.method.world_size", lambda: 3)
    with pytest.raises(ConfigError, match="`batch_size` must be a multiple of the 3 workers"):
        build(TINY)


def test_every_worker_has_a_row_of_the_smallest_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysearch.methods.carl.method.world_size", lambda: 4)
    both = {**TINY, "corpora": "sample,sample_polarity", "train_rows": 6}
    with pytest.raises(ConfigError) as caught:
        build(both)
    assert "for each of the 4 workers of a trial, but sample_polarity has 2; take" in str(
        caught.value
    )
    build({**both, "batching": "mixed"})


def test_provenance_tells_data_and_encoder(make_method: Make) -> None:
    first, second = make_method().provenance, make_method(polarity_corpora="sample_polarity")
    assert first["corpora"] == "sample"
    assert first["encoder_digest"] == second.provenance["encoder_digest"]
    assert first["data_digest"] != second.provenance["data_digest"]


def test_an_exported_encoder_gives_the_same_states(make_method: Make, tmp_path: Path) -> None:
    method = make_method()
    method.model.eval()
    method.save_encoder(str(tmp_path / "kept"))
    model = AutoModel.from_pretrained(tmp_path / "kept").eval()
    tokens = AutoTokenizer.from_pretrained(tmp_path / "kept")(["some words"], return_tensors="pt")
    states = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].bool()
    rows = embed(method.model, method._encoder, ["some words"], method.config)
    assert np.allclose(pool(states, mask, "mean").detach().numpy(), rows, atol=1e-5)


def build(settings: dict[str, Any]) -> CarlMethod:
    method = get_method("carl").build(
        read_config(CarlConfig, settings, where="test"),
        Cell("sample", 0),
        device=torch.device("cpu"),
        roles=("train", "dev"),
        data_dir="nowhere",
    )
    assert isinstance(method, CarlMethod)
    return method


def test_a_fine_tuned_trial_has_its_value_at_every_report(tmp_path: Path) -> None:
    settings = {**CARL, "protocol": "finetuned", "finetune_epochs": 0.2, "reports": 3}
    for share in (0.0, 0.5):
        given = {**settings, "contrastive_warmup_share": share}
        reports = curve(run("carl", given, tmp_path / str(share)))
        assert len(reports) == 3
        scores = [metrics["dev/finetuned_va_pearson"] for _, metrics in reports]
        assert len(set(scores)) == 3  # in its course, not before it
        assert len({metrics["dev/va_pearson"] for _, metrics in reports}) == 1


@pytest.mark.parametrize("names", [("sample",), ("sample", "sample_polarity")])
def test_an_export_holds_what_was_fine_tuned(tmp_path: Path, names: tuple[str, ...]) -> None:
    method = build(
        {**TINY, "protocol": "finetuned", "finetune_epochs": 0.1, "corpora": ",".join(names)}
    )
    for stage in method.stages()[1:]:
        method.begin(stage)
        for update in method.updates(next(iter(method.batches(stage, 0))), 0):
            update.loss.backward()
            method.optimizers[update.optimizer].step()
    method.save_encoder(str(tmp_path / "kept"))
    for name in names:
        folder = tmp_path / "kept" / (name if len(names) > 1 else "")
        model = AutoModel.from_pretrained(folder).eval()
        tuned = method._tuning._models[f"finetune-{name}"].eval()  # type: ignore[union-attr]
        tokens = AutoTokenizer.from_pretrained(folder)(["some words"], return_tensors="pt")
        mask = tokens["attention_mask"].bool()
        head = load_file(folder / "head.safetensors")
        with torch.no_grad():
            states = pool(model(**tokens).last_hidden_state, mask, "mean")
            outputs = states @ head["weight"].T + head["bias"]
            wanted = tuned(tokens["input_ids"], mask)
        outputs = torch.nn.functional.hardsigmoid(outputs) if tuned.rates else outputs
        assert torch.allclose(outputs, wanted, atol=1e-5)
        own = method.model.encoder.state_dict()
        assert any(not torch.equal(own[key], part) for key, part in model.state_dict().items())
        texts = corpora.load(name, tmp_path, {"train"}).split("train").texts
        assert marks(texts) <= encoders.load(str(folder)).trained_on


# Two workers do what one does.

SHARED: tuple[dict[str, Any], ...] = (
    {},
    {"pgd_steps": 2, "focal_alpha": 0.5},
    {"variant": "saliency"},
    {"variant": "no_mccl"},
    {"variant": "simcse"},
    {"variant": "supcon"},
    {"variant": "finetune"},
    # Batches of 29 rows, which do not divide over two workers.
    *(
        {"train_rows": 29, "batch_size": 64, **settings}
        for settings in (
            {"pgd_steps": 2},
            {"variant": "saliency"},
            {"variant": "simcse"},
            {"variant": "supcon"},
            {"variant": "finetune"},
        )
    ),
)


def three_steps(settings: dict[str, Any]) -> tuple[list[float], dict[str, float]]:
    """Sums of the trained weights and terms after three steps in fp64 without dropout."""
    torch.set_num_threads(1)
    method = build({**TINY, **settings, "head_learning_rate": 1e-2})
    method.model.double()
    method.begin(method.stages()[-1])
    for module in method.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer, terms = method.optimizers["main"], {}
    for step, batch in enumerate(method.batches(method.stages()[-1], 5)):
        if step == 3:
            break
        optimizer.zero_grad()
        for update in method.updates(batch, step):
            update.loss.backward()
            if update.step:
                distributed.average_gradients(method.model.parameters())
                optimizer.step()
            values = [float(torch.as_tensor(value).detach()) for value in update.terms.values()]
            terms |= dict(zip(update.terms, distributed.average_values(values), strict=True))
    return [float(p.detach().square().sum()) for p in method.model.parameters()], terms


def shared_steps() -> list[Any]:
    return [three_steps(settings) for settings in SHARED]


@pytest.mark.slow
def test_two_workers_take_the_single_workers_steps() -> None:
    answers, _ = on_two_workers(shared_steps)
    for settings, (weights, terms) in zip(SHARED, answers, strict=True):
        alone, own_terms = three_steps(settings)
        assert weights == pytest.approx(alone, rel=1e-6), settings
        for name in ("mccl_loss", "mccl_kl", "ptd_loss", "regression_loss"):
            if name in own_terms:
                assert terms[name] == pytest.approx(own_terms[name], rel=1e-6), (settings, name)


@pytest.mark.parametrize("protocol", ["frozen", "finetuned"])
def test_texts_of_an_earlier_training_are_not_scored(tmp_path: Path, protocol: str) -> None:
    """An exported encoder carries what it was trained on into the next trial's probes."""
    tiny = encoders.load("tiny")
    dev = corpora.load("sample", tmp_path, {"dev"}).split("dev").texts
    first = str(
        encoders.save(tiny.model, tiny.tokenizer, tmp_path / "a", trained_on=marks(dev[:7]))
    )
    settings = {**TINY, "encoder": first, "corpora": "sample_polarity", "va_corpora": "sample"}
    loader = get_method("carl")
    config = read_config(loader.config_type, {**settings, "protocol": protocol}, where="test")
    cell, cpu = Cell("sample_polarity", 0), torch.device("cpu")
    method = loader.build(config, cell, device=cpu, roles=("train", "dev"), data_dir=str(tmp_path))
    assert method.evaluate("dev")["dev/sample/left_out"] == 7
    assert len(method._evaluation.embeddings("dev")[0].splits["dev"].texts) == len(dev) - 7
    if protocol == "finetuned":
        assert len(method._tuning._corpora["finetune-sample"].split("dev")) == len(dev) - 7
    method.save_encoder(str(tmp_path / "b"))
    trained = corpora.load("sample_polarity", tmp_path, {"train"}).split("train").texts
    assert encoders.load(str(tmp_path / "b")).trained_on == marks(dev[:7]) | marks(trained)


def test_detection_is_not_measured_on_trained_rows(make_method: Make) -> None:
    found = make_method(corpora="sample,sample_polarity").evaluate("dev")
    assert "dev/sample/left_out" not in found and "dev/detection_auc" in found
