"""Contrastive terms: hand-worked numbers, a naive loop, gradients, invariances, edges."""

import math
from collections.abc import Callable, Sequence

import pytest
import torch

from raysearch.methods.msmo.losses import (
    published_contrast,
    sentiment_classes,
    sentiment_contrast,
    supervised_contrast,
    token_contrast,
)
from raysearch.methods.msmo.tags import TAGS

LABELS = torch.tensor([TAGS.index(t) for t in ("O", "B-POS", "E-POS", "O", "S-NEG", "B-POS")])


def drawn(words: int = 6) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randn(words, 4, generator=chance, dtype=torch.float64)


def naive(features: list[list[float]], classes: Sequence[object], temperature: float) -> float:
    """Eq. (2) of Khosla et al. 2020 word by word, as a mean over anchors with a partner."""

    def power(i: int, j: int) -> float:
        dot = sum(a * b for a, b in zip(features[i], features[j], strict=True))
        cosine = dot / (math.hypot(*features[i]) * math.hypot(*features[j]))
        return math.exp(cosine / temperature)

    words, losses = range(len(features)), []
    for i in words:
        others = [a for a in words if a != i]
        partners = [p for p in others if classes[p] == classes[i]]
        if partners:
            total = sum(power(i, a) for a in others)
            losses.append(-sum(math.log(power(i, p) / total) for p in partners) / len(partners))
    return sum(losses) / len(losses) if losses else 0.0


def test_by_hand() -> None:
    features = torch.tensor([[2.0, 0.0], [0.5, 0.0], [0.0, 3.0]])
    found = supervised_contrast(features, torch.tensor([7, 7, 1]), 1.0)
    # Either of the first two: cosine 1 with its partner, 0 with the third.
    assert float(found) == pytest.approx(-math.log(math.e / (math.e + 1)))


@pytest.mark.parametrize("temperature", [0.07, 0.9])
def test_matches_a_naive_loop(temperature: float) -> None:
    features = drawn()
    tags = [TAGS[label] for label in LABELS.tolist()]
    tokens = naive(features.tolist(), tags, temperature)
    assert float(token_contrast(features, LABELS, temperature)) == pytest.approx(tokens)
    sentiments = naive(features.tolist(), [tag[2:] for tag in tags], temperature)
    assert float(sentiment_contrast(features, LABELS, temperature)) == pytest.approx(sentiments)
    assert tokens != pytest.approx(sentiments)


def test_sentiments_of_all_labels() -> None:
    found = sentiment_classes(torch.arange(13)).tolist()
    assert found == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]


@pytest.mark.parametrize("term", [token_contrast, sentiment_contrast])
def test_gradients_in_double_precision(term: Callable[..., torch.Tensor]) -> None:
    features = drawn().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(x, LABELS, 0.5), (features,))


def test_neither_order_nor_length_matters() -> None:
    features, order = drawn(), torch.tensor([3, 5, 0, 2, 4, 1])
    found = token_contrast(features, LABELS, 0.1)
    assert torch.allclose(token_contrast(features[order], LABELS[order], 0.1), found)
    lengths = torch.tensor([0.1, 1, 7, 3, 0.5, 2], dtype=torch.float64).unsqueeze(1)
    assert torch.allclose(token_contrast(features * lengths, LABELS, 0.1), found)


def test_closer_partners_cost_less() -> None:
    apart = drawn()
    close = apart.clone()
    close[LABELS == 0] = apart[0]
    assert token_contrast(close, LABELS, 0.5) < token_contrast(apart, LABELS, 0.5)


@pytest.mark.parametrize("words", [0, 1, 3])
def test_words_without_partners_give_zero_and_no_nan(words: int) -> None:
    features = drawn(words).float().requires_grad_()
    found = token_contrast(features, torch.tensor([1, 5, 9])[:words], 0.07)
    found.backward()
    assert found.item() == 0
    assert features.grad is not None and not features.grad.any()


def test_stays_wide_in_bf16() -> None:
    features = drawn().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = token_contrast(features, LABELS, 0.07)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(token_contrast(drawn(), LABELS, 0.07)), rel=1e-5)


# CL-XABSA's own, as published


def published(logits: list[list[float]], classes: Sequence[object]) -> float:
    """Word by word: dot products over 0.9, a factor 0.9 / 0.07, and the mean over N, over N."""
    count, total = len(logits), 0.0
    for i in range(count):
        powers = {
            a: math.exp(sum(x * y for x, y in zip(logits[i], logits[a], strict=True)) / 0.9)
            for a in range(count)
            if a != i
        }
        partners = [p for p in powers if classes[p] == classes[i]]
        if partners:
            total -= sum(math.log(powers[p] / sum(powers.values())) for p in partners) / len(
                partners
            )
    return 0.9 / 0.07 * total / count / count


def test_the_published_term_by_hand() -> None:
    logits = torch.tensor([[0.9, 0.0], [2.0, 0.0], [0.0, 5.0]], dtype=torch.float64)
    found = published_contrast(logits, torch.tensor([7, 7, 1]))
    # 0.9 · 2 / 0.9 = 2 with the partner and 0 with the third; that has none, and counts 0 of 3.
    share = math.log(math.exp(2) / (math.exp(2) + 1))
    assert float(found) == pytest.approx(0.9 / 0.07 * (-2 * share / 3) / 3)


def test_the_published_term_matches_a_naive_loop() -> None:
    logits = drawn()
    tags = [TAGS[label] for label in LABELS.tolist()]
    assert float(published_contrast(logits, LABELS)) == pytest.approx(
        published(logits.tolist(), tags)
    )
    sentiments = published_contrast(logits, sentiment_classes(LABELS))
    assert float(sentiments) == pytest.approx(published(logits.tolist(), [t[2:] for t in tags]))


def test_the_published_term_is_not_normalised() -> None:
    logits = drawn()
    assert not torch.allclose(
        published_contrast(2 * logits, LABELS), published_contrast(logits, LABELS)
    )
    assert torch.allclose(
        token_contrast(2 * logits, LABELS, 0.9), token_contrast(logits, LABELS, 0.9)
    )


@pytest.mark.parametrize("words", [0, 1, 3])
def test_the_published_term_without_partners(words: int) -> None:
    logits = drawn(words).float().requires_grad_()
    found = published_contrast(logits, torch.tensor([1, 5, 9])[:words])
    found.backward()
    assert found.item() == 0
    assert logits.grad is not None and not logits.grad.any()


def test_gradients_of_the_published_term() -> None:
    logits = drawn().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: published_contrast(x, LABELS), (logits,))
