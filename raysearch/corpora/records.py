"""Corpora in memory: frozen splits of the opened roles, built from rows of files.

A `Corpus` has texts and labels of the roles that the caller opened, and nothing of the others:
search code that opens train and dev has no access to test labels.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raysearch.corpora.registry import CorpusInfo, Task
from raysearch.errors import DataError, RoleError
from raysearch.printable import counted

__all__ = [
    "ROLES",
    "Corpus",
    "Labels",
    "Removal",
    "Row",
    "Rows",
    "Split",
    "assemble",
    "hashed_role",
    "normalise",
]

Labels = npt.NDArray[Any]

ROLES: tuple[str, ...] = ("train", "dev", "test")
"""The roles of a split, in the order of a corpus's digest."""


def normalise(text: str) -> str:
    """The form in which texts are compared: composed, case folded, single spaces.

    A letter with its accent may be one character or two (NFC, NFD), which look the same.
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The examples of one role; the arrays are read-only.

    Attributes:
        texts: N sentences as in the corpus, none of them blank.
        labels: For task ``va`` float32 (N, 2), columns valence and arousal in [0, 1]
            (carl.md eq. 12: end points of the rating scale, then clipped). Otherwise int64
            (N,), an index into `Corpus.label_names`.
        ids: N identifiers, unique within the corpus.
    """

    texts: tuple[str, ...]
    labels: Labels
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class Removal:
    """Rows that were left out of a corpus, and why.

    Attributes:
        role: Split that they were removed from; "all" for rows that belong to none.
        reason: ``in test`` and ``in dev`` (the normalised text also occurs there; a row of train
            that occurs in both counts in both), ``unrated``, ``blank``, or the loader's own reason.
        rows: Number of rows.
        texts: Number of distinct normalised texts among them; None if only rows were counted.
    """

    role: str
    reason: str
    rows: int
    texts: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """A loaded corpus.

    Attributes:
        name: Its name in `CORPORA`.
        task: ``va`` (valence-arousal regression), ``classes`` or ``polarity``.
        digest: SHA-256 (hex) of the rows as used: ids, texts and labels of all three roles,
            opened or not, so that it is the same for a search and for the final test.
        label_names: ("valence", "arousal"), or the class names in order of their ids.
        scale: End points of the rating scale before min-max; (0, number of classes - 1) for
            classes.
        removed: What was left out.
    """

    name: str
    task: Task
    digest: str
    label_names: tuple[str, ...]
    scale: tuple[float, float]
    removed: tuple[Removal, ...] = ()
    _splits: tuple[tuple[str, Split], ...] = field(default=(), repr=False)

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that were opened, in the order of `ROLES`."""
        return tuple(role for role, _ in self._splits)

    def split(self, role: str) -> Split:
        """The examples of one opened role.

        Raises:
            RoleError: The role was not opened when the corpus was loaded.
        """
        for opened, split in self._splits:
            if opened == role:
                return split
        raise RoleError(
            f"role `{role}` of corpus {self.name} must be opened before it is read, but it was "
            f"loaded with roles {', '.join(self.roles)}; search code opens train and dev only"
        )


def frozen(labels: Labels) -> Labels:
    """The same array, read-only."""
    array = np.ascontiguousarray(labels)
    array.flags.writeable = False
    return array


SPLIT_SEED = "raysearch split 1"
"""Changing it changes every unofficial split, and so every digest."""


class Row(NamedTuple):
    """One example from a loader.

    Attributes:
        id: Unique within the corpus.
        role: Its official split, or "" if the corpus has none.
        text: The sentence.
        label: (valence, arousal) on the corpus's own scale, or the class id.
    """

    id: str
    role: str
    text: str
    label: tuple[float, float] | int


@dataclass
class Rows:
    """The result of a loader.

    Attributes:
        rows: The examples in order of the file.
        dropped: Rows left out while reading, counted by reason.
    """

    rows: list[Row]
    dropped: dict[str, int] = field(default_factory=dict)


def hashed_role(normal: str) -> str:
    """The role of a text in a corpus without an official split: 80/10/10.

    It depends only on the normalised text, so equal texts share a role, in every corpus and on
    every machine.
    """
    digest = hashlib.sha256(f"{SPLIT_SEED}\n{normal}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return "train" if share < 0.8 else "dev" if share < 0.9 else "test"


def assemble(info: CorpusInfo, source: Rows, roles: Collection[str]) -> Corpus:
    """Split, separate shared texts, scale, digest, and keep the opened roles only.

    A text of test is taken out of dev and train, a text of dev out of train (carl.md §2).

    Args:
        info: The corpus.
        source: Its rows.
        roles: Roles to open.

    Raises:
        DataError: A role has no rows left.
    """
    members: dict[str, list[tuple[Row, str]]] = {role: [] for role in ROLES}
    for row in source.rows:
        normal = normalise(row.text)
        members[row.role or hashed_role(normal)].append((row, normal))
    removed = [
        Removal(role="all", reason=reason, rows=count, texts=None)
        for reason, count in source.dropped.items()
    ]
    removed += _hold_apart(members)
    empty = [role for role in ROLES if not members[role]]
    if empty:
        raise DataError(
            f"corpus {info.name} must have rows in train, dev and test, but got none in "
            f"{', '.join(empty)} of {counted(len(source.rows), 'row')}; the file is not complete"
        )
    splits = {role: _split(info, [row for row, _ in members[role]]) for role in ROLES}
    return Corpus(
        name=info.name,
        task=info.task,
        digest=_digest(splits),
        label_names=info.label_names,
        scale=info.scale,
        removed=tuple(removed),
        _splits=tuple((role, splits[role]) for role in ROLES if role in roles),
    )


def _hold_apart(members: dict[str, list[tuple[Row, str]]]) -> list[Removal]:
    """Remove shared texts from train and dev, in place; returns what was removed."""
    texts = {role: {normal for _, normal in members[role]} for role in ROLES}
    removed = []
    for role, others in (("train", ("test", "dev")), ("dev", ("test",))):
        for other in others:
            shared = [normal for _, normal in members[role] if normal in texts[other]]
            if shared:
                removed.append(
                    Removal(
                        role=role, reason=f"in {other}", rows=len(shared), texts=len(set(shared))
                    )
                )
        taken = set().union(*(texts[other] for other in others))
        members[role] = [member for member in members[role] if member[1] not in taken]
    return removed


def _split(info: CorpusInfo, rows: list[Row]) -> Split:
    return Split(
        texts=tuple(row.text for row in rows),
        labels=frozen(_labels(info, rows)),
        ids=tuple(row.id for row in rows),
    )


def _labels(info: CorpusInfo, rows: list[Row]) -> Labels:
    """Labels as `Split` describes them; eq. 12 with the end points of the scale."""
    raw = [row.label for row in rows]
    if info.task != "va":
        return np.array(raw, dtype="<i8")
    low, high = info.scale
    scaled = (np.array(raw, dtype=np.float64).reshape(-1, 2) - low) / (high - low)
    return scaled.clip(0.0, 1.0).astype("<f4")


def _digest(splits: Mapping[str, Split]) -> str:
    """SHA-256 over role, ids, texts and label bytes (little endian) of every split."""
    digest = hashlib.sha256()
    for role, split in splits.items():
        digest.update(f"{role} {len(split)}\n".encode())
        for name, text in zip(split.ids, split.texts, strict=True):
            digest.update(f"{name}\x1f{text}\x1e".encode())
        digest.update(split.labels.tobytes())
    return digest.hexdigest()
