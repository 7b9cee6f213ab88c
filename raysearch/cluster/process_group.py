"""The process group of the workers that share a trial.

By default torch's rendezvous store listens on every address without authentication. On one machine
the workers instead meet over a file in the session's private folder, and then talk over loopback.
A cluster's nodes share no such folder and use torch's store: docs/cluster.md says what that
requires of the network. There gloo would take the address that a host's own name has, which Debian
sets to 127.0.1.1, and NCCL any interface, of Docker's for example: both are given the one that has
the address by which Ray knows the node. Workers that cannot reach each other find out within
`MEETING_SECONDS`, not after the half hour that one may wait for another's part. The names used here
are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import os
import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
import torch.distributed as dist
from ray._common.network_utils import is_localhost
from ray._private import services
from ray._private import worker as ray_worker
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
from ray.train.torch import TorchConfig
from ray.train.torch.config import (
    _set_torch_distributed_env_vars,
    _setup_torch_process_group,
    _TorchBackend,
)

__all__ = ["GroupConfig", "group_key", "use_interface"]

MEETING_SECONDS = 180
"""How long the workers of a group try to reach each other; one of them may have to import torch."""
SILENCE = timedelta(minutes=30)
"""How long a worker then waits for another one's part: torch's own default for gloo."""


@dataclass
class GroupConfig(TorchConfig):  # type: ignore[misc]
    """Ray Train's `TorchConfig`, with a file for rendezvous if all workers are on one machine.

    Args:
        backend: ``gloo`` or ``nccl``.
        timeout_s: How long the workers try to reach each other.
    """

    timeout_s: int = MEETING_SECONDS

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The backend that sets the group up."""
        return _Backend

    @property
    def train_func_context(self) -> type[nullcontext[None]]:
        """Nothing: Ray's would set the device and fail on a broken one before the worker sees it.

        The worker does that itself (`raysearch.cluster.gpus.claim_device`).
        """
        return nullcontext


class _Backend(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        meeting = worker_group.execute_single(0, _meeting_file)
        if meeting is None:
            worker_group.execute(use_interface)
            super().on_start(worker_group, backend_config)
        else:
            self._meet_over(meeting, worker_group, backend_config)
        worker_group.execute(_wait_longer)

    @staticmethod
    def _meet_over(meeting: str, worker_group: Any, backend_config: TorchConfig) -> None:
        worker_group.execute(_set_torch_distributed_env_vars)
        ray.get(
            [
                worker_group.execute_single_async(
                    rank,
                    _setup_torch_process_group,
                    backend=backend_config.backend,
                    world_rank=rank,
                    world_size=len(worker_group),
                    init_method=f"file://{meeting}",
                    timeout_s=backend_config.timeout_s,
                )
                for rank in range(len(worker_group))
            ]
        )


def _wait_longer() -> None:
    """The workers have met: what they wait for from now on is each other's work."""
    dist.distributed_c10d._set_pg_timeout(SILENCE)


def _meeting_file() -> str | None:
    """A new path for this group; None on a node that others may join."""
    if not is_localhost(ray.util.get_node_ip_address()):
        return None
    session = ray_worker._global_node.get_session_dir_path()
    return str(Path(session) / f"group-{uuid.uuid4().hex}")


def use_interface() -> None:
    """Have gloo and NCCL use the interface of this node's address, unless the user chose one."""
    here = ray.util.get_node_ip_address()
    for name, addresses in services.psutil.net_if_addrs().items():
        if any(item.address.partition("%")[0] == here for item in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={name}")  # without =, a prefix


def group_key() -> bytes:
    """A secret that the workers of a group share: Ray's token; empty if Ray has none."""
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        return b""
    return str(loader.get_raw_token(ignore_auth_mode=True)).encode()
