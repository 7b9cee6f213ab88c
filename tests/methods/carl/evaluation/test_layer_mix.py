"""Layers chosen by judging rows: planted signals, ridge side by side, an encoder's layers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from raysearch import metrics
from raysearch.errors import RunError
from raysearch.methods.carl.evaluation.downstream import embed
from raysearch.methods.carl.evaluation.layer_mix import MOST_LAYERS, LayerMix
from raysearch.methods.carl.evaluation.probes import RIDGE_ALPHAS, RidgeProbe


def planted(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Five layers of 6 columns; the labels stand in a column of layer 1 plus one of layer 3."""
    chance = np.random.default_rng(seed)
    layers = chance.standard_normal((rows, 5, 6)).astype(np.float32)
    first, second = layers[:, 1, 0] + layers[:, 3, 2], layers[:, 1, 1] - 0.7 * layers[:, 3, 2]
    return layers, np.stack([first, second], axis=1) + 0.1 * chance.standard_normal((rows, 2))


def test_the_layers_with_the_signal_are_chosen_and_predict_new_rows() -> None:
    mix = LayerMix(*planted(400, 0))
    choice = mix.choose(*planted(200, 1))
    assert choice.layers[:2] == (1, 3) and len(choice.layers) <= MOST_LAYERS
    layers, labels = planted(200, 2)
    predicted = mix.predict(layers, choice)
    assert metrics.pearson(predicted[:, 0], labels[:, 0]) > 0.98
    last = RidgeProbe(*(part[:, -1] if part.ndim == 3 else part for part in planted(400, 0)))
    lone = last.predict(layers[:, -1], last.best(layers[:, -1], labels))
    assert abs(metrics.pearson(lone[:, 0], labels[:, 0])) < 0.3


def test_a_mix_is_the_ridge_on_the_layers_side_by_side() -> None:
    layers, labels = planted(300, 3)
    mix = LayerMix(layers, labels)
    choice = mix.choose(*planted(150, 4))
    there = planted(80, 5)[0]

    def beside(table: np.ndarray) -> np.ndarray:
        return np.concatenate([table[:, index] for index in choice.layers], axis=1)

    expected = RidgeProbe(beside(layers), labels).predict(beside(there), choice.alphas)
    np.testing.assert_allclose(mix.predict(there, choice), expected, atol=1e-5)


def test_no_judges_leave_the_last_layer_with_the_strongest_penalty() -> None:
    layers, labels = planted(50, 6)
    choice = LayerMix(layers, labels).choose(layers[:0], labels[:0])
    assert choice.layers == (4,)
    assert choice.alphas.tolist() == [len(RIDGE_ALPHAS) - 1] * 2


def test_a_state_that_is_not_finite_ends_the_trial_with_a_reason() -> None:
    layers, labels = planted(50, 6)
    layers[3, 2, 1] = np.inf
    with pytest.raises(RunError, match="1 of 50 hold NaN or infinity"):
        LayerMix(layers, labels)


@torch.no_grad()
def test_the_last_of_all_layers_is_the_embedding(make_method: Callable[..., Any]) -> None:
    texts = ["a good day", "what a terrible, terrible evening it was", "so"]
    found = {}
    for probe_layers in ("last", "mix"):
        method = make_method(probe_layers=probe_layers, variant="frozen")
        method.model.eval()
        found[probe_layers] = embed(method.model, method._encoder, texts, method.config)
    assert found["mix"].shape == (3, 3, 64)  # the embeddings and two layers
    np.testing.assert_array_equal(found["mix"][:, -1], found["last"])
    assert not np.allclose(found["mix"][:, 1], found["last"])
    scores = make_method(probe_layers="mix", variant="frozen").evaluate("dev")
    assert np.isfinite(scores["dev/va_pearson"])
