"""Files that appear whole or not at all, and what a full disk, a link or a device makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from raysearch.errors import StoreError
from raysearch.storage import write_files
from raysearch.storage.whole import MARKER, new_folder, whole_file, write_output

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


MAKER = """
import sys, time
from pathlib import Path
from raysearch.storage.whole import new_folder
with new_folder(Path(sys.argv[1])) as content:
    content.mkdir()
    (content / "half").touch()
    print("begun", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_folder_is_there_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "above" / "made"
    with new_folder(path) as content:
        content.mkdir()
        (content / "file").touch()
        with new_folder(content / "inner") as inner:
            inner.mkdir()
        assert not path.exists()
    assert names(tmp_path) == ["above", "above/made", "above/made/file", "above/made/inner"]
    assert path.stat().st_mode & 0o777 == 0o777 & ~umask()


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_nothing_is_left_of_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "made") as content:
        content.mkdir()
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link", "dangling"])
def test_what_is_there_stays(tmp_path: Path, kind: str) -> None:
    path, mine = tmp_path / "made", tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_text("mine")
    if kind == "file":
        path.write_text("mine")
    elif kind in ("link", "dangling"):
        path.symlink_to(mine if kind == "link" else tmp_path / "nowhere")
    else:
        path.mkdir()
        if kind == "folder":
            (path / "thesis").write_text("mine")
    before = names(tmp_path)
    with pytest.raises(StoreError, match="must not exist yet, but does"), new_folder(path):
        raise AssertionError("the block must not begin")
    assert names(tmp_path) == before


def test_what_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "made"
    with pytest.raises(StoreError, match="must not exist yet"), new_folder(path) as content:
        content.mkdir()
        path.mkdir()
        (path / "thesis").write_text("mine")
    assert names(tmp_path) == ["made", "made/thesis"]


def test_of_two_one_is_told_and_the_next_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "made"
    first = subprocess.Popen(
        [sys.executable, "-c", MAKER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout
    try:
        assert first.stdout.readline() == "begun\n"
        with pytest.raises(StoreError, match="by one process at a time, but another makes it now"):
            with new_folder(path):
                raise AssertionError("the block must not begin")
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
    assert ".made.raysearch/content/half" in names(tmp_path)
    with new_folder(path) as content:
        content.mkdir()
    assert names(tmp_path) == ["made"]


def test_a_folder_of_somebody_else_in_the_way_stays(tmp_path: Path) -> None:
    draft, mine = tmp_path / ".made.raysearch", tmp_path / "mine"
    mine.mkdir()
    (mine / MARKER).touch()
    for make in (draft.mkdir, lambda: draft.symlink_to(mine)):
        make()
        if not draft.is_symlink():
            (draft / "thesis").write_text("mine")
        before = names(tmp_path)
        with pytest.raises(StoreError, match="made by somebody else; move it away"):
            with new_folder(tmp_path / "made"):
                raise AssertionError("the block must not begin")
        assert names(tmp_path) == before
        if not draft.is_symlink():
            (draft / "thesis").unlink()
            draft.rmdir()
    (tmp_path / ".other.raysearch").mkdir()  # nothing in it: nothing to lose
    (tmp_path / ".linked.raysearch").mkdir()
    (tmp_path / ".linked.raysearch" / MARKER).symlink_to(mine / "thesis")
    with pytest.raises(StoreError, match="made by somebody else"), new_folder(tmp_path / "linked"):
        raise AssertionError("the block must not begin")
    with new_folder(tmp_path / "other") as content:
        content.mkdir()
    assert (tmp_path / "other").is_dir() and not (mine / "thesis").exists()


def test_a_marker_of_that_name_is_not_enough(tmp_path: Path) -> None:
    """Neither a user's folder with such a file in it, nor a link where the content would be."""
    signed = tmp_path / ".signed.raysearch"
    with new_folder(tmp_path / "signed") as content:
        sign = (signed / MARKER).read_bytes()
        content.mkdir()
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("mine")
    for name, text, more in (
        ("plain", b"a text", "content/chapter.tex"),
        ("empty", b"", "content/chapter.tex"),
        ("more", sign, "thesis.tex"),
        ("link", sign, ""),
    ):
        draft = tmp_path / f".{name}.raysearch"
        draft.mkdir()
        (draft / more).parent.mkdir(exist_ok=True)
        (draft / MARKER).write_bytes(text)
        if more:
            (draft / more).write_text("mine")
        else:
            (draft / "content").symlink_to(thesis)
        before = names(tmp_path)
        with pytest.raises(StoreError, match="made by somebody else"), new_folder(tmp_path / name):
            raise AssertionError("the block must not begin")
        assert names(tmp_path) == before
