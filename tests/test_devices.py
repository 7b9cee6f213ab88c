"""The text of a row's device: what production writes is what production reads."""

from __future__ import annotations

import torch

from raysearch.devices import cpu_device, cpu_threads, kind_of, kinds_of
from raysearch.training.provenance import device_name


def test_what_a_worker_writes_is_read_as_a_processor() -> None:
    device = device_name(torch.device("cpu"))
    assert kind_of(device) == "CPU"
    assert cpu_threads(device) == torch.get_num_threads()


def test_kinds() -> None:
    assert cpu_device(4) == "cpu (4 threads)" and cpu_threads("cpu (4 threads)") == 4
    assert kind_of("cpu") == "CPU" and cpu_threads("cpu") is None
    assert kind_of("NVIDIA H200") == "GPU" and cpu_threads("NVIDIA H200") is None
    assert kind_of("") == "unknown" == kind_of(None)
    assert kinds_of(["cpu (1 threads)", "cpu (2 threads)", "NVIDIA A10G"]) == {"CPU", "GPU"}
