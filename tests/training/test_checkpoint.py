"""Checkpoints and kept weights: whole, the trial's own, or not read; and a disk that is full."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from raysearch.errors import StoreError
from raysearch.run import CHECKPOINT, FORMER_KEPT, KEPT, Cell, RunSpec
from raysearch.training.checkpoint import (
    DamagedStateError,
    has_weights,
    load_checkpoint,
    load_weights,
    remove_weights,
    save_checkpoint,
    save_weights,
)

RESULT = {"model": {"w": torch.arange(40_000.0)}, "terms": {"one": 0.1}}


def spec_in(folder: Path) -> RunSpec:
    return RunSpec(
        sweep="s", number=0, cell=Cell("t", 0), method="m", config={}, folder=str(folder)
    )


def zeroed(path: Path, start: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:start] + bytes(4096) + data[start + 4096 :])


def test_kept_weights_come_back_with_their_digest(tmp_path: Path) -> None:
    spec = spec_in(tmp_path / "lease")
    assert load_weights(spec) is None and not has_weights(spec)
    digest = save_weights(spec, RESULT, key="mine")
    assert has_weights(spec)
    found = load_weights(spec, key="mine", digest=digest)
    assert found is not None and torch.equal(found.result["model"]["w"], RESULT["model"]["w"])
    assert found.result["terms"] == {"one": 0.1} and found.digest == digest
    remove_weights(spec)
    assert load_weights(spec) is None


def test_damaged_weights_and_those_of_another_trial_are_told(tmp_path: Path) -> None:
    spec, other = spec_in(tmp_path / "lease"), spec_in(tmp_path / "other")
    digest = save_weights(spec, RESULT, key="mine")
    path = Path(spec.folder, KEPT)
    zeroed(path, 80_000)
    with pytest.raises(DamagedStateError, match="another digest"):
        load_weights(spec, key="mine", digest=digest)
    save_weights(other, RESULT, key="another's")
    shutil.copy(Path(other.folder, KEPT), path)
    with pytest.raises(DamagedStateError, match="other settings"):
        load_weights(spec, key="mine")
    save_weights(spec, {"model": {"w": torch.ones(3)}}, key="mine")
    with pytest.raises(DamagedStateError, match="not the recorded one"):
        load_weights(spec, key="mine", digest=digest)


def former(folder: Path, key: str = "mine") -> Path:
    folder.mkdir(parents=True)
    torch.save({"key": key, "method": RESULT}, folder / FORMER_KEPT)
    return folder / FORMER_KEPT


def test_weights_of_earlier_versions_are_read_where_they_are_whole(tmp_path: Path) -> None:
    """`torch.load` alone reads over a zeroed block: the zip's own checksums are looked at."""
    spec = spec_in(tmp_path / "lease")
    path = former(tmp_path / "lease")
    found = load_weights(spec, key="mine")
    assert found is not None and torch.equal(found.result["model"]["w"], RESULT["model"]["w"])
    with pytest.raises(DamagedStateError, match="other settings"):
        load_weights(spec, key="another's")
    whole = path.read_bytes()
    for start in range(4096, len(whole) - 8192, 4096):
        zeroed(path, start)
        with pytest.raises(DamagedStateError):
            load_weights(spec, key="mine")
        path.write_bytes(whole)
    remove_weights(spec)
    assert not has_weights(spec)


def test_a_damaged_checkpoint_counts_as_none_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / CHECKPOINT
    assert load_checkpoint(place) is None and not caplog.text
    save_checkpoint(place, RESULT)
    assert load_checkpoint(place) is not None and not caplog.text
    zeroed(place, 90_000)
    assert load_checkpoint(place) is None
    assert "is damaged and not read; its trial starts from the beginning" in caplog.text


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_the_earlier_checkpoint_stays(small: Path) -> None:
    state: dict[str, Any] = {"w": torch.arange(30_000.0)}
    save_checkpoint(small / CHECKPOINT, state)
    with pytest.raises(StoreError) as caught:
        save_checkpoint(small / CHECKPOINT, {"w": torch.zeros(50_000)})
    said = str(caught.value)
    assert "must be written, but the disk is full; free some space and run" in said
    assert "\n" not in said and "enforce fail" not in said
    assert [path.name for path in small.iterdir()] == [CHECKPOINT]
    found = load_checkpoint(small / CHECKPOINT)
    assert found is not None and torch.equal(found["w"], state["w"])
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        save_weights(spec_in(small), RESULT, key="k")
    assert [path.name for path in small.iterdir()] == [CHECKPOINT]
