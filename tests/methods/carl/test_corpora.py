"""What CARL is trained on: poles as ratings, and a nested choice of rows in proportion."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from raysearch import corpora
from raysearch.config import read_config
from raysearch.corpora import Corpus
from raysearch.errors import ConfigError
from raysearch.methods import get_method
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.corpora import rateable, training_corpora
from raysearch.methods.carl.method import CarlMethod
from raysearch.run import Cell

Make = Callable[..., CarlMethod]


def load(name: str) -> Corpus:
    return corpora.load(name, "nowhere", {"train", "dev"})


def test_poles_become_valence() -> None:
    polarity = load("sample_polarity")
    (rated,) = training_corpora([polarity], 0, seed=0)
    assert rated.task == "va"
    for role in ("train", "dev"):
        before, after = polarity.split(role), rated.split(role)
        assert after.texts == before.texts
        assert after.labels.dtype == np.float32
        assert after.labels[:, 0].tolist() == before.labels.tolist()  # 0 negative, 1 positive
        assert set(after.labels[:, 1].tolist()) == {0.5}


def test_ratings_are_left_alone() -> None:
    sample = load("sample")
    assert training_corpora([sample], 0, seed=0) == [sample]


def test_what_can_be_trained_on() -> None:
    assert rateable(load("sample")) and rateable(load("sample_polarity"))
    assert not rateable(load("sample_emotions"))


def chosen(names: list[str], rows: int, seed: int = 0) -> list[set[str]]:
    limited = training_corpora([load(name) for name in names], rows, seed)
    return [set(corpus.split("train").ids) for corpus in limited]


def test_smaller_choices_lie_within_larger_ones() -> None:
    names = ["sample", "sample_polarity"]
    sizes = [len(load(name).split("train")) for name in names]
    before: list[set[str]] = [set(), set()]
    for rows in (2, 3, 10, 47, 200, sum(sizes), 10_000):
        now = chosen(names, rows)
        assert sum(map(len, now)) == min(rows, sum(sizes))
        assert all(map(set.issubset, before, now))
        # In proportion, to within one row that Adams's method gives to the smaller one.
        assert len(now[0]) == pytest.approx(min(rows, sum(sizes)) * sizes[0] / sum(sizes), abs=1)
        before = now


def test_the_seed_chooses_and_only_train_is_limited() -> None:
    assert chosen(["sample"], 50) == chosen(["sample"], 50)
    assert chosen(["sample"], 50) != chosen(["sample"], 50, seed=1)
    whole = load("sample")
    (limited,) = training_corpora([whole], 50, seed=0)
    assert limited.split("dev") is whole.split("dev")
    rows = {text: tuple(label) for text, label in zip(*_rows(whole), strict=True)}
    assert all(rows[text] == tuple(label) for text, label in zip(*_rows(limited), strict=True))


def _rows(corpus: Corpus) -> tuple[tuple[str, ...], list[list[float]]]:
    return corpus.split("train").texts, corpus.split("train").labels.tolist()


def test_too_few_rows_for_the_corpora() -> None:
    settings = {"corpora": "sample,sample_polarity", "train_rows": 1}
    with pytest.raises(ConfigError, match="`train_rows` must be 0 or at least 1 for each of the 2"):
        read_config(CarlConfig, settings, where="x")


def test_the_limit_shortens_training_and_not_the_probes(make_method: Make) -> None:
    full, limited = make_method(), make_method(train_rows=32, epochs=2)
    assert limited.stages()[-1].steps == 4  # 32 rows in batches of 16, twice
    assert limited.provenance == full.provenance
    before, after = full.evaluate("dev"), limited.evaluate("dev")
    assert after["dev/va_pearson"] == before["dev/va_pearson"]


def test_a_polarity_corpus_trains_and_is_probed_as_polarity(
    make_config: Callable[..., CarlConfig], train: Callable[..., list[dict[str, float]]]
) -> None:
    config = make_config(corpora="sample_polarity")
    method = get_method("carl").build(
        config,
        Cell("sample_polarity", 0),
        device=torch.device("cpu"),
        roles=("train", "dev"),
        data_dir="nowhere",
    )
    assert isinstance(method, CarlMethod)
    method.begin(method.stages()[-1])
    terms = train(method, 2)
    assert terms[-1]["mccl_kl"] > 0
    found = method.evaluate("dev")
    assert "dev/polarity_accuracy" in found and "dev/detection_auc" in found
    assert "dev/va_pearson" not in found
