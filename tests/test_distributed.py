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
