"""Trains a stored row again, and reads data with its weights, as it was: workers and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from raysearch.devices import cpu_threads
from raysearch.errors import StoreError, quoted
from raysearch.run import Run, RunSpec
from raysearch.training.hardware import number_format, torch_threads
from raysearch.training.partner import MOST_WORKERS, execute_on_workers
from raysearch.training.progress import Listener

__all__ = ["read_as", "threads_of", "train_again", "workers_of"]


def workers_of(row: Run) -> int:
    """Workers that shared a row's trial; one for a row of an earlier version.

    Raises:
        StoreError: The row says what no machine has.
    """
    text = row.provenance.get("workers", "1")
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MOST_WORKERS):
        raise StoreError(
            f"a row must be of 1 to {MOST_WORKERS} workers to be trained again on this machine, "
            f"but trial {row.id} has {quoted(text)}"
        )
    return int(text)


def threads_of(row: Run) -> int:
    """Torch threads of each of a row's workers: sums are split by them."""
    return cpu_threads(row.device) or torch.get_num_threads()


@contextmanager
def read_as(row: Run) -> Iterator[None]:
    """Compute inside as a row's numbers were: in its number format, with its threads."""
    with torch_threads(threads_of(row)), number_format(row.provenance):
        yield


def train_again(
    row: Run, spec: RunSpec, listener: Listener, *, data_dir: str, stages: str = ""
) -> Run | None:
    """Train a run with the workers and the threads of its row.

    Args:
        row: The stored row.
        spec: Its run.
        listener: Receives progress and reports.
        data_dir: Folder of the corpora.
        stages: Folder or URI of shared stages; empty for the one beside the runs' folder.

    Returns:
        The new record; None when the listener stopped it.

    Raises:
        RaysearchError: The run cannot be trained here, or a worker ended before it.
    """
    return execute_on_workers(
        spec,
        listener,
        workers=workers_of(row),
        threads=threads_of(row),
        data_dir=data_dir,
        stages=stages,
    )
