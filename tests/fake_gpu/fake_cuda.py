"""GPUs that are not there: torch.cuda and NVML answer from a file, and tensors stay on the CPU.

The file, a JSON object named by the environment variable `FILE`, is read at each question, so that
a test breaks a device while a process runs. As CUDA does, a process takes CUDA_VISIBLE_DEVICES when
it first uses a device, and not again. The current device is a thread's own, and so is what sends
the tensors of ``cuda`` to the CPU. What only silicon can show is not faked: kernels, their numbers
and their speed, NCCL, asynchronous errors, the fragmentation of memory.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

FILE = "RAYSEARCH_FAKE_GPUS"
"""Environment variable with the path of the file: see `written`."""


def written(
    path: Path,
    *,
    gpus: int = 2,
    names: list[str] | None = None,
    model: str = "NVIDIA A10G",
    memory: int = 24 * 10**9,
    driver: str = "580.65.06",
    driver_cuda: int = 13000,
    build: str | None = "13.0",
    broken: dict[str, str] | None = None,
) -> Path:
    """The file of a machine.

    Args:
        path: Where to write it.
        gpus: Number of physical GPUs; ids "0", "1", … and UUIDs "GPU-0", "GPU-1", ….
        names: Ids that CUDA_VISIBLE_DEVICES may have beside these, such as MIG devices.
        model: Their name.
        memory: Bytes of each.
        driver: Version of the driver.
        driver_cuda: Newest CUDA that the driver runs, as NVML says it: 12040 for 12.4.
        build: CUDA version that torch was built for; None for a CPU build.
        broken: Device to the error of whatever is done on it.
    """
    says = {
        "gpus": gpus,
        "names": names or [],
        "model": model,
        "memory": memory,
        "driver": driver,
        "driver_cuda": driver_cuda,
        "build": build,
        "broken": broken or {},
    }
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(says))
    os.replace(fresh, path)
    return path


def machine() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(os.environ[FILE]).read_text())
    return found


class _Process:
    """CUDA's state in this process."""

    def __init__(self) -> None:
        self.visible: list[str] | None = None
        """The visible devices, once CUDA is initialised."""
        self.here = threading.local()
        self.reserved: dict[str, int] = {}
        self.generators: dict[int, Any] = {}
        self.dead = ""
        """The error that has broken the context: all that follows fails with it, as in CUDA."""

    def devices(self) -> list[str]:
        if self.visible is not None:
            return self.visible
        says = machine()
        physical = [str(number) for number in range(says["gpus"])]
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        if says["build"] is None or not self.runs(says):
            return []
        if named is None:
            return physical
        known = {*physical, *(f"GPU-{number}" for number in physical), *says["names"]}
        found: list[str] = []
        for name in named.split(","):
            if name not in known:
                break  # as CUDA: what follows an unknown device is hidden, too
            found.append(name)
        return found

    @staticmethod
    def runs(says: dict[str, Any]) -> bool:
        """Whether the driver runs the build's CUDA: any of the same major version."""
        return int(says["driver_cuda"]) // 1000 >= int(float(says["build"]))

    def begin(self) -> list[str]:
        if self.visible is None:
            found = self.devices()
            if not found:
                raise RuntimeError("No CUDA GPUs are available")
            self.visible = found
        return self.visible

    def number(self, device: Any = None) -> int:
        found = getattr(device, "index", device)
        if isinstance(device, str):
            found = int(device.partition(":")[2]) if ":" in device else None
        return self.current() if found is None else int(found)

    def current(self) -> int:
        self.begin()
        return getattr(self.here, "device", 0)

    def check(self, number: int) -> None:
        """Fail as CUDA does where the device is broken, or the context already is."""
        import torch

        devices = self.begin()
        if not 0 <= number < len(devices):
            raise torch.AcceleratorError("CUDA error: invalid device ordinal")
        self.dead = self.dead or machine()["broken"].get(devices[number], "")
        if self.dead:
            raise torch.AcceleratorError(f"CUDA error: {self.dead}")

    def take(self, number: int, size: int) -> None:
        import torch

        name = self.begin()[number]
        taken = self.reserved.get(name, 0) + size
        if taken > machine()["memory"]:
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB. GPU {number} has a "
                f"total capacity of {machine()['memory'] / 2**30:.2f} GiB"
            )
        self.reserved[name] = taken


PROCESS = _Process()


def _to_cpu(torch: Any) -> Any:
    """What checks the device of every tensor for ``cuda``, counts its bytes, and makes it here."""

    class ToCpu(torch.overrides.TorchFunctionMode):  # type: ignore[misc,name-defined]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs, called = kwargs or {}, getattr(function, "__name__", "")
            if called == "pin_memory":
                return args[0]
            if function is torch.device:
                return function(*args, **kwargs)
            found: list[int] = []

            def moved(value: Any, text: bool) -> Any:
                is_text = text and isinstance(value, str) and value.split(":")[0] == "cuda"
                if is_text or (isinstance(value, torch.device) and value.type == "cuda"):
                    found.append(PROCESS.number(value))
                    return torch.device("cpu")
                return value

            args = tuple(moved(value, called == "to") for value in args)
            kwargs = {name: moved(value, name == "device") for name, value in kwargs.items()}
            for number in found:
                PROCESS.check(number)
            result = function(*args, **kwargs)
            for number in found:
                if isinstance(result, torch.Tensor):
                    PROCESS.take(number, result.numel() * result.element_size())
            return result

    return ToCpu()


class _Cuda:
    """The functions of ``torch.cuda`` that the product, Ray Train and torch itself call."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch

    def is_available(self) -> bool:
        return bool(PROCESS.devices())

    def device_count(self) -> int:
        return len(PROCESS.devices())

    def is_initialized(self) -> bool:
        return PROCESS.visible is not None

    def init(self) -> None:
        PROCESS.begin()

    def current_device(self) -> int:
        number = PROCESS.current()
        self._enter()
        return number

    def set_device(self, device: Any) -> None:
        number = PROCESS.number(device)
        PROCESS.check(number)
        PROCESS.here.device = number
        self._enter()

    def _enter(self) -> None:
        if not getattr(PROCESS.here, "entered", False):
            PROCESS.here.entered = True
            _to_cpu(self._torch).__enter__()

    def synchronize(self, device: Any = None) -> None:
        PROCESS.check(PROCESS.number(device))

    def get_device_name(self, device: Any = None) -> str:
        return str(machine()["model"])

    def get_device_capability(self, device: Any = None) -> tuple[int, int]:
        return (8, 6)

    def get_device_properties(self, device: Any = None) -> Any:
        says, name = machine(), PROCESS.begin()[PROCESS.number(device)]
        version = {"major": 8, "minor": 6}
        return SimpleNamespace(
            name=says["model"], total_memory=says["memory"], uuid=name, **version
        )

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        self.synchronize(device)
        return machine()["memory"] - self.memory_reserved(device), machine()["memory"]

    def memory_reserved(self, device: Any = None) -> int:
        return PROCESS.reserved.get(PROCESS.begin()[PROCESS.number(device)], 0)

    def reset_peak_memory_stats(self, device: Any = None) -> None:
        PROCESS.reserved.pop(PROCESS.begin()[PROCESS.number(device)], None)

    def empty_cache(self) -> None:
        pass

    def manual_seed_all(self, seed: int) -> None:
        for number in range(len(PROCESS.visible or ())):
            self._generator(number).manual_seed(seed + number)

    def get_rng_state(self, device: Any = "cuda") -> Any:
        return self._generator(device).get_state()

    def set_rng_state(self, state: Any, device: Any = "cuda") -> None:
        self._generator(device).set_state(state)

    def _generator(self, device: Any) -> Any:
        number = PROCESS.number(device)
        PROCESS.check(number)
        return PROCESS.generators.setdefault(number, self._torch._C.Generator("cpu"))

    max_memory_allocated = max_memory_reserved = memory_allocated = memory_reserved


def _patch_torch(torch: Any) -> None:
    fake = _Cuda(torch)
    for name in (name for name in dir(_Cuda) if not name.startswith("_")):
        setattr(torch.cuda, name, getattr(fake, name))
    torch.version.cuda = machine()["build"]
    whole = torch.distributed.init_process_group

    def group(backend: str | None = None, *arguments: Any, **options: Any) -> None:
        whole("gloo" if backend == "nccl" else backend, *arguments, **options)

    torch.distributed.init_process_group = group


def _patch_nvml(nvml: Any) -> None:
    fakes: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: machine()["gpus"],
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: machine()["model"],
        "nvmlSystemGetDriverVersion": lambda: machine()["driver"],
        "nvmlSystemGetCudaDriverVersion": lambda: machine()["driver_cuda"],
    }
    for name, fake in fakes.items():
        setattr(nvml, name, fake)


PATCHES: dict[str, Callable[[ModuleType], None]] = {
    "torch": _patch_torch,
    "ray._private.thirdparty.pynvml": _patch_nvml,
}
