"""Two workers of one process group on this machine, for tests of what they do together."""

from __future__ import annotations

import multiprocessing
import socket
import traceback
from collections.abc import Callable
from typing import Any

import torch.distributed as dist

PATIENCE = 500
"""Seconds until both must have answered; a busy machine takes long to start two processes."""


def on_two_workers(work: Callable[[], Any]) -> list[Any]:
    """What `work` returns on worker 0 and on worker 1, which run it side by side.

    Args:
        work: A function of a module, so that a fresh process can import it; what it returns
            can be pickled.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=_worker, args=(work, rank, port, queue)) for rank in range(2)]
    for worker in workers:
        worker.start()
    answers = {}
    try:
        for _ in workers:
            rank, failed, answers[rank] = queue.get(timeout=PATIENCE)
            assert not failed, f"worker {rank}: {answers[rank]}"
    except BaseException:
        for worker in workers:  # the other one waits for the one that failed
            worker.kill()
        raise
    finally:
        for worker in workers:
            worker.join()
    return [answers[0], answers[1]]


def _worker(work: Callable[[], Any], rank: int, port: int, queue: Any) -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        queue.put((rank, False, work()))
    except BaseException:
        queue.put((rank, True, traceback.format_exc()))
        raise
    dist.barrier()
    dist.destroy_process_group()
