"""Files in a folder that may be somebody else's too: what of it is ours to remove, and when."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from raysearch.storage import open_storage
from raysearch.storage.local import LEFTOVER_SECONDS, LocalStorage
from raysearch.storage.whole import temporary_beside


@pytest.mark.parametrize("jump", [-2 * LEFTOVER_SECONDS, 0, 2 * LEFTOVER_SECONDS])
def test_a_clock_that_jumps_takes_no_file_from_its_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    written_now, left_behind = (temporary_beside(tmp_path / "a") for _ in range(2))
    for path in (written_now, left_behind):
        path.write_bytes(b"half")
    long_ago = time.time() - 1.5 * LEFTOVER_SECONDS
    os.utime(left_behind, (long_ago, long_ago))
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + jump)
    LocalStorage(tmp_path).make()
    assert list(tmp_path.iterdir()) == [written_now]


def test_opening_a_folder_removes_nothing_of_its_owner(tmp_path: Path) -> None:
    """``--stages ~`` must not cost a file whose name merely looks like one of ours."""
    ours = temporary_beside(tmp_path / "x").name
    long_ago = time.time() - 2 * LEFTOVER_SECONDS
    (tmp_path / "below").mkdir()
    mine = tmp_path / "below" / "thesis"
    mine.write_text("mine")
    names = [
        ".a.tmp", ".notes.0123abcd.tmp", ".checkpoint.pt.77.tmp", ".raysearch-.tmp", ours.upper(),
        ours + "~", "x" + ours, ours[1:], f".raysearch-{'g' * 32}.tmp",
    ]  # fmt: skip
    for folder in (tmp_path, tmp_path / "below"):
        for name in names:
            (folder / name).write_text("mine")
            os.utime(folder / name, (long_ago, long_ago))
    (tmp_path / ours).symlink_to(mine)
    os.utime(tmp_path / ours, (long_ago, long_ago), follow_symlinks=False)
    (tmp_path / f".raysearch-{'0' * 32}.tmp").mkdir()
    before = sorted(tmp_path.rglob("*"))
    open_storage(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before and len(before) == 2 * len(names) + 4


def test_a_run_folder_goes_but_for_what_was_put_into_it(tmp_path: Path) -> None:
    store, elsewhere = LocalStorage(tmp_path / "leases"), tmp_path / "thesis"
    elsewhere.mkdir()
    (elsewhere / "chapter").write_text("mine")
    for name in ("a/final.pt", "b/final.pt", "b/encoder/config.json"):
        store.write(name, [b"x"])
    (tmp_path / "leases" / "a" / "link").symlink_to(elsewhere)
    (tmp_path / "leases" / "c").symlink_to(elsewhere)
    for name in ("a", "b", "none"):
        store.remove_folder(name)
    with pytest.raises(OSError, match="a link to a folder is not removed"):
        store.remove_folder("c")
    assert [file.name for file in store.tree()] == ["b/encoder/config.json"]
    assert not (tmp_path / "leases" / "a").exists()
    assert (elsewhere / "chapter").read_text() == "mine"


def test_a_pipe_or_a_device_in_a_files_place_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "zeros", "folder"):
        with pytest.raises(OSError, match="no regular file"):
            LocalStorage(tmp_path).open(name)


@pytest.mark.parametrize("name", ["sweep.json", "trials/part-1.parquet", "intents/1.json"])
def test_a_folder_that_was_removed_is_not_made_again_by_a_write(tmp_path: Path, name: str) -> None:
    root = tmp_path / "results" / "mine"
    store = open_storage(root)
    store.write(name, [b"a row"])
    shutil.rmtree(tmp_path / "results" / "mine")
    for write in (lambda: store.write(name, [b"x"]), lambda: store.fill(name, lambda _: None)):
        with pytest.raises(FileNotFoundError):
            write()
    assert list((tmp_path / "results").iterdir()) == []
