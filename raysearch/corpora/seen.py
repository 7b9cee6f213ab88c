"""Finds texts that an encoder was trained on: rows with them, or their passages, are not scored.

They are every text of every training corpus, labelled or not, and those that an encoder exported by
this package was trained on before. A row counts as seen if its normalised text does, or if it
shares a passage with a training corpus other than its own (`Passages`): MR, SST-2 and SUBJ were cut
from the same reviews, with other borders, and short remarks recur in all corpora. Within a corpus
the official split stands; `raysearch.corpora.splits` counts what its parts have in common.

Whole training splits count, whatever part of them a trial uses and whether its variant trains at
all, so that all arms of a comparison are scored on the same rows.

Of MR's 10,662 texts 5,029 are word for word in SST-2's train split, and 6,260 share a passage
with it according to `Passages`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from raysearch.corpora.records import Corpus, Removal, Split, frozen, normalise

__all__ = [
    "LEAST_WORDS",
    "SHARED_WORDS",
    "TRAINED_ON",
    "Passages",
    "SeenTexts",
    "marks",
    "seen_rows",
    "words",
]

SHARED_WORDS = 8
"""Length in words of a common run that makes two texts overlap."""

LEAST_WORDS = 4
"""A text of fewer than `SHARED_WORDS` words overlaps one that contains it as a whole; a text of
fewer than this, such as MPQA's "complaining", only an equal one."""

_WORD = re.compile(r"[^\W_]+")


class Passages:
    """An index of the passages of some texts.

    Args:
        texts: The texts. Words are runs of letters and digits of the normalised text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._long = {passage for text in texts for passage in _long_passages(words(text))}
        self._all = "|".join(["", *(f" {' '.join(words(text))} " for text in texts), ""])

    def overlap(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which texts (N,) share a passage with an indexed one: `SHARED_WORDS`, `LEAST_WORDS`."""
        return np.array([self._holds(words(text)) for text in texts], dtype=bool)

    def _holds(self, found: Sequence[str]) -> bool:
        if len(found) >= SHARED_WORDS:
            return any(passage in self._long for passage in _long_passages(found))
        whole = f" {' '.join(found)} "
        return (whole if len(found) >= LEAST_WORDS else f"|{whole}|") in self._all


@lru_cache(maxsize=4)
def _passages(texts: tuple[str, ...]) -> Passages:
    """An index that the trials of a process share; that of EmoBank takes 0.7 s."""
    return Passages(texts)


def words(text: str) -> list[str]:
    """The runs of letters and digits of a text, in its normalised form."""
    return _WORD.findall(normalise(text))


def _long_passages(found: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(found) - SHARED_WORDS + 1):
        yield tuple(found[start : start + SHARED_WORDS])


TRAINED_ON = "trained on"
"""Reason of the `Removal` of rows that the encoder was trained on."""

Mask = npt.NDArray[np.bool_]


def marks(texts: Iterable[str]) -> frozenset[str]:
    """Hashes of the normalised texts, 16 hex digits each, for an exported encoder."""
    return frozenset(
        hashlib.blake2b(normalise(text).encode(), digest_size=8).hexdigest() for text in texts
    )


class SeenTexts:
    """Every text that a trial's encoder is trained on.

    Args:
        corpora: The training corpora, opened with train.
        before: `marks` of the texts that the encoder was trained on before.
    """

    def __init__(self, corpora: Sequence[Corpus], before: Collection[str] = ()) -> None:
        splits = {corpus.name: corpus.split("train").texts for corpus in corpora}
        self.marks = marks(text for texts in splits.values() for text in texts) | set(before)
        """`marks` of all of them."""
        self._splits = splits

    def among(self, corpus: Corpus, role: str) -> Mask:
        """Which rows (N,) of an opened role the encoder is trained on."""
        texts = corpus.split(role).texts
        found = np.array([bool(marks([text]) & self.marks) for text in texts], dtype=bool)
        others = tuple(
            text for name, split in self._splits.items() if name != corpus.name for text in split
        )
        return found | _passages(others).overlap(texts) if others else found

    def apart(self, corpus: Corpus) -> Corpus:
        """The corpus without the rows of its dev and test that are seen.

        Its train split stays whole: probes are fitted on it, and no fitted row is scored. The
        removed rows are listed in `Corpus.removed`.
        """
        splits, removed = [], list(corpus.removed)
        for role in corpus.roles:
            split = corpus.split(role)
            if role != "train" and (seen := self.among(corpus, role)).any():
                texts = {normalise(split.texts[row]) for row in np.flatnonzero(seen)}
                removed.append(
                    Removal(role=role, reason=TRAINED_ON, rows=int(seen.sum()), texts=len(texts))
                )
                split = _taken(split, ~seen)
            splits.append((role, split))
        return replace(corpus, removed=tuple(removed), _splits=tuple(splits))


def seen_rows(corpus: Corpus, role: str) -> int:
    """How many rows `SeenTexts.apart` removed from a role."""
    return sum(r.rows for r in corpus.removed if r.role == role and r.reason == TRAINED_ON)


def _taken(split: Split, chosen: Mask) -> Split:
    rows = np.flatnonzero(chosen)
    return Split(
        texts=tuple(split.texts[row] for row in rows),
        labels=frozen(split.labels[chosen]),
        ids=tuple(split.ids[row] for row in rows),
    )
