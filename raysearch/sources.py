"""The files that a number depends on: what a trial read, by name and SHA-256.

A reader of such a file reports it with `note_read`; `recorded` collects these reports. A row keeps
the result as text in its provenance, so that a later run can tell which file has changed. Names
identify a file rather than locate it, so that they are the same on every node:
``data xabsa/gold-en-dev.txt``, ``encoder NAME: FILE``, ``method carl``.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

from raysearch.json_text import read_json

__all__ = [
    "NUMERIC",
    "SOURCES",
    "VERSIONS",
    "Found",
    "digests",
    "file_digest",
    "note_read",
    "numbers_text",
    "recorded",
    "remembered",
    "short",
    "sources_of",
    "to_text",
    "versions_of",
]

SOURCES = "sources"
"""Key of a row's provenance."""
_FEW = 24
"""A folder with more files than this becomes one entry, to keep rows small."""
_COPIES = 32
P = ParamSpec("P")
T = TypeVar("T")
Found = dict[str, tuple[Path, str]]
"""Name of a file to its local path and its SHA-256."""
NUMERIC = ("torch", "transformers", "tokenizers", "scikit-learn", "numpy", "scipy")
"""Packages that numbers depend on, whose versions are in a row's provenance."""
VERSIONS = ("raysearch", "code", "python", *NUMERIC)
_ENCODER = re.compile(r"(encoder .+?)(?:: [^/]*|/ \(\d+ files, list [0-9a-f]{8}\))")
_found: ContextVar[Found | None] = ContextVar("found", default=None)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def note_read(name: str, path: Path, digest: str) -> None:
    """Report that a file was read.

    Args:
        name: Its name, the same on every node.
        path: Its local path.
        digest: SHA-256 (hex) of the bytes that were read.
    """
    found = _found.get()
    if found is not None:
        found[name] = (path, digest)


@contextmanager
def recorded() -> Iterator[Found]:
    """Yield a mapping that collects every file read inside: name to path and SHA-256."""
    found: Found = {}
    token = _found.set(found)
    try:
        yield found
    finally:
        _found.reset(token)
        for name, (path, digest) in found.items():
            note_read(name, path, digest)


def remembered(read: Callable[P, T]) -> Callable[P, T]:
    """Cache a reader's result while no file that it read has changed.

    The files are hashed on each call: they are small compared to a trial's work, and modification
    times are unreliable. Results are shared, so they must be frozen.
    """
    kept: OrderedDict[object, tuple[T, Found]] = OrderedDict()

    @functools.wraps(read)
    def reader(*args: P.args, **kwargs: P.kwargs) -> T:
        key = (args, tuple(sorted(kwargs.items())))
        if key in kept and _unchanged(kept[key][1]):
            for name, (path, digest) in kept[key][1].items():
                note_read(name, path, digest)
        else:
            with recorded() as found:
                value = read(*args, **kwargs)
            kept[key] = (value, found)
        kept.move_to_end(key)
        if len(kept) > _COPIES:
            kept.popitem(last=False)
        return kept[key][0]

    return reader


def _unchanged(found: Found) -> bool:
    try:
        return all(file_digest(path) == digest for path, digest in found.values())
    except OSError:
        return False


def to_text(read: Mapping[str, str]) -> str:
    """Names and digests as text for a row; many files of one folder become one entry.

    The entry's name has their number and a digest of their names, so that it identifies the set.
    """
    folders: dict[str, dict[str, str]] = {}
    for name, digest in read.items():
        folders.setdefault(name.rpartition("/")[0], {})[name] = digest
    kept: dict[str, str] = {}
    for folder, files in folders.items():
        if len(files) > _FEW:
            which = _digest("\n".join(sorted(files)))[:8]
            joined = json.dumps(files, sort_keys=True)
            kept[f"{folder}/ ({len(files)} files, list {which})"] = _digest(joined)
        else:
            kept |= files
    return json.dumps(kept, sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digests(found: Found) -> dict[str, str]:
    """Name to SHA-256 of the result of `recorded`."""
    return {name: digest for name, (_, digest) in found.items()}


def sources_of(provenance: Mapping[str, str]) -> dict[str, str]:
    """Name to digest, from a row; empty for older rows.

    The list of an encoder's files is one more source: every trial reads all of them, so adding or
    removing one makes another encoder.
    """
    try:
        found = read_json(provenance.get(SOURCES) or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    read = {name: value for name, value in found.items() if isinstance(value, str)}
    lists: dict[str, list[str]] = {}
    for name in sorted(read):
        if matched := _ENCODER.fullmatch(name):
            lists.setdefault(matched[1], []).append(name)
    return read | {f"{of}: (which files)": _digest("\n".join(names)) for of, names in lists.items()}


def versions_of(provenance: Mapping[str, str]) -> dict[str, str]:
    """Versions that rounding may depend on, as far as known; of Python the minor version."""
    found = {name: provenance[name] for name in VERSIONS if provenance.get(name)}
    if "python" in found:
        found["python"] = ".".join(found["python"].split(".")[:2])
    return found


def numbers_text(numbers: Iterable[int]) -> str:
    """``trial 3`` or ``trials 0 to 4, 7``."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    parts = [f"{first}" if first == last else f"{first} to {last}" for first, last in runs]
    one = len(runs) == 1 and runs[0][0] == runs[0][1]
    return f"trial{'' if one else 's'} {', '.join(parts)}"


def short(value: str) -> str:
    """A version unchanged, a digest by its first digits."""
    return value[:12] if len(value) == 64 else value
