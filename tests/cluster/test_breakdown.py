"""What breaks a slot, and what the user reads of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from raysearch.cluster.breakdown import (
    KERNEL_KILLED,
    ShortOfMemoryError,
    oom_kills,
    ray_breakdown,
    slot_breakdown,
)
from raysearch.errors import RaysearchError

KILLED = "Task was killed due to the node running low on memory.\nMemory on the node was 7.5GB"


@pytest.mark.parametrize(
    "error",
    [
        OutOfMemoryError(KILLED),
        RayTaskError("step", f"Traceback\nray.exceptions.OutOfMemoryError: {KILLED}", None),
    ],
)
def test_what_the_memory_monitor_ends_is_a_lack_of_memory(error: Exception) -> None:
    found = ray_breakdown(error, 2)
    assert isinstance(found, ShortOfMemoryError) and "\n" not in str(found)
    assert "with fewer than 2 `--slots`" in str(found) and "batch_size" in str(found)
    assert "--slots" not in str(slot_breakdown(KILLED, 1))


def test_what_the_kernel_ends_is_a_lack_of_memory(tmp_path: Path) -> None:
    assert isinstance(slot_breakdown(f"{KERNEL_KILLED}: it died", 2), ShortOfMemoryError)
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 16\n")
    assert oom_kills(tmp_path / "vmstat") == 16
    (tmp_path / "older").write_text("nr_free_pages 7\n")
    (tmp_path / "odd").write_text("oom_kill many\nalone\n")
    assert [oom_kills(tmp_path / name) for name in ("older", "odd", "none")] == [0, 0, 0]
    assert oom_kills() >= 0


def test_ray_that_is_gone_is_a_sentence_and_a_bug_stays_one() -> None:
    found = ray_breakdown(RayError("The actor\ndied"), 2)
    assert isinstance(found, RaysearchError) and not isinstance(found, ShortOfMemoryError)
    assert str(found).startswith("Ray must stay up while a sweep runs, but said: The actor")
    gpu = slot_breakdown("torch.OutOfMemoryError: CUDA out of memory", 2)
    assert not isinstance(gpu, RaysearchError)
    bug = slot_breakdown("Traceback\nZeroDivisionError: division by zero", 2)
    assert isinstance(bug, RuntimeError) and not isinstance(bug, RaysearchError)


def test_what_ray_says_in_a_slots_traceback_is_a_sentence() -> None:
    text = 'Traceback\n  File "x.py", line 1\nray.train.ControllerError: the group\nhas died'
    found = slot_breakdown(f"{text}\n\nThe above\nray.exceptions.ActorDiedError: it is gone\n", 1)
    assert isinstance(found, RaysearchError) and "\n" not in str(found)
    assert "but said: it is gone; run the same command again" in str(found)
