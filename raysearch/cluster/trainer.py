"""What of Ray Train does a slot keep: the controller and the workers, nothing beside them.

A plain `TorchTrainer` starts a controller process and several helper actors, each a second or
more of start-up and 230 to 460 MB. A slot reports through its mailbox and reads no Ray Data,
so it does without: the controller runs in the thread that calls ``fit``, and only the
callbacks that set up torch stay. The placement group's cleaner goes too, since it asks the
dashboard whether the controller lives and never frees anything where there is none
(ray#65447); a slot notes its group in the mail room, and the slot that takes its place frees
it. The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2._internal.callbacks.accelerators import AcceleratorSetupCallback
from ray.train.v2._internal.callbacks.backend_setup import BackendSetupCallback
from ray.train.v2._internal.execution.callback import RayTrainCallback, WorkerGroupCallback
from ray.train.v2._internal.execution.controller.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy

from raysearch.cluster.service import serve
from raysearch.cluster.slots import SlotShape

__all__ = ["slot_trainer"]

POLL_SECONDS = 0.5
"""How often the controller looks whether its workers live."""


def slot_trainer(room: Any, slot: str, shape: SlotShape, scratch: str) -> TorchTrainer:
    """The trainer of one slot; ``fit`` returns when its workers have left.

    Args:
        room: Handle of the mail room.
        slot: The slot's name there.
        shape: Its workers.
        scratch: Folder for Ray Train's own files; nothing in it is needed afterwards.
    """
    return _SlotTrainer(
        serve,
        train_loop_config={
            "room": room,
            "slot": slot,
            "runner": shape.runner,
            "threads": shape.threads,
        },
        torch_config=TorchConfig(backend="nccl" if shape.gpus_per_worker >= 1 else "gloo"),
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


class _HoldPlacementGroup(WorkerGroupCallback):  # type: ignore[misc]
    """Note the workers' placement group in the mail room."""

    def __init__(self, room: Any, slot: str) -> None:
        self._room, self._slot = room, slot

    def after_worker_group_start(self, worker_group: Any) -> None:
        handle = worker_group.get_worker_group_state().placement_group_handle
        ray.get(self._room.hold.remote(self._slot, handle.placement_group))


class _FixedSize(FixedScalingPolicy):  # type: ignore[misc]
    """As many workers as asked for; the placement group is all that the autoscaler needs to see."""

    def after_controller_start(self, train_run_context: Any) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass


class _SlotTrainer(TorchTrainer):  # type: ignore[misc]
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        settings = self.train_loop_config
        return [
            AcceleratorSetupCallback(self.backend_config, self.scaling_config),
            BackendSetupCallback(self.backend_config),
            _HoldPlacementGroup(settings["room"], settings["slot"]),
        ]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        parts["scaling_policy"] = _FixedSize(self.scaling_config)
        controller = TrainController(**parts)
        controller._health_check_interval_s = POLL_SECONDS
        asyncio.run(controller.run())
        return controller.get_result()
