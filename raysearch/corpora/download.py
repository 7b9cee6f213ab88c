"""Downloads files of the data folder, whole or not at all, and checks their digests.

A file is written to ``NAME.part`` beside its destination, resumed after a broken connection,
compared with its SHA-256, synchronised to disk and only then renamed. A file with another digest
is deleted. Without a network the error says which file to put where.

A file without a pin in `registry` is downloaded only if the user provides its digest: a line
``DIGEST  path`` (the format of the program sha256sum) in the file ``SHA256SUMS`` of the data
folder.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from raysearch.corpora.registry import CORPORA, CorpusFile, CorpusInfo, corpus_info
from raysearch.errors import DataError
from raysearch.sources import file_digest
from raysearch.storage.no_follow import open_no_follow
from raysearch.storage.whole import keep_names

__all__ = ["CheckResult", "Progress", "check", "expected_digest", "fetch"]

OWN_PINS = "SHA256SUMS"
"""File of the data folder in the format of sha256sum: the user's own pins."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """State of one file.

    Attributes:
        corpora: Names of the corpora that read it.
        path: Its path relative to the data folder; for IEMOCAP its folder.
        state: ``ok``; ``missing``; ``damaged`` (another digest, or not readable); or
            ``unpinned`` (exists, but no digest is known).
        expected: SHA-256 that it should have, None if unpinned.
        found: SHA-256 that it has, None if there is none.
    """

    corpora: tuple[str, ...]
    path: str
    state: Literal["ok", "missing", "damaged", "unpinned"]
    expected: str | None = None
    found: str | None = None


def check(folder: str | Path, names: Collection[str] | None = None) -> list[CheckResult]:
    """Compare every file of the named corpora with its SHA-256, each file once.

    Args:
        folder: The data folder; it need not exist.
        names: Corpora; None for all. Bundled ones have no files and no result.

    Returns:
        One result per file, in the order of the registry.

    Raises:
        DataError: An unknown name.
    """
    root = Path(folder)
    infos = [corpus_info(name) for name in (CORPORA if names is None else names)]
    files: dict[str, CorpusFile] = {}
    readers: dict[str, list[str]] = {}
    for info in infos:
        # IEMOCAP is a folder of many files with a single entry.
        own = CorpusFile(path=info.folder, source="", sha256=None)
        for file in info.files or ((own,) if info.origin == "own" else ()):
            files[file.path] = file
            readers.setdefault(file.path, []).append(info.name)
    return [_check_file(file, root, tuple(readers[path])) for path, file in files.items()]


def _check_file(file: CorpusFile, root: Path, corpora: tuple[str, ...]) -> CheckResult:
    path = root / file.path
    expected = expected_digest(file, root)
    if not path.exists():
        return CheckResult(corpora=corpora, path=file.path, state="missing", expected=expected)
    if path.is_dir() and expected is None:
        return CheckResult(corpora=corpora, path=file.path, state="unpinned")
    try:
        found = file_digest(path)
    except OSError:
        return CheckResult(corpora=corpora, path=file.path, state="damaged", expected=expected)
    if expected is None:
        return CheckResult(corpora=corpora, path=file.path, state="unpinned", found=found)
    return CheckResult(
        corpora=corpora,
        path=file.path,
        state="ok" if found == expected else "damaged",
        expected=expected,
        found=found,
    )


def expected_digest(file: CorpusFile, root: Path) -> str | None:
    """The digest that a file must have: the project's pin, else the user's, else None.

    Raises:
        DataError: The user's ``SHA256SUMS`` cannot be read, or its digest is not a SHA-256.
    """
    if file.sha256 is not None:
        return file.sha256
    pins = root / OWN_PINS
    try:
        lines = pins.read_text(encoding="utf-8").splitlines() if pins.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"`{OWN_PINS}` must be a readable text file, but got: {error}") from None
    for number, line in enumerate(lines, start=1):
        digest, _, path = line.partition(" ")
        if path.strip().removeprefix("*") != file.path:
            continue
        if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
            raise DataError(
                f"`{file.path}` must have 64 hex digits as its SHA-256, but got {digest!r} "
                f"({pins}:{number})"
            )
        return digest.lower()
    return None


Progress = Callable[[str, int, int | None], None]
"""Called with the file's path, its bytes so far, and its size (None if unknown)."""

ATTEMPTS = 4
"""How often a file's connection may break before the user is asked to start again."""
CHUNK = 1 << 16
TIMEOUT_SECONDS = 30


class _CutError(Exception):
    """The connection ended before the file did; the bytes are kept for the next attempt."""


def fetch(name: str, folder: str | Path, on_progress: Progress | None = None) -> tuple[Path, ...]:
    """Download the files of a corpus that are missing or damaged.

    Args:
        name: A corpus in `CORPORA`. Bundled ones have no files: nothing is done.
        folder: The data folder; created if missing.
        on_progress: Called for every 64 KiB, and for files that were complete already.

    Returns:
        The files, all present with the right digest.

    Raises:
        DataError: The corpus must come from the user; no network; a wrong digest; a full disk.
            No incomplete file has the final name then; a partial download stays as ``.part``.
    """
    info = corpus_info(name)
    if info.origin == "own":
        raise DataError(
            f"corpus {name} must come from your own copy and is never downloaded: put it into "
            f"{Path(folder) / info.folder} ({info.licence})"
        )
    return tuple(
        _fetch_file(info, file, Path(folder), on_progress or _silent) for file in info.files
    )


def _silent(path: str, done: int, total: int | None) -> None:
    """Progress that is not shown."""


def _fetch_file(info: CorpusInfo, file: CorpusFile, folder: Path, on_progress: Progress) -> Path:
    target = folder / file.path
    expected = expected_digest(file, folder)
    if expected is None:
        raise DataError(
            f"`{file.path}` must have a known SHA-256 to be downloaded, but none is on record: "
            f"add a line `DIGEST  {file.path}` to {folder / 'SHA256SUMS'}, or put "
            f"{_origin(info, file)} at {target} yourself"
        )
    if target.is_file() and file_digest(target) == expected:
        size = target.stat().st_size
        on_progress(file.path, size, size)
        return target
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(info, file, part, expected, on_progress)
        part.replace(target)
        keep_names(target.parent)
    except urllib.error.URLError as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else error.reason
        raise DataError(
            f"`{file.path}` must be downloaded from {info.url(file)}, but got: {reason}; without "
            f"a network put {_origin(info, file)} at {target} and verify it with "
            f"`python -m raysearch data check {info.name}` (SHA-256 {expected})"
        ) from None
    except OSError as error:
        with contextlib.suppress(OSError):  # a full disk may refuse this too; report the first
            part.unlink()
        raise DataError(
            f"`{target}` must be writable, but got: {error.strerror or error}; free space or "
            "name another folder with --data-dir, then fetch again"
        ) from None
    return target


def _origin(info: CorpusInfo, file: CorpusFile) -> str:
    return f"{file.source} of https://github.com/{info.repository} at commit {info.commit}"


def _download(
    info: CorpusInfo, file: CorpusFile, part: Path, expected: str, on_progress: Progress
) -> None:
    """Fill ``part`` until it has the digest.

    A part of an earlier run may have other bytes: it is tried, then restarted once.
    """
    fresh = not part.exists()
    _complete(info.url(file), part, file.path, on_progress)
    found = file_digest(part)
    if found != expected and not fresh:
        part.unlink()
        _complete(info.url(file), part, file.path, on_progress)
        found = file_digest(part)
    if found == expected:
        return
    part.unlink()
    raise DataError(
        f"`{file.path}` must have SHA-256 {expected}, but {info.url(file)} gave {found}; the file "
        "was deleted: a proxy or mirror may have changed it, so try another network"
    )


def _complete(url: str, part: Path, path: str, on_progress: Progress) -> None:
    """Request the rest of a file until it is complete or was interrupted too often."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _receive(url, part, path, on_progress)
        except _CutError as error:
            if attempt == ATTEMPTS:
                raise DataError(
                    f"`{path}` must arrive whole, but the connection was cut {ATTEMPTS} times "
                    f"({error}); run the same command again to continue from where it stopped"
                ) from None


def _receive(url: str, part: Path, path: str, on_progress: Progress) -> None:
    """One request; append to ``part`` if the server can resume, else start again.

    Raises:
        _CutError: Fewer bytes came than were announced.
    """
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the server has nothing left to send: the digest decides
        raise
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _CutError(repr(error)) from None
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        with os.fdopen(open_no_follow(part, os.O_RDWR | os.O_CREAT), "r+b") as file:
            file.truncate(start)
            file.seek(start)
            done = _copy(answer, file, start, lambda count: on_progress(path, count, total))
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise _CutError(f"{done} of {total} bytes")


def _copy(
    answer: http.client.HTTPResponse, file: BinaryIO, done: int, tell: Callable[[int], None]
) -> int:
    """Copy chunk by chunk until the response ends; returns the size of the file then."""
    while True:
        try:
            chunk = answer.read(CHUNK)
        except http.client.IncompleteRead as error:
            chunk = error.partial
            file.write(chunk)
            return done + len(chunk)
        except (ConnectionError, TimeoutError):
            return done
        if not chunk:
            return done
        file.write(chunk)
        done += len(chunk)
        tell(done)
