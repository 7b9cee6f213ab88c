"""Does a sentiment probe that was fitted on one corpus hold on another?

Polarity corpora share sentences: most of SST-2 is cut from the sentences of MR. Of MR's 10,662
texts 5,029 stand word for word in SST-2's train split, and 6,260 overlap it as `overlapping`
has it. A probe that is scored on what it was fitted on shows no transfer (MiniLM, SST-2 to
MR's test split: .81 on rows that overlap, .71 on the others), so rows that overlap the source's
fitting texts are not scored, and the number of rows that are is reported beside every accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from raysearch import metrics
from raysearch.methods.carl.embedded import EmbeddedCorpus
from raysearch.methods.carl.probes import LogisticProbe

__all__ = ["SHARED_WORDS", "overlapping", "transfer_matrix"]

SHARED_WORDS = 8
"""So many equal words in a row make two texts overlap."""

LEAST_WORDS = 4
"""A text of fewer than `SHARED_WORDS` words overlaps one that holds it as a whole; a text of
fewer than this, such as MPQA's "complaining", only its equal."""

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
        seen = _Passages(source.splits["train"].texts if targets else ())
        for target in targets:
            split = target.splits[role]
            fresh = ~seen.overlap(split.texts)
            if not fresh.any():
                continue
            predicted = probes[source.name].predict(split.rows[fresh])
            name = f"{role}/{source.name}>{target.name}"
            found[f"{name}/accuracy"] = metrics.accuracy(predicted, split.labels[fresh])
            found[f"{name}/rows"] = float(fresh.sum())
    return found


def overlapping(texts: Sequence[str], fitted_texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts (N,) share a passage with a fitted text: see `SHARED_WORDS`, `LEAST_WORDS`.

    Words are runs of letters and digits, case folded.
    """
    return _Passages(fitted_texts).overlap(texts)


class _Passages:
    """The texts of one source, ready to be looked through."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._long = {passage for text in texts for passage in _long_passages(_words(text))}
        self._all = "|".join(["", *(f" {' '.join(_words(text))} " for text in texts), ""])

    def overlap(self, texts: Sequence[str]) -> npt.NDArray[np.bool_]:
        return np.array([self._holds(_words(text)) for text in texts], dtype=bool)

    def _holds(self, words: Sequence[str]) -> bool:
        if len(words) >= SHARED_WORDS:
            return any(passage in self._long for passage in _long_passages(words))
        whole = f" {' '.join(words)} "
        return (whole if len(words) >= LEAST_WORDS else f"|{whole}|") in self._all


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _long_passages(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(words) - SHARED_WORDS + 1):
        yield tuple(words[start : start + SHARED_WORDS])
