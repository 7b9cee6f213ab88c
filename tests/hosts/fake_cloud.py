"""A cloud on one host: Ray's own fake provider starts a raylet for every node that is asked for.

Ray's `AutoscalingCluster` reads an example file that its wheel does not have, and so does the
provider's own entry; the configuration is given here instead, with the provider as an external
one. Its `start` runs ``ray stop``, which ends every Ray process that it can see: only on a host
of `hosts.lab`, in a PID namespace of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
from ray.cluster_utils import AutoscalingCluster

from raysearch.cluster.gpus import ACCELERATOR

HEAD = "ray.head.default"
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
_LISTS = (
    "cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands",
    "setup_commands", "head_setup_commands", "worker_setup_commands", "head_start_ray_commands",
    "worker_start_ray_commands",
)  # fmt: skip
"""What the head's copy of a cluster file must have, be it empty."""
MEMORY = 80_000_000
"""Bytes of a node's object store; nothing is put there."""


class FakeCloud(AutoscalingCluster):  # type: ignore[misc]
    """Worker nodes from zero, as cluster.yaml has them.

    Args:
        types: Node type to its most nodes; each node has one CPU and one GPU.
        idle_minutes: After so long without work a node is ended.
        prices: Node type to money an hour; the head's type is `HEAD`.
        gpus: Node type to the type of its GPU, as the cluster file says it.
    """

    def __init__(
        self,
        types: Mapping[str, int],
        *,
        idle_minutes: float,
        prices: Mapping[str, float],
        gpus: Mapping[str, str],
    ) -> None:
        self._prices = dict(prices)
        node_types = {
            name: {
                "resources": {"CPU": 1, "GPU": 1, "object_store_memory": MEMORY},
                "labels": {ACCELERATOR: gpus[name]},
                "node_config": {},
                "min_workers": 0,
                "max_workers": most,
            }
            for name, most in types.items()
        }
        super().__init__(
            {"CPU": 0, "object_store_memory": MEMORY},
            node_types,
            autoscaler_v2=True,
            idle_timeout_minutes=idle_minutes,
            max_workers=sum(types.values()),
        )

    @property
    def config(self) -> dict[str, Any]:
        """The cluster file."""
        return dict(self._config)

    def _generate_config(
        self,
        head_resources: dict[str, Any],
        worker_node_types: dict[str, Any],
        autoscaler_v2: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        head = {"resources": head_resources, "node_config": {}, "max_workers": 0}
        return {
            "cluster_name": "fake",
            "provider": {
                "type": "external",
                "module": PROVIDER,
                "head_node_id": FAKE_HEAD_NODE_ID,
                "disable_node_updaters": True,
                "launch_multiple": True,
                "raysearch": {"prices": self._prices, "currency": "USD"},
            },
            "available_node_types": {**worker_node_types, HEAD: head},
            "head_node_type": HEAD,
            "upscaling_speed": 2,
            **{name: [] for name in _LISTS},
            **{name: {} for name in ("auth", "docker", "file_mounts")},
            **more,
        }


@contextmanager
def fake_cloud(
    types: Mapping[str, int],
    *,
    idle_minutes: float,
    prices: Mapping[str, float],
    gpus: Mapping[str, str],
    home: Path,
) -> Iterator[FakeCloud]:
    """A running head without a CPU, and its cluster file where a head has it, for the block."""
    cloud = FakeCloud(types, idle_minutes=idle_minutes, prices=prices, gpus=gpus)
    (home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump(cloud.config))
    quiet = {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_NODE_TYPE_NAME": HEAD,
        "OMP_NUM_THREADS": "1",
    }
    os.environ |= quiet
    cloud.start()
    try:
        yield cloud
    finally:
        cloud.shutdown()
