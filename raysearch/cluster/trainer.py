"""Ray Train reduced to what a slot needs: the controller and the workers.

A plain `TorchTrainer` starts a controller process and several helper actors, each a second or
more of start-up and 230 to 460 MB. A slot reports through its channel and reads no Ray Data, so
the controller runs in the thread that calls ``fit``, and only the callbacks that set up workers
stay. That process is on the head and there is one for each slot, so it does without torch where
a trial has one worker, and without the actor that makes workers wait for each other's checkpoints.
The placement group's cleaner is dropped too: it asks the dashboard whether the controller lives
and never frees anything where there is none (ray#65447). Instead a group's name identifies its
owner, and before a slot asks for a group it frees those of dead processes. There is no actor
that watches for draining nodes either: the controller polls and tells its workers
(`raysearch.cluster.preemption`). The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

import ray
from ray._private.state import state as cluster_state
from ray.exceptions import ActorUnavailableError, RayTaskError
from ray.train import BackendConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.v2._internal.callbacks.accelerators import AcceleratorSetupCallback
from ray.train.v2._internal.callbacks.backend_setup import BackendSetupCallback
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2._internal.execution.callback import (
    ControllerCallback,
    RayTrainCallback,
    WorkerGroupCallback,
)
from ray.train.v2._internal.execution.controller.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, state, worker_group
from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
    DefaultPlacementGroupHandle,
    PlacementGroupHandle,
)
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from raysearch.cluster.breakdown import KERNEL_KILLED, is_lack_of_memory, oom_kills
from raysearch.cluster.gpus import gpu_nodes, gpu_problem
from raysearch.cluster.preemption import give_notice, watch_signals
from raysearch.cluster.worker import SlotShape, serve
from raysearch.errors import RaysearchError

__all__ = ["slot_trainer"]

POLL_SECONDS = 0.5
"""Seconds between two checks of the workers' health."""
GROUP = "raysearch-slot"
"""Prefix of placement groups' names; the owner's actor id and a unique part follow."""
DRAIN_SECONDS = 2.0
"""Seconds between two checks for draining nodes (Ray leaves seconds to minutes) and for hanging
workers."""

PATIENCE_SECONDS = 300.0
"""How long a type of GPU may take to come before the next is asked for: a machine has to boot."""


def slot_trainer(dispatcher: Any, slot: str, shape: SlotShape, scratch: str) -> DataParallelTrainer:
    """The trainer of one slot; ``fit`` returns when its workers have left.

    Args:
        dispatcher: Handle of the dispatcher.
        slot: The slot's name there.
        shape: Its workers.
        scratch: Folder for Ray Train's own files, which are not needed afterwards.
    """
    return _SlotTrainer(
        serve,
        train_loop_config={
            "dispatcher": dispatcher,
            "slot": slot,
            "runner": shape.runner,
            "threads": shape.threads,
            "code": shape.code,
            "gpus": shape.gpus_per_worker,
            "gpu_types": shape.gpu_types,
            "directory": shape.directory,
        },
        backend_config=_backend(shape),
        scaling_config=ScalingConfig(
            num_workers=shape.workers,
            use_gpu=shape.gpus_per_worker > 0,
            resources_per_worker=shape.resources_per_worker,
        ),
        run_config=RunConfig(
            name=uuid.uuid4().hex,
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=-1),
        ),
    )


def _backend(shape: SlotShape) -> BackendConfig:
    """What joins the workers: nothing for one, which spares its slot a port and torch."""
    if shape.workers == 1:
        return BackendConfig()
    from raysearch.cluster.process_group import GroupConfig

    return GroupConfig(backend="nccl" if shape.gpus_per_worker >= 1 else "gloo")


class _NoSynchronization:
    """Stands in for Ray Train's actor of 106 MB that workers meet at with ``ray.train.report``."""

    @classmethod
    def options(cls, **options: Any) -> type[_NoSynchronization]:
        return cls

    @classmethod
    def remote(cls, **arguments: Any) -> _NoSynchronization:
        return cls()


worker_group.SynchronizationActor = _NoSynchronization
state._shutdown_sync_actor = lambda actor: None


class _NamedGroup(WorkerGroup):  # type: ignore[misc]
    """Workers in a placement group that can be freed when the slot's process is dead.

    Ray itself frees one only at the end of the whole job.
    """

    def _create_placement_group(self, scaling_config: Any, context: Any) -> PlacementGroupHandle:
        _free_abandoned()
        owner = ray.get_runtime_context().get_actor_id()
        group = placement_group(
            bundles=[context.resources_per_worker] * context.num_workers,
            strategy=context.placement_strategy,
            bundle_label_selector=context.label_selector,
            name=f"{GROUP}/{owner}/{uuid.uuid4().hex}",
        )
        return DefaultPlacementGroupHandle(group)


def _free_abandoned() -> None:
    """Free the placement groups of slots whose process is dead."""
    for name, group in placement_group_table().items():
        kind, _, rest = group["name"].partition("/")
        owner = rest.partition("/")[0]
        if kind == GROUP and group["state"] != "REMOVED" and _is_dead(owner):
            remove_placement_group(PlacementGroup(ray.PlacementGroupID.from_hex(name)))


def _is_dead(actor: str) -> bool:
    return bool(cluster_state.actor_table(actor).get("State") == "DEAD")


class _WatchNodes(WorkerGroupCallback):  # type: ignore[misc]
    """Notifies the workers when one of their nodes drains, and the dispatcher when one is gone.

    Kills hanging workers, so that others take their place.
    """

    def __init__(self, dispatcher: Any, slot: str) -> None:
        self._dispatcher, self._slot = dispatcher, slot
        self._group: Any = None
        self._nodes: dict[int, str] = {}
        self._looked = 0.0
        self._told = False
        self._oom_kills = [oom_kills()] * 2  # at the last two looks

    def after_worker_group_start(self, worker_group: Any) -> None:
        self._group, self._told = worker_group, False
        workers = worker_group.get_workers()
        self._nodes = {rank: worker.metadata.node_id for rank, worker in enumerate(workers)}
        ray.get([worker.execute_async(watch_signals) for worker in workers])

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:
        if worker_group_status.errors:
            said = "".join(f"{error!r} {error}" for error in worker_group_status.errors.values())
            if self._killed_here(worker_group_status.errors):
                said = f"{KERNEL_KILLED}: {said}"
            if is_lack_of_memory(said):  # the next worker would be killed, too
                ray.get(self._dispatcher.crash.remote(self._slot, said))
            elif any(map(self._lost, *zip(*worker_group_status.errors.items(), strict=True))):
                ray.get(self._dispatcher.lost.remote(self._slot))
        elif time.monotonic() - self._looked >= DRAIN_SECONDS:
            self._looked = time.monotonic()
            self._oom_kills = [self._oom_kills[1], oom_kills()]
            self._replace_what_hangs()
            self._notice_drained()

    def _killed_here(self, errors: Mapping[int, Exception]) -> bool:
        """Whether a worker of this node died, and the kernel has just killed for want of memory.

        Just, since its count is of all containers, whose kills of an hour ago are no reason.
        """
        here = ray.get_runtime_context().get_node_id()
        return oom_kills() > self._oom_kills[0] and here in {self._nodes[rank] for rank in errors}

    def _replace_what_hangs(self) -> None:
        """Kill workers that were given up; this counts as a death of the trial."""
        if ray.get(self._dispatcher.given_up.remote(self._slot)):
            for worker in self._group.get_workers():
                ray.kill(worker.actor)

    def _notice_drained(self) -> None:
        if not self._told:
            self._told = bool(set(self._nodes.values()) & set(cluster_state.get_draining_nodes()))
            if self._told:
                for worker in self._group.get_workers():
                    worker.execute_async(give_notice)

    def _lost(self, rank: int, error: Exception) -> bool:
        """Whether the worker was lost with its node or the link to it, rather than died itself."""
        if isinstance(error, WorkerHealthCheckFailedError):
            error = error.health_check_failure
        if isinstance(error, ActorUnavailableError):  # nothing is known about its process
            return True
        there = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        # A worker that ends on a draining node is lost with it, though the node is still alive.
        return self._nodes[rank] not in there - set(cluster_state.get_draining_nodes())


class _CheckGpus(WorkerGroupCallback):  # type: ignore[misc]
    """Refuses the sweep where torch cannot use the GPU that a worker asks for.

    It comes before the process group: NCCL's own error would not say what is wrong.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings

    def after_worker_group_start(self, worker_group: Any) -> None:
        found = worker_group.execute(gpu_problem, self._settings["gpus"])
        if problems := list(dict.fromkeys(filter(None, found))):
            text = "; ".join(problems)
            ray.get(self._settings["dispatcher"].refuse.remote(self._settings["slot"], text))
            raise RaysearchError(text)


class _Join(BackendSetupCallback):  # type: ignore[misc]
    """Joins the workers; refuses the sweep where they live, but do not reach each other, twice."""

    def __init__(self, backend_config: BackendConfig, settings: dict[str, Any]) -> None:
        super().__init__(backend_config)
        self._settings, self._failed = settings, False

    def after_execution_group_start(self, execution_group: Any) -> None:
        try:
            super().after_execution_group_start(execution_group)
        except RayTaskError as error:
            # Fails where a worker or its node has died, which is nothing that lasts.
            addresses = execution_group.execute(ray.util.get_node_ip_address)
            if not self._failed:
                self._failed = True
                raise
            said = str(error.cause).splitlines()[0]
            text = (
                "the workers of a trial must reach each other on any port (docs/cluster.md), but "
                f"those on {', '.join(sorted(set(addresses)))} do not: {said}"
            )
            ray.get(self._settings["dispatcher"].refuse.remote(self._settings["slot"], text))
            raise RaysearchError(text) from error
        self._failed = False


class _ChooseNodes(ControllerCallback, WorkerGroupCallback):  # type: ignore[misc]
    """Keeps workers from nodes whose GPUs fail, and from types of GPUs that are too small.

    Of the types that the sweep may have it asks for the first, and for one more each time that
    workers have not come for `PATIENCE_SECONDS`. Ray Train asks again every minute.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._since: float | None = None

    def on_controller_start_worker_group(self, **about: Any) -> dict[str, str]:
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        most = 1 + int((now - self._since) / PATIENCE_SECONDS)
        slot, types = self._settings["slot"], self._settings["gpu_types"]
        answer = self._settings["dispatcher"].selector.remote(slot, gpu_nodes(), types, most)
        found: dict[str, str] = ray.get(answer)
        return found

    def after_worker_group_start(self, worker_group: Any) -> None:
        self._since = None


class _FixedSize(FixedScalingPolicy):  # type: ignore[misc]
    """The requested number of workers; the autoscaler only needs to see the placement group."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class _SlotTrainer(DataParallelTrainer):  # type: ignore[misc]
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        settings = self.train_loop_config
        gpus = [_CheckGpus(settings), _ChooseNodes(settings)] if settings["gpus"] > 0 else []
        return [
            AcceleratorSetupCallback(self.backend_config, self.scaling_config),
            *gpus,
            _Join(self.backend_config, settings),
            _WatchNodes(settings["dispatcher"], settings["slot"]),
        ]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"  # in this actor's process
        parts["scaling_policy"] = _FixedSize(self.scaling_config)
        controller = TrainController(**parts)
        controller.worker_group_cls = _NamedGroup
        controller._health_check_interval_s = POLL_SECONDS
        asyncio.run(controller.run())
        return controller.get_result()
