"""Which texts share a passage, though they are not equal?

Corpora of reviews were cut from the same sources: of MR's 10,662 texts 5,029 stand word for word
in SST-2's train split, and 6,260 share a passage with it as `Passages` has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from raysearch.corpora.records import normalise

__all__ = ["LEAST_WORDS", "SHARED_WORDS", "Passages"]

SHARED_WORDS = 8
"""So many equal words in a row make two texts overlap."""

LEAST_WORDS = 4
"""A text of fewer than `SHARED_WORDS` words overlaps one that holds it as a whole; a text of
fewer than this, such as MPQA's "complaining", only its equal."""

_WORD = re.compile(r"[^\W_]+")


class Passages:
    """Some texts, ready to be looked through.

    Args:
        texts: The texts. Words are runs of letters and digits of the normalised text.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._long = {passage for text in texts for passage in _long_passages(_words(text))}
        self._all = "|".join(["", *(f" {' '.join(_words(text))} " for text in texts), ""])

    def overlap(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which texts (N,) share a passage with one of these: `SHARED_WORDS`, `LEAST_WORDS`."""
        return np.array([self._holds(_words(text)) for text in texts], dtype=bool)

    def _holds(self, words: Sequence[str]) -> bool:
        if len(words) >= SHARED_WORDS:
            return any(passage in self._long for passage in _long_passages(words))
        whole = f" {' '.join(words)} "
        return (whole if len(words) >= LEAST_WORDS else f"|{whole}|") in self._all


def _words(text: str) -> list[str]:
    return _WORD.findall(normalise(text))


def _long_passages(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(words) - SHARED_WORDS + 1):
        yield tuple(words[start : start + SHARED_WORDS])
