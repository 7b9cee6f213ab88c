"""Workers: in one process everything is an identity; two workers give one worker's gradient."""

import pickle

import pytest
import torch
from gloo import on_two_workers
from torch.nn import functional

from raysearch import distributed


def test_one_process_is_an_identity() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert distributed.gather(rows) is rows
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
    assert distributed.average_values([1.5]) == [1.5]
    assert distributed.broadcast_object("x") == "x"
    assert distributed.gather_objects("x") == ["x"]
    assert distributed.gather_unequal(rows) is rows
    assert distributed.total(rows) is rows
    assert distributed.divisor(6) == 6
    terms = {"loss": 1.0}
    assert distributed.average_terms(terms) is terms
    torch.manual_seed(0)
    drawn = distributed.rand_rows(rows, 3, 2)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3, 2))


def _loss(model: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    out = torch.nn.functional.normalize(distributed.gather(model(rows)), dim=-1)
    return (out @ out.T).logsumexp(1).mean()  # every row needs every other, as in a contrast


def _together() -> tuple[list[list[float]], list[float], object]:
    rank = distributed.rank()
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(6, 4).double()
    _loss(model, rows[rank * 3 : rank * 3 + 3]).backward()
    distributed.average_gradients(model.parameters())
    means = distributed.average_values([float(rank)])
    name = distributed.broadcast_object(f"rank {rank}")
    assert distributed.gather_objects(f"rank {rank}") == ["rank 0", "rank 1"]
    if rank == 0:  # a collective that the other worker does not join would hang
        with distributed.alone():
            assert distributed.gather(rows) is rows
            assert distributed.world_size() == 1
    assert distributed.world_size() == 2
    assert model.weight.grad is not None
    return model.weight.grad.tolist(), means, name


def test_two_workers_give_the_single_workers_gradient() -> None:
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(6, 4).double()
    _loss(model, rows).backward()
    for grad, means, name in on_two_workers(_together):
        torch.testing.assert_close(torch.tensor(grad).double(), model.weight.grad)
        assert means == [0.5]
        assert name == "rank 0"


ODD = (1, 2, 5)
"""Rows of batches of which two workers have other numbers, none at the least."""


def _unevenly() -> list[list[list[float]]]:
    found = []
    for count in ODD:
        torch.manual_seed(0)
        model, rows = torch.nn.Linear(4, 3).double(), torch.randn(count, 4).double()
        mine = rows[distributed.rank() :: 2]
        out = distributed.gather(model(mine), count)
        assert out.shape == (count, 3)
        functional.normalize(out, dim=-1).matmul(out.T).logsumexp(1).mean().backward()
        distributed.average_gradients(model.parameters())
        assert model.weight.grad is not None
        found.append(model.weight.grad.tolist())
    return found


def test_workers_may_have_other_numbers_of_rows() -> None:
    for found in on_two_workers(_unevenly):
        for count, grad in zip(ODD, found, strict=True):
            torch.manual_seed(0)
            model, rows = torch.nn.Linear(4, 3).double(), torch.randn(count, 4).double()
            out = model(rows)
            functional.normalize(out, dim=-1).matmul(out.T).logsumexp(1).mean().backward()
            torch.testing.assert_close(torch.tensor(grad).double(), model.weight.grad)


def _rules() -> dict[str, object]:
    rank = distributed.rank()
    mine = torch.arange(3.0 * rank)  # worker 0 has none
    torch.manual_seed(0)
    drawn = distributed.rand_rows(torch.empty(3 - rank, 4 - rank), 5, 4)
    seen = torch.ones(2, 2) * (rank + 1)
    parts = distributed.gather_unequal(torch.empty(0, 2))
    terms = {"sum": torch.tensor(float(rank + 1)) / distributed.divisor(6), "plain": 2.0 * rank}
    return {
        "unequal": distributed.gather_unequal(mine).tolist(),
        "none": list(parts.shape),
        "drawn": drawn.tolist(),
        "norm": float(distributed.norm(seen)),
        "total": distributed.total(torch.tensor([rank, 1])).tolist(),
        "terms": {name: float(v) for name, v in distributed.average_terms(terms).items()},
    }


def test_sums_norms_and_random_numbers_are_of_all_workers() -> None:
    first, second = on_two_workers(_rules)
    torch.manual_seed(0)
    whole = torch.rand(5, 4)
    assert first.pop("drawn") == whole[::2].tolist()
    assert second.pop("drawn") == whole[1::2, :3].tolist()
    assert first == second
    assert first["unequal"] == [0.0, 1.0, 2.0] and first["none"] == [0, 2]
    assert first["norm"] == pytest.approx((4 * 1 + 4 * 4) ** 0.5)
    assert first["total"] == [1, 2]
    # 1 and 2 of 6 parts; the mean of 0 and 2.
    assert first["terms"] == {"sum": pytest.approx(3 / 6), "plain": 1.0}


def _unequal_gradient() -> list[list[float]]:
    rank = distributed.rank()
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(5, 4).double()
    out = distributed.gather_unequal(model(rows[:4] if rank == 0 else rows[4:]))
    functional.normalize(out, dim=-1).matmul(out.T).logsumexp(1).mean().backward()
    distributed.average_gradients(model.parameters())
    assert model.weight.grad is not None
    return model.weight.grad.tolist()


def test_unequal_parts_give_the_single_workers_gradient() -> None:
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(5, 4).double()
    out = model(rows)
    functional.normalize(out, dim=-1).matmul(out.T).logsumexp(1).mean().backward()
    for grad in on_two_workers(_unequal_gradient):
        torch.testing.assert_close(torch.tensor(grad).double(), model.weight.grad)


def test_a_forged_object_is_not_unpickled() -> None:
    unpickled: list[str] = []
    forged = b"\0" * 32 + pickle.dumps("a bomb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed.pickle, "loads", lambda content: unpickled.append("unpickled"))
        distributed.seal_with(b"the group's")
        try:
            for what in (forged, b"", pickle.dumps("no seal")):
                with pytest.raises(RuntimeError, match="the group's seal"):
                    distributed._opened(what)
            sealed = distributed._sealed("x")
            distributed.seal_with(b"another group's")
            with pytest.raises(RuntimeError, match="the group's seal"):
                distributed._opened(sealed)
        finally:
            distributed.seal_with(b"")
    assert not unpickled


def _with_keys_of_their_own() -> str:
    distributed.seal_with(bytes([distributed.rank()]))
    try:
        return str(distributed.broadcast_object("from worker 0"))
    except RuntimeError as error:
        return str(error)


def test_objects_pass_between_workers_of_one_key_only() -> None:
    of_its_own, of_the_other = on_two_workers(_with_keys_of_their_own)
    assert of_its_own == "from worker 0"
    assert "must have the group's seal" in of_the_other
