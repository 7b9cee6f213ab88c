from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from raysearch import corpora
from raysearch.corpora import Corpus, Split
from raysearch.methods.carl.evaluation.measures import TEMPERATURES, label_spread


def corpus_of(labels: list[list[float]]) -> Corpus:
    names = tuple(str(row) for row in range(len(labels)))
    split = Split(texts=names, labels=np.array(labels, dtype=np.float32), ids=names)
    return Corpus(
        name="made",
        task="va",
        digest="",
        label_names=("valence", "arousal"),
        scale=(0, 1),
        _splits=(("train", split),),
    )


def record_of(found, corpus, scaling, geometry, temperature):
    wanted = (corpus, scaling, geometry, temperature)
    names = ("corpus", "scaling", "geometry", "temperature")
    return next(r for r in found if tuple(r[name] for name in names) == wanted)


def test_by_hand_on_three_labels() -> None:
    # Cosines: (1, 0) with (.5, .5) and (.5, .5) with (0, 1) are sqrt(1/2), (1, 0) with (0, 1) 0.
    found = label_spread([corpus_of([[1, 0], [0.5, 0.5], [0, 1]])], batch_size=64, seed=0)
    assert len({tuple(record) for record in found}) == 1  # every record has every column
    assert len(found) == 2 * sum(map(len, TEMPERATURES.values()))
    record = record_of(found, "made", "scale", "cos_uncentred", 1.0)
    assert (record["rows"], record["batch_size"]) == (3, 3)
    assert (record["valence_mean"], record["arousal_d5"]) == (0.5, 0.5)
    assert record["valence_sd"] == pytest.approx(math.sqrt(1 / 6))
    assert record["valence_d9"] == pytest.approx(0.9)
    assert record["centre_share"] == pytest.approx(1 / 3)
    assert record["end_share"] == pytest.approx(2 / 3)
    half = math.sqrt(0.5)
    assert record["pair_mean"] == pytest.approx(2 * half / 3)
    entropies = []
    for row in ([1, half, 0], [half, 1, half], [0, half, 1]):
        shares = np.exp(row) / np.exp(row).sum()
        entropies.append(-(shares * np.log(shares)).sum())
    assert record["entropy"] == pytest.approx(np.mean(entropies) / math.log(3))
    # Around the centre the middle row has no direction, and the others point away from another.
    centred = record_of(found, "made", "scale", "cos_centred", 0.1)
    assert centred["pair_mean"] == pytest.approx(-1 / 3)
    # Squared distances 1/2, 1/2 and 2.
    gauss = record_of(found, "made", "scale", "gauss", 1.0)
    assert gauss["pair_mean"] == pytest.approx((2 * math.exp(-0.25) + math.exp(-1)) / 3)


def test_standardised_labels_have_mean_0_and_sd_1_and_their_centre_at_0() -> None:
    labels = np.random.default_rng(0).uniform(0.4, 0.9, (300, 2)).tolist()
    found = label_spread([corpus_of(labels)], batch_size=32, seed=0)
    record = record_of(found, "made", "standardised", "cos_uncentred", 1.0)
    assert record["arousal_mean"] == pytest.approx(0, abs=1e-6)
    assert record["valence_sd"] == pytest.approx(1, abs=1e-6)
    centred = record_of(found, "made", "standardised", "cos_centred", 1.0)
    assert centred["pair_mean"] == record["pair_mean"]
    assert centred["entropy"] == record["entropy"]


def test_a_higher_temperature_makes_targets_more_uniform() -> None:
    labels = np.random.default_rng(0).uniform(0, 1, (200, 2)).tolist()
    found = label_spread([corpus_of(labels)], batch_size=32, seed=0)
    for geometry, temperatures in TEMPERATURES.items():
        values = [
            record_of(found, "made", "scale", geometry, t)["entropy"] for t in sorted(temperatures)
        ]
        assert values == sorted(values)
        assert 0 < values[0] < values[-1] <= 1


@pytest.mark.real_data
def test_the_table_of_carl_md_4_1(real_data: Path) -> None:
    """Another program had these numbers, of all rows and 200,000 pairs."""
    opened = [corpora.load(name, real_data, {"train"}) for name in ("emobank", "facebook")]
    found = label_spread(opened, batch_size=64, seed=0)
    table = {
        "emobank": (0.988, 0.022, (1.000, 0.997, 0.991, 0.938)),
        "facebook": (0.897, 0.127, (0.999, 0.941, 0.887, 0.732)),
    }
    for name, (mean, sd, entropies) in table.items():
        for temperature, entropy in zip((1.0, 0.1, 0.05, 0.01), entropies, strict=True):
            record = record_of(found, name, "scale", "cos_uncentred", temperature)
            assert record["pair_mean"] == pytest.approx(mean, abs=0.005)
            assert record["pair_sd"] == pytest.approx(sd, abs=0.005)
            assert record["entropy"] == pytest.approx(entropy, abs=0.003)
