"""Files that appear whole or not at all, and what a full disk, a link or a device makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from raysearch.errors import StoreError
from raysearch.storage import write_files
from raysearch.storage.whole import whole_file, write_output

LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
"""
"""A file may take 100 kB: what a full disk does, without one."""


def limited(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED + code], capture_output=True, text=True, timeout=60
    )


def test_a_full_disk_leaves_the_former_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("former")
    done = limited(
        "from raysearch.errors import StoreError\n"
        "from raysearch.storage.whole import write_output\n"
        f"try: write_output(Path({str(path)!r}), 'x' * 200_000, '`--output`')\n"
        "except StoreError as error: print(error)"
    )
    assert done.stdout == (
        f"`--output` must be written, but {path}: the disk is full; free some space and run the "
        "same command again\n"
    )
    assert path.read_text() == "former" and list(tmp_path.iterdir()) == [path]


def test_files_of_a_sweep_on_a_full_disk(tmp_path: Path) -> None:
    done = limited(
        "from raysearch.errors import StoreError\n"
        "from raysearch.storage import write_files\n"
        f"try: write_files({str(tmp_path)!r}, {{'a': b'1', 'b': bytes(200_000), 'c': b'3'}})\n"
        "except StoreError as error: print(error)"
    )
    assert done.stdout.startswith(f"`{tmp_path / 'b'}` must be written, but: the disk is full")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_keeps_its_mode_and_a_link_its_aim(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "page", tmp_path / "page"
    target.write_text("former")
    target.chmod(0o640)
    link.symlink_to(target)
    write_output(link, "new", "`--output`")
    assert link.is_symlink() and target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.rglob("*"))) == 3


def test_a_pipe_is_written_to_and_a_device_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write_output(pipe, "new", "`--output`")
    reader.join()
    assert heard == ["new"] and pipe.is_fifo()
    with pytest.raises(StoreError, match="but /dev/full: the disk is full"):
        write_output(Path("/dev/full"), "new", "`--output`")
    assert Path("/dev/full").is_char_device()
    with pytest.raises(StoreError, match="Is a directory"):
        write_output(tmp_path, "new", "`--output`")


def test_of_two_that_make_a_file_one_finds_the_other(tmp_path: Path) -> None:
    path = tmp_path / "new"
    with pytest.raises(FileExistsError), whole_file(path, replacing=False) as late:
        late.write(b"late")
        with whole_file(path, replacing=False) as early:
            early.write(b"early")
    assert path.read_bytes() == b"early" and list(tmp_path.iterdir()) == [path]


def test_a_folder_without_links_for_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    for content in (b"early", b"late"):
        try:
            with whole_file(tmp_path / "new", replacing=False) as file:
                file.write(content)
        except FileExistsError:
            assert content == b"late"
    assert (tmp_path / "new").read_bytes() == b"early" and len(list(tmp_path.iterdir())) == 1


def test_no_link_is_written_through(tmp_path: Path) -> None:
    """In a folder that others can write, they may have put one there."""
    mine, folder = tmp_path / "thesis", tmp_path / "shared"
    mine.write_text("mine")
    folder.mkdir()
    (folder / "sweep.json").symlink_to(mine)
    write_files(folder, {"sweep.json": b"{}"})
    assert mine.read_text() == "mine" and (folder / "sweep.json").read_text() == "{}"
