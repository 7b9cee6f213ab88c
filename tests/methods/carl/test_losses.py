"""MCCL: hand-worked numbers, naive loops, gradients in double precision, invariances."""

import math

import pytest
import torch

from raysearch.methods.carl.losses import (
    ContrastiveObjective,
    binary_contrast,
    class_targets,
    embedding_similarity,
    label_similarity,
    soft_contrast,
)

READINGS = ("softmax", "linear", "binary", "reverse")
GEOMETRIES = ("gauss", "cos_centred", "cos_uncentred")


def objective(geometry: str = "gauss", reading: str = "softmax") -> ContrastiveObjective:
    return ContrastiveObjective(
        geometry=geometry,
        reading=reading,
        temperature=0.2,
        label_temperature=0.1,
        sigma=0.2,
        centre=0.5,
    )


def drawn(rows: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    queries = torch.randn(rows, 5, generator=chance, dtype=torch.float64)
    keys = torch.randn(rows, 5, generator=chance, dtype=torch.float64)
    labels = torch.rand(rows, 2, generator=chance, dtype=torch.float64)
    return queries, keys, labels


def test_label_similarity_by_hand() -> None:
    labels = torch.tensor([[1.0, 0.5], [0.5, 1.0], [0.0, 0.5], [0.5, 0.5]])
    uncentred = label_similarity(labels, "cos_uncentred")
    assert uncentred[0, 1].item() == pytest.approx((0.5 + 0.5) / 1.25)
    assert uncentred[1, 2].item() == pytest.approx(0.5 / (math.sqrt(1.25) * 0.5))
    centred = label_similarity(labels, "cos_centred")
    assert centred[0, 1].item() == pytest.approx(0)
    assert centred[0, 2].item() == pytest.approx(-1)
    gauss = label_similarity(labels, "gauss", sigma=0.5)
    assert gauss[0, 2].item() == pytest.approx(-1.0 / (2 * 0.25))
    assert gauss[0, 1].item() == pytest.approx(-0.5 / (2 * 0.25))


def test_a_label_in_the_centre_has_no_direction_but_is_like_itself() -> None:
    labels = torch.tensor([[0.5, 0.5], [0.9, 0.5], [0.5, 0.5]])
    cosines = label_similarity(labels, "cos_centred")
    assert cosines[0].tolist() == pytest.approx([1, 0, 1])
    assert torch.equal(cosines.diagonal(), torch.ones(3))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("reading", READINGS)
def test_matches_a_naive_loop(geometry: str, reading: str) -> None:
    queries, keys, labels = drawn()
    loss = objective(geometry, reading)
    found = loss(queries, keys, loss.targets(labels))
    oracle = Naive(queries, keys, labels, geometry)
    wanted = oracle.binary() if reading == "binary" else oracle.soft(reading)
    assert float(found.loss) == pytest.approx(wanted)


class Naive:
    """Eq. (4)-(6) word by word, with Python numbers."""

    def __init__(
        self, queries: torch.Tensor, keys: torch.Tensor, labels: torch.Tensor, geometry: str
    ) -> None:
        centre = 0.5 if geometry == "cos_centred" else 0.0
        self.y = [[value - centre for value in row] for row in labels.tolist()]
        self.p, self.k = queries.tolist(), keys.tolist()
        self.gauss, self.rows = geometry == "gauss", range(len(labels))

    def similar(self, i: int, j: int) -> float:
        if self.gauss:
            return -(math.dist(self.y[i], self.y[j]) ** 2) / (2 * 0.2**2)
        return cosine(self.y[i], self.y[j])

    def binary(self) -> float:
        total = 0.0
        for i in self.rows:
            for j in self.rows:
                s = self.similar(i, j)
                a = math.exp(s) if self.gauss else (1 + s) / 2
                c = (1 + cosine(self.p[i], self.k[j])) / 2
                total -= a * math.log(c) + (1 - a) * math.log(1 - c)
        return total / len(self.rows) ** 2

    def target(self, i: int, reading: str) -> list[float]:
        row = [self.similar(i, j) for j in self.rows]
        if reading == "linear":
            weights = [math.exp(s) if self.gauss else max(0.0, s) for s in row]
        else:
            weights = [math.exp(s / (1.0 if self.gauss else 0.1)) for s in row]
        return [weight / sum(weights) for weight in weights]

    def soft(self, reading: str) -> float:
        total = 0.0
        for i in self.rows:
            target = self.target(i, reading)
            for way in (
                [cosine(self.p[i], self.k[j]) / 0.2 for j in self.rows],
                [cosine(self.p[j], self.k[i]) / 0.2 for j in self.rows],
            ):
                share = [math.exp(v) / sum(math.exp(u) for u in way) for v in way]
                for t, q in zip(target, share, strict=True):
                    total -= t * math.log(q)
                    total -= q * math.log(max(t, 1e-4)) if reading == "reverse" else 0.0
        return total / (2 * len(self.rows))


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


@pytest.mark.parametrize("reading", READINGS)
def test_gradients_in_double_precision(reading: str) -> None:
    queries, keys, labels = drawn(4)
    loss = objective("gauss", reading)
    targets = loss.targets(labels)
    queries.requires_grad_()
    assert torch.autograd.gradcheck(lambda q: loss(q, keys, targets).loss, (queries,))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("reading", READINGS)
def test_the_order_of_the_batch_does_not_matter(geometry: str, reading: str) -> None:
    queries, keys, labels = drawn()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    loss = objective(geometry, reading)
    first = loss(queries, keys, loss.targets(labels)).loss
    second = loss(queries[order], keys[order], loss.targets(labels[order])).loss
    assert torch.allclose(first, second)


@pytest.mark.parametrize("reading", READINGS)
def test_divergence_is_never_negative_and_no_gradient_flows_through_it(reading: str) -> None:
    queries, keys, labels = drawn()
    loss = objective("cos_centred", reading)
    found = loss(queries.requires_grad_(), keys, loss.targets(labels))
    assert float(found.divergence) >= 0
    assert not found.divergence.requires_grad


def test_a_perfect_fit_has_divergence_zero() -> None:
    similarity = torch.tensor([[0.3, -0.1], [-0.1, 0.3]])
    targets = (similarity / 0.5).softmax(-1)
    found = soft_contrast(similarity, targets, 0.5)
    assert float(found.divergence) == pytest.approx(0, abs=1e-6)
    half = binary_contrast(torch.zeros(3, 3), torch.full((3, 3), 0.5))
    assert float(half.loss) == pytest.approx(math.log(2))
    assert float(half.divergence) == pytest.approx(0, abs=1e-6)


def test_cosines_ignore_length_and_stay_wide_in_bf16() -> None:
    queries, keys, _ = drawn()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scaled = embedding_similarity(3 * queries.float(), keys.float())
    assert scaled.dtype == torch.float32
    assert torch.allclose(scaled.double(), embedding_similarity(queries, keys), atol=1e-6)


def test_a_batch_of_one_has_no_contrast() -> None:
    queries, keys, labels = drawn(1)
    loss = objective()
    assert float(loss(queries, keys, loss.targets(labels)).loss) == pytest.approx(0)


def test_targets_of_classes_by_hand() -> None:
    targets = class_targets(torch.tensor([3, 1, 2, 0, 3]))
    assert targets[0].tolist() == [0.5, 0, 0, 0, 0.5]
    assert torch.equal(targets.sum(-1), torch.ones(5))
