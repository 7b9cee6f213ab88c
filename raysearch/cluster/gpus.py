"""The GPUs of a worker: how many a machine has, which one is the worker's, and does it work.

Ray tells an actor which GPUs are its own, but hides the others from nobody: a worker without GPUs
sees all of its node, and those of one Ray Train run see one another's. So a worker makes its own
GPU torch's current device, which `raysearch.training` uses, and one without GPUs hides them all.
The names used here are internal to Ray, whose version is pinned.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

__all__ = [
    "ACCELERATOR",
    "GpuFaultError",
    "GpuPlace",
    "claim_device",
    "gpu_fault",
    "gpu_nodes",
    "gpu_problem",
    "is_gpu_fault",
    "visible_gpus",
]

VISIBLE = "CUDA_VISIBLE_DEVICES"
_MIG = "MIG-"
_LIBRARIES = ("CUDA error:", "CUBLAS_STATUS_", "CUDNN_STATUS_", "CUFFT_", "unhandled cuda error")
"""In the errors of what torch calls on a GPU; those of CUDA itself have a class since torch 2.8."""


class GpuFaultError(Exception):
    """A worker's GPU does not compute; not the fault of a run."""


@dataclass(frozen=True, kw_only=True)
class GpuPlace:
    """Where a worker is.

    Attributes:
        node: Ray's id of its node.
        host: Name of the machine.
        gpu: Id of its GPU; empty if it has none.
        type: Ray's name for the type of the node's GPUs, such as ``A10G``.
    """

    node: str
    host: str
    gpu: str = ""
    type: str = ""

    @classmethod
    def here(cls, gpus: float) -> GpuPlace:
        """That of this worker, which has so many GPUs."""
        import ray

        context = ray.get_runtime_context()
        node, host = context.get_node_id(), os.uname().nodename
        if gpus <= 0:
            return cls(node=node, host=host)
        labels = context.get_node_labels() or {}
        ids = context.get_accelerator_ids().get("GPU", [])
        kind = labels.get(ACCELERATOR, "")
        return cls(node=node, host=host, gpu=ids[0] if ids else "?", type=kind)

    def __str__(self) -> str:
        return f"GPU {self.gpu} of {self.host}"


ACCELERATOR = "ray.io/accelerator-type"
"""Ray's label of a node for the type of its GPUs."""


def visible_gpus() -> int:
    """GPUs of this machine that this process may use, without loading torch.

    Those that CUDA_VISIBLE_DEVICES names, if it is set; a slice of a GPU (MIG) counts as one.
    """
    from ray._private.accelerators import NvidiaGPUAcceleratorManager

    there = int(NvidiaGPUAcceleratorManager.get_current_node_num_accelerators())
    named = os.environ.get(VISIBLE)
    if named is None or there == 0:
        return there
    names = [name.strip() for name in named.split(",")]
    if "-1" in names:  # CUDA ignores what follows
        names = names[: names.index("-1")]
    names = [name for name in names if name and name != "NoDevFiles"]
    slices = [name for name in names if name.startswith(_MIG)]
    return len(slices) or min(there, len(names))


def claim_device(gpus: float) -> None:
    """Make this worker's own GPU its thread's current device, or hide all GPUs if it has none.

    One that is broken is found by `gpu_fault`.

    Args:
        gpus: GPUs of the worker; of several it uses the first.
    """
    if gpus <= 0:
        os.environ[VISIBLE] = ""  # before anything initialises CUDA
        return
    import torch
    from ray.train.torch import get_device

    with suppress(RuntimeError):
        torch.cuda.set_device(get_device())


def gpu_problem(gpus: float) -> str:
    """Why a worker that asks for GPUs cannot have torch use one; empty if it can."""
    if gpus <= 0:
        return ""
    import torch

    if torch.cuda.is_available():
        return ""
    driver, runs = _driver()
    host = os.uname().nodename
    if torch.version.cuda is None:
        return (
            f"a trial that asks for a GPU must have a torch with CUDA, but torch "
            f"{torch.__version__} on {host} is a CPU build (driver: {driver or 'none'}); install "
            "its CUDA build there (docs/install.md), or give `--gpus-per-worker 0`"
        )
    if driver and int(runs.split(".")[0]) >= int(torch.version.cuda.split(".")[0]):
        return ""  # not the installation: the GPU itself fails
    there = f"driver {driver}, for CUDA up to {runs}" if driver else "no driver"
    return (
        f"a trial that asks for a GPU must have a driver for torch's CUDA, but torch "
        f"{torch.__version__} on {host} is built for CUDA {torch.version.cuda}, and there is "
        f"{there}; install a newer driver, or give `--gpus-per-worker 0`"
    )


def is_gpu_fault(error: BaseException) -> bool:
    """Whether an error leaves the process without its GPU: assert, ECC, a GPU that is gone.

    All that the process does there fails from then on, whatever the trial. The run that met it may
    be its cause, which another process shows.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError) or not isinstance(error, RuntimeError):
        return False
    said = str(error)
    return isinstance(error, torch.AcceleratorError) or any(text in said for text in _LIBRARIES)


def gpu_fault() -> str:
    """Why this thread's current GPU does not compute; empty if it does."""
    import torch

    try:
        ones = torch.ones(64, 64, device=torch.device("cuda", torch.cuda.current_device()))
        found = float((ones @ ones).sum())
        torch.cuda.synchronize()
    except RuntimeError as error:
        return str(error).split("\n")[0]
    return "" if found == 64**3 else f"64 x 64 ones, squared, sum to {found:g}"


def gpu_nodes() -> dict[str, str]:
    """Ray's ids of the living nodes that have GPUs, and the type of these; "" if it is unknown."""
    import ray

    return {
        node["NodeID"]: str(node["Labels"].get(ACCELERATOR, ""))
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("GPU", 0) > 0
    }


def _driver() -> tuple[str, str]:
    """Version of the driver, and the newest CUDA that it runs; "" where there is none."""
    import ray._private.thirdparty.pynvml as nvml

    try:
        nvml.nvmlInit()
        version, runs = nvml.nvmlSystemGetDriverVersion(), nvml.nvmlSystemGetCudaDriverVersion()
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        return "", ""
    text = version.decode() if isinstance(version, bytes) else str(version)
    return text, f"{runs // 1000}.{runs % 1000 // 10}"
