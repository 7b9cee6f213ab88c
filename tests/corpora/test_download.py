"""Is what `fetch` leaves behind whole, right, or nothing? Against a server of our own."""

import errno
import hashlib
import http.server
import os
import threading
from dataclasses import dataclass, field, replace

import pytest

from raysearch.corpora import CORPORA, CorpusFile, check, download, fetch
from raysearch.errors import DataError, StoreError

CONTENT = bytes(range(256)) * 2000  # 512,000 bytes
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "toy/toy.txt"


@dataclass
class Behaviour:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    ranges: bool = True
    length: bool = True
    cut_after: list[int] = field(default_factory=list)
    status: int = 200
    asked: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        to_do = self.server.behaviour
        wanted = self.headers["Range"]
        to_do.asked.append(wanted)
        to_do.paths.append(self.path)
        if to_do.status != 200:
            self.send_error(to_do.status)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and to_do.ranges else 0
        if start and start >= len(to_do.content):
            self.send_error(416)
            return
        body = to_do.content[start:]
        self.send_response(206 if start else 200)
        if to_do.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: to_do.cut_after.pop(0)] if to_do.cut_after else body)

    def log_message(self, *args):
        """No log on standard error."""


@pytest.fixture
def server(monkeypatch):
    """A corpus `toy` whose only file this server has; yields the server's behaviour."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.behaviour = Behaviour()
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        _register(monkeypatch, f"http://127.0.0.1:{running.server_port}", DIGEST)
        yield running.behaviour
        running.shutdown()
        thread.join()


def _register(monkeypatch, address, digest):
    info = replace(
        CORPORA["emobank"],
        name="toy",
        files=(CorpusFile(path=PATH, source="data/toy.txt", sha256=digest),),
        url_template=address + "/{repository}/{commit}/{path}",
    )
    monkeypatch.setitem(CORPORA, "toy", info)


def _files(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if not f.is_dir())


def test_downloads_verifies_and_tells_progress(server, tmp_path):
    told = []
    (file,) = fetch("toy", tmp_path / "new", lambda *step: told.append(step))
    assert file.read_bytes() == CONTENT
    assert _files(tmp_path) == [f"new/{PATH}"]
    assert server.paths == [
        "/JULIELab/EmoBank/248ce2a43e165a66d31aeaed83cff9641d6654e0/data/toy.txt"
    ]
    assert told[-1] == (PATH, len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    assert len(told) >= 8


def test_a_file_that_is_here_is_not_asked_for_again(server, tmp_path):
    fetch("toy", tmp_path)
    told = []
    fetch("toy", tmp_path, lambda *step: told.append(step))
    assert len(server.asked) == 1
    assert told == [(PATH, len(CONTENT), len(CONTENT))]


def test_a_damaged_file_is_replaced(server, tmp_path):
    (file,) = fetch("toy", tmp_path)
    file.write_bytes(CONTENT[:-1])
    fetch("toy", tmp_path)
    assert file.read_bytes() == CONTENT


def test_goes_on_at_once_after_a_cut_connection(server, tmp_path):
    server.cut_after = [200_000, 100_000]
    told = []
    (file,) = fetch("toy", tmp_path, lambda *step: told.append(step))
    assert file.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=200000-", "bytes=300000-"]
    assert {total for _, _, total in told} == {len(CONTENT)}


def test_keeps_what_came_and_goes_on_in_the_next_run(server, tmp_path):
    server.cut_after = [1000] * download.ATTEMPTS
    with pytest.raises(DataError, match="cut 4 times .*run the same command again"):
        fetch("toy", tmp_path)
    assert _files(tmp_path) == [PATH + ".part"]
    (file,) = fetch("toy", tmp_path)
    assert file.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=4000-"
    assert _files(tmp_path) == [PATH]


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    server.ranges = False
    server.cut_after = [300_000]
    (file,) = fetch("toy", tmp_path)
    assert file.read_bytes() == CONTENT


def test_a_server_that_tells_no_length(server, tmp_path):
    server.length = False
    told = []
    (file,) = fetch("toy", tmp_path, lambda *step: told.append(step))
    assert file.read_bytes() == CONTENT
    assert told[-1] == (PATH, len(CONTENT), None)


def test_wrong_bytes_are_refused_and_deleted(server, tmp_path):
    server.content = CONTENT + b"!"
    with pytest.raises(DataError, match=f"must have SHA-256 {DIGEST}, but .* gave .*was deleted"):
        fetch("toy", tmp_path)
    assert _files(tmp_path) == []


def test_wrong_bytes_do_not_replace_what_was_there(server, tmp_path):
    (file,) = fetch("toy", tmp_path)
    file.write_bytes(b"mine")
    server.content = b"other"
    with pytest.raises(DataError, match="must have SHA-256"):
        fetch("toy", tmp_path)
    assert file.read_bytes() == b"mine"
    assert _files(tmp_path) == [PATH]


@pytest.mark.parametrize("left", [b"x" * 1000, CONTENT, CONTENT + b"too long", b""])
def test_a_part_of_other_bytes_is_begun_anew(server, tmp_path, left):
    part = tmp_path / (PATH + ".part")
    part.parent.mkdir()
    part.write_bytes(left)
    (file,) = fetch("toy", tmp_path)
    assert file.read_bytes() == CONTENT
    assert _files(tmp_path) == [PATH]


def test_a_full_disk_is_one_sentence_and_leaves_nothing(server, monkeypatch, tmp_path):
    def full(answer, file, done, tell):
        file.write(answer.read(1000))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download, "_copy", full)
    with pytest.raises(DataError, match=r"must be writable, but got: No space left.*free space"):
        fetch("toy", tmp_path)
    assert _files(tmp_path) == []


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "toy").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="must be writable, but got: "):
        fetch("toy", tmp_path)


def test_offline_says_which_file_goes_where(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _register(monkeypatch, "http://127.0.0.1:9", DIGEST)
    with pytest.raises(DataError) as caught:
        fetch("toy", tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "Connection refused",
        "put data/toy.txt of https://github.com/JULIELab/EmoBank at commit 248ce2a4",
        f"at {tmp_path / PATH}",
        "python -m raysearch data check toy",
        DIGEST,
    ):
        assert part in message
    assert _files(tmp_path) == []


def test_a_file_that_the_server_does_not_have(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match="but got: HTTP Error 404"):
        fetch("toy", tmp_path)
    assert _files(tmp_path) == []


def test_without_a_pin_the_user_must_name_the_digest(server, tmp_path, monkeypatch):
    info = CORPORA["toy"]
    unpinned = replace(info, files=(replace(info.files[0], sha256=None),))
    monkeypatch.setitem(CORPORA, "toy", unpinned)
    with pytest.raises(DataError, match=f"`{PATH}` must have a known SHA-256.*SHA256SUMS"):
        fetch("toy", tmp_path)
    assert not server.asked
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.txt\n{DIGEST.upper()}  {PATH}\n")
    (file,) = fetch("toy", tmp_path)
    assert file.read_bytes() == CONTENT
    assert [r.state for r in check(tmp_path, ["toy"])] == ["ok"]


def test_bundled_corpora_have_nothing_to_fetch(tmp_path):
    assert fetch("sample", tmp_path) == ()
    assert _files(tmp_path) == []


def test_a_download_does_not_write_through_a_link(server, tmp_path):
    """Whoever may write to a shared folder could leave one under the unfinished file's name."""
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    (tmp_path / "data" / "toy").mkdir(parents=True)
    (tmp_path / "data" / f"{PATH}.part").symlink_to(thesis)
    with pytest.raises(StoreError, match="must be a file of its own, but is a symbolic link"):
        fetch("toy", tmp_path / "data")
    assert thesis.read_text() == "years of work"
