"""Does a sentiment probe that was fitted on one corpus hold on another?

Polarity corpora share sentences: most of SST-2 is cut from the sentences of MR (5,397 of MR's
10,684 stand in SST-2's train split letter for letter, and 6,257 share eight words in a row
with it). A probe that is scored on what it was fitted on shows no transfer, so rows that
overlap the source's fitting texts are not scored, and the number of rows that were is
reported beside every accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raysearch import metrics
from raysearch.methods.carl.embedded import EmbeddedCorpus
from raysearch.methods.carl.probes import LogisticProbe

__all__ = ["SHARED_WORDS", "overlapping", "transfer_matrix"]

SHARED_WORDS = 8
"""So many equal words in a row make two texts overlap; shorter texts must be equal as a whole."""

_WORD = re.compile(r"[^\W_]+")


def transfer_matrix(
    corpora: Sequence[EmbeddedCorpus], probes: Mapping[str, LogisticProbe], role: str
) -> dict[str, float]:
    """Accuracy of every corpus's probe on every other corpus with the same label names.

    Args:
        corpora: Polarity corpora; each holds ``train`` (what its probe was fitted on) and `role`.
        probes: Corpus name to the probe fitted on its train split.
        role: Split that is scored.

    Returns:
        ``{role}/{source}>{target}/accuracy`` and ``…/rows``, the number of rows scored; a pair
        of which no row is left is absent.
    """
    found = {}
    for source in corpora:
        targets = [
            corpus
            for corpus in corpora
            if corpus.name != source.name and corpus.label_names == source.label_names
        ]
        seen = _shingles(source.splits["train"].texts) if targets else set()
        for target in targets:
            split = target.splits[role]
            fresh = ~_overlap_mask(split.texts, seen)
            if not fresh.any():
                continue
            predicted = probes[source.name].predict(split.rows[fresh])
            name = f"{role}/{source.name}>{target.name}"
            found[f"{name}/accuracy"] = metrics.accuracy(predicted, split.labels[fresh])
            found[f"{name}/rows"] = float(fresh.sum())
    return found


def overlapping(texts: Sequence[str], fitted_texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts (N,) share `SHARED_WORDS` words in a row, or all, with a fitted text.

    Words are runs of letters and digits, case folded.
    """
    return _overlap_mask(texts, _shingles(fitted_texts))


def _overlap_mask(texts: Sequence[str], seen: set[int]) -> npt.NDArray[Any]:
    shared = [any(shingle in seen for shingle in _text_shingles(text)) for text in texts]
    return np.array(shared, dtype=bool)


def _shingles(texts: Sequence[str]) -> set[int]:
    return {shingle for text in texts for shingle in _text_shingles(text)}


def _text_shingles(text: str) -> Iterator[int]:
    words = _WORD.findall(text.casefold())
    for start in range(max(1, len(words) - SHARED_WORDS + 1)):
        yield hash(tuple(words[start : start + SHARED_WORDS]))
