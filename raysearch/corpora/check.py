"""Are the files in the data folder the ones that were measured?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raysearch.corpora.registry import CORPORA, CorpusFile, corpus_info
from raysearch.errors import DataError
from raysearch.sources import file_digest

__all__ = ["CheckResult", "check", "expected_digest"]

OWN_PINS = "SHA256SUMS"
"""File of the data folder, as the program sha256sum writes it: the user's own pins."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What was found where one file should be.

    Attributes:
        corpora: Names of the corpora that read it.
        path: Where it should lie, relative to the data folder; for IEMOCAP its folder.
        state: ``ok``; ``missing``; ``damaged`` (another digest, or not readable); or
            ``unpinned`` (here, but no digest is known to compare with).
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
        names: Corpora; None for all. Bundled ones have no files and give no result.

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
        # IEMOCAP is a folder of many files; its entry stands for all of them.
        own = CorpusFile(path=info.folder, source="", sha256=None)
        for file in info.files or ((own,) if info.origin == "own" else ()):
            files[file.path] = file
            readers.setdefault(file.path, []).append(info.name)
    return [_check_file(file, root, tuple(readers[path])) for path, file in files.items()]


def _check_file(file: CorpusFile, root: Path, corpora: tuple[str, ...]) -> CheckResult:
    place = root / file.path
    expected = expected_digest(file, root)
    if not place.exists():
        return CheckResult(corpora=corpora, path=file.path, state="missing", expected=expected)
    if place.is_dir() and expected is None:
        return CheckResult(corpora=corpora, path=file.path, state="unpinned")
    try:
        found = file_digest(place)
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
        DataError: The user's ``SHA256SUMS`` cannot be read, or its digest is no SHA-256.
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
