"""What is a corpus once it is loaded: frozen splits, and only those that were opened.

A `Corpus` holds texts and labels of the roles that the caller opened, and nothing of the
others: search code that opens train and dev cannot read a test label by any path.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from raysearch.errors import RoleError

__all__ = ["ROLES", "Corpus", "Labels", "Removal", "Split", "Task", "normalise"]

Task = Literal["va", "classes", "polarity", "absa"]
Labels = npt.NDArray[Any]

ROLES: tuple[str, ...] = ("train", "dev", "test")
"""The roles of a split, in the order of a corpus's digest."""


def normalise(text: str) -> str:
    """The form in which two texts count as the same: composed, case folded, one space for many.

    A letter with its accent may be one character or two (NFC, NFD), which look the same.
    """
    folded = unicodedata.normalize("NFD", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The examples of one role; the arrays cannot be written to.

    Attributes:
        texts: N sentences as they stand in the corpus, none of them blank.
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
        role: Split that they were taken out of; "all" for rows that belong to none.
        reason: ``in test`` and ``in dev`` (the normalised text stands there as well; a row
            of train that stands in both counts in both), ``unrated``, ``blank``, or the
            loader's own word.
        rows: Number of rows.
        texts: Number of different normalised texts among them; None where only rows were
            counted.
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
            whichever were opened, so that it names the same corpus for a search and for the
            final test.
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
