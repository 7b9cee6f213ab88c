"""Teachers' probabilities and the student's steps."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from raysearch.errors import StoreError
from raysearch.methods.msmo.distillation import (
    DistillBatch,
    distill_batches,
    distill_updates,
    soft_labels,
    teach,
)
from raysearch.methods.msmo.items import pack
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.tags import TAGS
from raysearch.methods.msmo.tokens import Rows, Tokenised

Make = Callable[..., MsmoMethod]
CPU = torch.device("cpu")


@pytest.fixture
def method(make_method: Make) -> MsmoMethod:
    method = make_method(distillation="single", variant="acs", max_length=24)
    method.begin(method.stages()[0])
    return method


def unlabelled(method: MsmoMethod) -> Tokenised:
    assert method._unlabelled is not None
    return method._unlabelled


def whole(rows: Rows) -> Rows:
    return rows


def test_a_teacher_speaks_of_every_piece_without_dropout(method: MsmoMethod) -> None:
    tokens = unlabelled(method)
    taught = teach(method.network, tokens, CPU)
    assert method.network.training  # as it was
    probabilities = taught["probabilities"]
    assert probabilities.shape == (len(tokens.ids), len(TAGS))
    assert torch.allclose(probabilities.sum(1), torch.ones(len(tokens.ids)), atol=1e-5)
    method.network.eval()
    for part in (0, 5, len(tokens.sizes) - 1):
        with torch.no_grad():
            alone = method.network(pack(tokens, np.array([part]), CPU)).pieces
            wanted = method.network.tag(alone).softmax(-1)
        mine = probabilities[tokens.starts[part] : tokens.starts[part + 1]]
        assert torch.allclose(mine, wanted, atol=1e-5)


def test_soft_labels_are_weighted_means_of_softened_teachers(make_method: Make) -> None:
    method = make_method(
        distillation="multi", teacher_weights="0.5,0.3,0.2", distill_temperature=2.0
    )
    tokens = unlabelled(method)
    chance = torch.Generator().manual_seed(0)
    logits = [torch.randn(len(tokens.ids), len(TAGS), generator=chance) for _ in range(3)]
    taught = {
        f"teach-t{k}": {"tags": list(TAGS), "probabilities": each.softmax(-1)}
        for k, each in enumerate(logits, start=1)
    }
    wanted = sum(
        w * (each / 2).softmax(-1) for w, each in zip((0.5, 0.3, 0.2), logits, strict=True)
    )
    assert torch.allclose(soft_labels(taught, tokens, method.config), wanted, atol=1e-6)


def test_a_teacher_that_does_not_fit_is_refused(method: MsmoMethod) -> None:
    tokens = unlabelled(method)
    good = teach(method.network, tokens, CPU)
    other = {**good, "tags": ["O", "B", "I"]}
    with pytest.raises(StoreError, match="teach-main must have the 13 labels.*has 3: O B I"):
        soft_labels({"teach-main": other}, tokens, method.config)
    cut = {**good, "probabilities": good["probabilities"][:-1]}
    with pytest.raises(StoreError, match=r"teach-main must be of shape .*but are \(\d+, 13\)"):
        soft_labels({"teach-main": cut}, tokens, method.config)
    with pytest.raises(StoreError, match="but are none"):
        soft_labels({"teach-main": {"tags": list(TAGS)}}, tokens, method.config)


def test_batches_carry_the_labels_of_their_pieces(method: MsmoMethod) -> None:
    tokens = unlabelled(method)
    # The target tells which piece of the corpus it belongs to.
    target = torch.arange(len(tokens.ids)).double().unsqueeze(1).expand(-1, len(TAGS))
    seen = 0
    for batch in distill_batches(tokens, target, method.config, 0, whole, CPU):
        ids = torch.cat([each.flatten() for each in batch.packed.ids])[batch.packed.pieces]
        assert ids.tolist() == tokens.ids[batch.target[:, 0].long().numpy()].tolist()
        assert batch.share == pytest.approx(1.0)
        seen += len(batch.target)
    assert tokens.split > 0 and seen > 0.9 * len(tokens.ids)


def test_workers_parts_add_up_to_the_whole_distance(method: MsmoMethod) -> None:
    tokens = unlabelled(method)
    target = teach(method.network, tokens, CPU)["probabilities"].roll(1, 0)
    method.network.eval()

    def first(share: Callable[[Rows], Rows], workers: int = 1) -> float:
        batch = next(distill_batches(tokens, target, method.config, 0, share, CPU, workers=workers))
        (update,) = distill_updates(method.network, batch, method.config)
        return float(update.loss.detach())

    for workers in (2, 3):  # of 16 rows, three workers have 6, 5 and 5
        parts = [first(lambda rows, n=n, w=workers: rows[n::w], workers) for n in range(workers)]
        assert sum(parts) / workers == pytest.approx(first(whole), rel=1e-5)


def test_a_student_comes_to_say_what_its_teacher_says(method: MsmoMethod) -> None:
    torch.manual_seed(0)
    tokens = unlabelled(method)
    network = method.network.eval()
    labels = torch.randint(0, 3, (len(tokens.ids),))
    target = torch.nn.functional.one_hot(labels, len(TAGS)).float()
    batch = next(distill_batches(tokens, target, method.config, 0, whole, CPU))
    assert isinstance(batch, DistillBatch)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        (update,) = distill_updates(network, batch, method.config)
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()
        losses.append(float(update.loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
