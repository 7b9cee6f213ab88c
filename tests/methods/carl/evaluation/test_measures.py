"""What a study measures beyond its rows: flat records of whole columns, from real weights."""

import math
from dataclasses import replace

import pytest

from raysearch import corpora
from raysearch.api.answer import measure_of
from raysearch.api.experiment import SweepRuns
from raysearch.api.messages import QUIET
from raysearch.api.train import train_here
from raysearch.api.trials import spec_of
from raysearch.config import flatten, read_config
from raysearch.errors import ConfigError
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.description import MEASURES, label_sentences
from raysearch.methods.carl.evaluation.measures import QUADRANTS
from raysearch.run import Cell, Run, RunState

SETTINGS = {
    "encoder": "tiny",
    "corpora": "sample",
    "class_corpora": "sample_emotions",
    "max_length": 16,
    "batch_size": 16,
    "variant": "frozen",
    "epochs": 0,
}


def trial_of(number: int, seed: int, method: str = "carl", **settings) -> Run:
    config = read_config(CarlConfig, {**SETTINGS, **settings}, where="test")
    return Run(
        sweep="carl",
        number=number,
        cell=Cell("sample", seed),
        method=method,
        state=RunState.COMPLETE,
        config=flatten(config),
    )


def test_labels_need_no_weights_and_take_the_first_trials_batch_size(tmp_path):
    trials = [trial_of(1, 0, batch_size=32), trial_of(0, 0), trial_of(0, 1)]
    found = MEASURES["labels"].take(SweepRuns(str(tmp_path), trials, "nowhere"))
    assert {record["corpus"] for record in found} == {"sample"}
    assert {record["batch_size"] for record in found} == {16}
    assert not list(tmp_path.iterdir())
    assert MEASURES["labels"].take(SweepRuns(str(tmp_path), [], "nowhere")) == []


def test_embeddings_of_the_first_seed_with_the_labels_that_they_carry(tmp_path):
    folder = str(tmp_path / "carl")
    trials = [trial_of(0, 1), trial_of(0, 0)]
    train_here(spec_of(trials[1], folder), "nowhere")
    notes = []
    messages = replace(QUIET, note=notes.append)
    found = MEASURES["embedding"].take(SweepRuns(folder, trials, "nowhere", messages))
    assert any("reading the test data" in note for note in notes)
    assert {(r["trial"], r["task"], r["seed"]) for r in found} == {(0, "sample", 0)}
    assert len({tuple(record) for record in found}) == 1
    rated = [record for record in found if record["corpus"] == "sample"]
    classed = [record for record in found if record["corpus"] == "sample_emotions"]
    assert len(rated) + len(classed) == len(found)
    means = corpora.load("sample", "nowhere", {"train"}).split("train").labels.mean(0)
    for record in rated:
        high = record["valence"] >= means[0], record["arousal"] >= means[1]
        assert record["label"] == QUADRANTS[2 * high[0] + high[1]]
    assert len({record["label"] for record in classed}) == 6
    assert all(math.isnan(record["valence"]) for record in classed)
    assert [record["row"] for record in rated] == sorted(record["row"] for record in rated)
    assert 0 < rated[0]["pca_y_share"] <= rated[0]["pca_x_share"] < 1
    names = ("pca_x", "pca_y", "tsne_x", "tsne_y")
    assert all(math.isfinite(record[name]) for record in found for name in names)


def test_a_method_without_measures_or_another_name_is_refused():
    with pytest.raises(ConfigError, match="has measures, but msmo has none; leave it out"):
        measure_of("msmo", "labels")
    with pytest.raises(ConfigError, match="must be known, but got 'label'.*embedding, labels"):
        measure_of("carl", "label")


def test_labels_of_each_corpus_at_the_temperature() -> None:
    def record(
        geometry: str, scaling: str, temperature: float, entropy: float
    ) -> dict[str, object]:
        means = {f"{name}_mean": 0.5 for name in ("valence", "arousal", "pair")}
        sds = {f"{name}_sd": 0.1 for name in ("valence", "arousal", "pair")}
        kind = {"corpus": "emobank", "geometry": geometry, "scaling": scaling}
        return {**kind, **means, **sds, "temperature": temperature, "entropy": entropy}

    records = [
        record("cos_uncentred", "scale", 1.0, 1.0),
        record("cos_uncentred", "scale", 0.1, 0.997),
        record("cos_uncentred", "standardised", 0.1, 0.5),
        record("cos_centred", "scale", 0.1, 0.546),
    ]
    assert label_sentences(records) == [
        "Labels of emobank after min-max: valence 0.50 ± 0.10, arousal 0.50 ± 0.10. Cosines of "
        "random pairs are 0.50 ± 0.10, and the target at τ_y 0.1 has 0.997 of the entropy of a "
        "uniform one; around the middle of the scale 0.50 ± 0.10 and 0.546."
    ]
