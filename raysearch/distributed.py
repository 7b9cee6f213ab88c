"""Communication between the workers of a trial; in a single process every function is an identity.

Losses and methods call these without knowing whether a process group exists, so that they run
unchanged in a test, on one worker and on several. Numbers from other workers are trusted; objects,
whose unpickling may run code, must have the group's seal.

One rule makes several workers' numbers those of one: a mean over the batch is the sum of all
workers' sums over the sum of all their counts, never the mean of their means. A worker divides its
own sum by `divisor` of the batch's count, and the loop averages gradients and terms over workers.
What needs every row (a contrast) is computed by every worker from `gather`.
"""

from __future__ import annotations

import hmac
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

__all__ = [
    "alone",
    "average_gradients",
    "average_terms",
    "average_values",
    "broadcast_object",
    "divisor",
    "gather",
    "gather_objects",
    "gather_unequal",
    "lost_another",
    "norm",
    "rand_rows",
    "rank",
    "seal_with",
    "total",
    "world_size",
]


_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Make this worker the only one inside, for work while the others wait."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def world_size() -> int:
    """Number of workers; 1 without a process group, and inside `alone`."""
    grouped = not _alone and dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if grouped else 1


def rank() -> int:
    """This worker's number, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def divisor(count: float, workers: int | None = None) -> float:
    """What a worker divides its own sum by, so that the workers' mean is the batch's mean.

    Args:
        count: Of the whole batch: rows, tokens, words, pairs.
        workers: Number of workers; by default that of the group.
    """
    return count / (world_size() if workers is None else workers)


def rand_rows(
    like: torch.Tensor,
    rows: int,
    width: int | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Uniform numbers in [0, 1) for this worker's rows of a batch.

    Every worker draws those of the whole batch, so that a row has the same numbers whoever has it,
    as long as the workers' generators are in the same state.

    Args:
        like: (B,) or (B, T), this worker's rows; shape and device of the result.
        rows: Rows of the whole batch.
        width: T of the whole batch, if `like` is (B, T); at least this worker's.
        generator: Random generator; torch's own by default.
    """
    world = world_size()
    if world == 1:
        return torch.rand(like.shape, generator=generator, device=like.device)
    shape = (rows,) if width is None else (rows, width)
    whole = torch.rand(shape, generator=generator, device=like.device)
    mine = whole[rank() :: world]
    return mine if width is None else mine[:, : like.shape[1]]


class _Gather(torch.autograd.Function):
    """Concatenate equal shards over workers; sums the gradients of every worker's use."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, shard: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(shard) for _ in range(world_size())]
        dist.all_gather(parts, shard.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: torch.Tensor) -> torch.Tensor:
        return total(grads[0].contiguous()).chunk(world_size())[rank()]


def gather(shard: torch.Tensor, rows: int | None = None) -> torch.Tensor:
    """All workers' rows in order of rank; the same tensor in one process.

    Args:
        shard: (B / world, ...) this worker's rows: every `world`-th of the batch, from `rank` on.
        rows: B, if it may not be divisible by the workers; None if every worker has as many.

    Returns:
        (B, ...). The gradient of `shard` is the sum over all workers' losses, so a loss that
        every worker computes on the whole batch, with gradients averaged afterwards
        (`average_gradients`), has exactly the single worker's gradient.
    """
    world = world_size()
    if world == 1:
        return shard
    if rows is None or rows % world == 0:
        return _Gather.apply(shard)  # type: ignore[no-any-return, no-untyped-call]
    return _gather_sizes(shard, [len(range(worker, rows, world)) for worker in range(world)])


def gather_unequal(shard: torch.Tensor) -> torch.Tensor:
    """As `gather`, of workers that do not know how many rows each of them has.

    Args:
        shard: (B_k, ...) this worker's rows; none is allowed.

    Returns:
        (Σ B_k, ...).
    """
    world = world_size()
    if world == 1:
        return shard
    counts = [torch.zeros(1, dtype=torch.int64, device=shard.device) for _ in range(world)]
    dist.all_gather(counts, torch.tensor([len(shard)], device=shard.device))
    return _gather_sizes(shard, [int(count) for count in counts])


def _gather_sizes(shard: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """All workers' rows, of which each has the given number."""
    most = max(sizes)
    filling = shard.new_zeros(most - len(shard), *shard.shape[1:])
    whole = _Gather.apply(torch.cat([shard, filling]))  # type: ignore[no-untyped-call]
    parts = zip(whole.split(most), sizes, strict=True) if most else ()
    return torch.cat([part[:size] for part, size in parts]) if most else shard


def average_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the workers; does nothing in one process.

    All workers must have gradients of the same parameters, or none.
    """
    if world_size() == 1:
        return
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not grads:
        return
    flat = torch.cat([grad.reshape(-1) for grad in grads])
    dist.all_reduce(flat)
    flat /= world_size()
    offset = 0
    for grad in grads:
        grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
        offset += grad.numel()


def norm(tensor: torch.Tensor) -> torch.Tensor:
    """Euclidean norm, a scalar, of a tensor of which every worker has a part."""
    if world_size() == 1:
        length: torch.Tensor = tensor.norm()
        return length
    return total(tensor.square().sum()).sqrt()


def total(tensor: torch.Tensor) -> torch.Tensor:
    """The elementwise sum over the workers, without a graph; the same tensor in one process."""
    if world_size() == 1:
        return tensor
    found = tensor.detach().clone()
    dist.all_reduce(found)
    return found


def average_values(values: list[float]) -> list[float]:
    """Each value's mean over the workers, the same on all; the same list in one process."""
    if world_size() == 1:
        return values
    terms = average_terms({str(number): value for number, value in enumerate(values)})
    return [float(value) for value in terms.values()]


def average_terms(terms: Mapping[str, torch.Tensor | float]) -> Mapping[str, torch.Tensor | float]:
    """Each term's mean over the workers, on its device; the same mapping in one process.

    Args:
        terms: Scalars; every worker has the same names in the same order. What they belong to is
            detached.
    """
    if world_size() == 1 or not terms:
        return terms
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    values = [torch.as_tensor(value).detach().double().to(device) for value in terms.values()]
    return dict(zip(terms, total(torch.stack(values)) / world_size(), strict=True))


_key = b""
_SEAL = 32
"""Length of an HMAC-SHA-256 in bytes."""


def lost_another(error: BaseException) -> bool:
    """Whether an error says that the connection to another worker is lost: it ended, or was killed.

    Gloo's errors have no class of their own; their text begins with the source file.
    """
    return isinstance(error, dist.DistError) or "/gloo/transport/" in str(error)


def seal_with(key: bytes) -> None:
    """Accept objects only from workers with the same secret.

    Args:
        key: The secret; empty for none, as before the first call.
    """
    global _key
    _key = key


def broadcast_object(value: object) -> object:
    """Worker 0's object on every worker; the same object in one process.

    Raises:
        RuntimeError: The object was not sealed with this worker's key.
    """
    if world_size() == 1:
        return value
    return _opened(_gather_bytes(_sealed(value) if rank() == 0 else b"")[0])


def gather_objects(value: object) -> list[object]:
    """Every worker's object in order of rank, on every worker.

    Raises:
        RuntimeError: An object was not sealed with this worker's key.
    """
    if world_size() == 1:
        return [value]
    return [_opened(sealed) for sealed in _gather_bytes(_sealed(value))]


def _sealed(value: object) -> bytes:
    content = pickle.dumps(value)
    return hmac.digest(_key, content, "sha256") + content


def _opened(sealed: bytes) -> object:
    seal, content = sealed[:_SEAL], sealed[_SEAL:]
    if not hmac.compare_digest(seal, hmac.digest(_key, content, "sha256")):
        raise RuntimeError("an object from another worker must have the group's seal, but has not")
    return pickle.loads(content)


def _gather_bytes(mine: bytes) -> list[bytes]:
    """Every worker's bytes, in order of rank."""
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([len(mine)], device=device))
    lengths = [int(size) for size in sizes]
    shard = torch.zeros(max(lengths), dtype=torch.uint8)
    shard[: len(mine)] = torch.frombuffer(bytearray(mine), dtype=torch.uint8) if mine else 0
    parts = [torch.empty_like(shard, device=device) for _ in lengths]
    dist.all_gather(parts, shard.to(device))
    found = zip(parts, lengths, strict=True)
    return [part[:length].cpu().numpy().tobytes() for part, length in found]
