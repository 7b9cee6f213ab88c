"""A session's folder: private, short enough for a socket, and gone when the session is."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from raysearch.cluster import session_folder as module
from raysearch.cluster.session_folder import INNER, MARKER, scratch_folder, session_folder
from raysearch.errors import ConfigError, RaysearchError


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with a short path that TMPDIR names."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def made(base: Path, name: str, *, marker: bool = True) -> Path:
    """What a session that is gone has left."""
    folder = base / name
    (folder / INNER / "session_x" / "logs").mkdir(parents=True)
    folder.chmod(0o700)
    if marker:
        (folder / MARKER).touch()
    return folder


def test_the_folder_is_private_and_goes_with_the_session(base: Path) -> None:
    with session_folder() as folder:
        (folder / "session_x").mkdir()
        folder.chmod(0o777)  # as Ray does
        assert [folder.parent] == list(base.iterdir())
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
        session = f"session_2026-01-01_00-00-00_000000_{os.getpid()}"
        assert len(str(folder / session / "sockets" / "plasma_store")) <= 103
    assert not list(base.iterdir())


def test_its_longest_path_is_just_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    session = f"session_2026-01-01_00-00-00_000000_{os.getpid()}"
    rest = len(f"/ray-xxxxxxxx/r/{session}/sockets/plasma_store")
    monkeypatch.setattr(module, "LONGEST_SOCKET", rest + len("/tmp"))
    assert module._unfit("/tmp") == ""
    monkeypatch.setattr(module, "LONGEST_SOCKET", rest + len("/tmp") - 1)
    assert module._unfit("/tmp") == "4 bytes, but at most 3 leave room for a socket"


def test_a_folder_that_will_not_do_is_passed_over(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = base / "shared"
    shared.mkdir()
    shared.chmod(0o777)  # anybody can rename what lies there: no sticky bit
    strange = Path(os.fsdecode(os.fsencode(base) + b"/caf\xe9"))
    strange.mkdir()
    for unfit in (base / ("long" * 20), shared, base / "none", ".", strange):
        monkeypatch.setenv("RAY_TMPDIR", str(unfit))
        with session_folder() as folder:
            assert folder.parent.parent == base, unfit
    shared.chmod(0o1777)
    monkeypatch.setenv("RAY_TMPDIR", str(shared))
    with session_folder() as folder:
        assert folder.parent.parent == shared


def test_a_disk_that_knows_no_locks_is_passed_over(
    base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def lock(marker: int, how: int) -> None:
        if os.path.dirname(os.readlink(f"/proc/self/fd/{marker}")).startswith(str(base)):
            raise OSError(errno.ENOLCK, "No locks available")

    other = tmp_path_factory.mktemp("b")  # never the real /tmp: live sessions have locks there
    monkeypatch.setattr(module, "BASES", (str(other),))
    monkeypatch.setattr(module, "LONGEST_SOCKET", 1000)
    monkeypatch.setattr(module.fcntl, "flock", lock)
    with session_folder() as folder:
        assert folder.parent.parent == other
        assert not list(base.iterdir())


def test_no_folder_at_all_is_one_sentence(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    monkeypatch.setenv("RAY_TMPDIR", "/" + "x" * 100)
    with pytest.raises(ConfigError) as caught, session_folder():
        pass
    (said,) = caught.value.problems
    assert f"{base} (Permission denied), /tmp (Permission denied), /var/tmp" in said
    assert "(101 bytes, but at most" in said and "set TMPDIR" in said


def test_what_a_killed_session_left_goes_with_the_next(base: Path) -> None:
    dead = made(base, "ray-deadbeef")
    with session_folder() as alive:
        assert not dead.exists()
        with session_folder() as other:
            assert alive.exists() and other.exists()
        assert alive.exists() and not other.exists()


def test_nothing_of_others_is_touched(base: Path) -> None:
    """No folder without our marker, none that others enter, and nothing through a link."""
    theirs = made(base, "ray-12345678", marker=False)
    open_to_all = made(base, "ray-abcdefgh")
    open_to_all.chmod(0o755)
    foreign = made(base, "ray-zzzzzzzz")
    os.chown(foreign, os.geteuid() + 1, -1) if os.geteuid() == 0 else foreign.chmod(0o755)
    target = made(base, "thesis")
    (base / "ray-linklink").symlink_to(target)
    behind = made(base, "ray-linkmark", marker=False)
    (behind / MARKER).symlink_to(target / MARKER)
    with session_folder():
        pass
    for folder in (theirs, open_to_all, foreign, target, behind):
        assert (folder / INNER / "session_x" / "logs").is_dir(), folder
    assert (target / MARKER).exists() and (base / "ray-linklink").is_symlink()


@pytest.mark.parametrize("error", [RaysearchError("wrong"), KeyboardInterrupt(), SystemExit(1)])
def test_an_orderly_end_leaves_nothing(base: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), session_folder():
        raise error
    assert not list(base.iterdir())


def test_a_bug_leaves_the_logs_until_the_next_session(base: Path) -> None:
    with pytest.raises(ZeroDivisionError), session_folder() as folder:
        (folder / "log").touch()
        raise ZeroDivisionError
    assert (folder / "log").exists()
    with session_folder():
        assert not folder.exists()


@pytest.fixture
def temporary(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder as that of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(base))
    return base


def test_what_a_killed_process_left_goes_with_the_next_of_its_purpose(temporary: Path) -> None:
    dead, other = made(temporary, "raysearch-tune-deadbeef"), made(temporary, "ray-deadbeef")
    theirs = made(temporary, "raysearch-tune-12345678", marker=False)
    with scratch_folder("tune") as first:
        assert not dead.exists() and other.exists() and theirs.exists()
        (first / "file").touch()
        with scratch_folder("tune") as second:
            assert (first / "file").exists() and second != first
        assert not second.parent.exists()
    assert sorted(temporary.iterdir()) == [other, theirs]


def test_a_folder_of_temporary_files_that_is_no_text_is_passed_over(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = Path(os.fsdecode(os.fsencode(base) + b"/caf\xe9"))
    strange.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(strange))
    monkeypatch.setattr(module, "BASES", (str(base),))
    with scratch_folder("tune") as folder:
        assert folder.parent.parent == base


def test_a_killed_process_lets_go_of_its_folder(temporary: Path) -> None:
    code = (
        "import sys, time; from raysearch.cluster.session_folder import scratch_folder\n"
        "with scratch_folder('slot') as folder:\n"
        "    (folder / 'file').touch(); print(folder, flush=True); time.sleep(600)"
    )
    env = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env
    ) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        with scratch_folder("slot"):
            assert (left / "file").exists()
        killed.kill()
    assert left.exists()
    with scratch_folder("slot"):
        assert not left.exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_that_knows_no_locks_holds_scratch_all_the_same(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(marker: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module.fcntl, "flock", refuse)
    with scratch_folder("tune") as folder:
        (folder / "file").touch()
    assert not list(temporary.iterdir())
