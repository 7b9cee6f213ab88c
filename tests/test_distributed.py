"""Workers: in one process everything is an identity; two workers give one worker's gradient."""

import multiprocessing
import socket

import torch
import torch.distributed as dist

from raysearch import distributed


def test_one_process_is_an_identity() -> None:
    rows = torch.randn(3, 2, requires_grad=True)
    assert distributed.gather(rows) is rows
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
    assert distributed.average_values([1.5]) == [1.5]
    assert distributed.broadcast_object("x") == "x"


def _loss(model: torch.nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    out = torch.nn.functional.normalize(distributed.gather(model(rows)), dim=-1)
    return (out @ out.T).logsumexp(1).mean()  # every row needs every other, as in a contrast


def _worker(rank: int, port: int, queue: "multiprocessing.Queue[object]") -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(6, 4).double()
    _loss(model, rows[rank * 3 : rank * 3 + 3]).backward()
    distributed.average_gradients(model.parameters())
    means = distributed.average_values([float(rank)])
    name = distributed.broadcast_object(f"rank {rank}")
    if rank == 0:  # a collective that the other worker does not join would hang
        with distributed.alone():
            assert distributed.gather(rows) is rows
            assert distributed.world_size() == 1
    assert distributed.world_size() == 2
    queue.put((model.weight.grad.tolist(), means, name))  # type: ignore[union-attr]
    dist.barrier()
    dist.destroy_process_group()


def test_two_workers_give_the_single_workers_gradient() -> None:
    torch.manual_seed(0)
    model, rows = torch.nn.Linear(4, 3).double(), torch.randn(6, 4).double()
    _loss(model, rows).backward()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_worker, args=(rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    answers = [queue.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    for grad, means, name in answers:
        torch.testing.assert_close(torch.tensor(grad).double(), model.weight.grad)
        assert means == [0.5]
        assert name == "rank 0"
