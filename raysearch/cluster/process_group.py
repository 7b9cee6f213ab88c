"""The process group of the workers that share a trial.

By default torch's rendezvous store listens on every address without authentication. On one machine
the workers instead meet over a file in the session's private folder, and then talk over loopback.
A cluster's nodes share no such folder and use torch's store: docs/cluster.md says what that
requires of the network. The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import ray
from ray._common.network_utils import is_localhost
from ray._private import worker as ray_worker
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
from ray.train.torch import TorchConfig
from ray.train.torch.config import (
    _set_torch_distributed_env_vars,
    _setup_torch_process_group,
    _TorchBackend,
)

__all__ = ["GroupConfig", "group_key"]


class GroupConfig(TorchConfig):  # type: ignore[misc]
    """Ray Train's `TorchConfig`, with a file for rendezvous if all workers are on one machine.

    Args:
        backend: ``gloo`` or ``nccl``.
    """

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        """The backend that sets the group up."""
        return _Backend


class _Backend(_TorchBackend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        meeting = worker_group.execute_single(0, _meeting_file)
        if meeting is None:
            super().on_start(worker_group, backend_config)
            return
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


def _meeting_file() -> str | None:
    """A new path for this group; None on a node that others may join."""
    if not is_localhost(ray.util.get_node_ip_address()):
        return None
    session = ray_worker._global_node.get_session_dir_path()
    return str(Path(session) / f"group-{uuid.uuid4().hex}")


def group_key() -> bytes:
    """A secret that the workers of a group share: Ray's token; empty if Ray has none."""
    loader = AuthenticationTokenLoader.instance()
    if not loader.has_token(ignore_auth_mode=True):
        return b""
    return str(loader.get_raw_token(ignore_auth_mode=True)).encode()
