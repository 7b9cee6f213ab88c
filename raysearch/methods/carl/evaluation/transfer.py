"""Does a sentiment probe that was fitted on one corpus hold on another?

Polarity corpora share sentences: most of SST-2 is cut from the sentences of MR. Of MR's 10,662
texts 5,029 stand word for word in SST-2's train split, and 6,260 overlap it as `Passages`
has it. A probe that is scored on what it was fitted on shows no transfer (MiniLM, SST-2 to
MR's test split: .81 on rows that overlap, .71 on the others), so rows that overlap the source's
fitting texts are not scored, and the number of rows that are is reported beside every accuracy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raysearch import metrics
from raysearch.corpora.passages import Passages
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus
from raysearch.methods.carl.evaluation.probes import LogisticProbe

__all__ = ["transfer_matrix"]


def transfer_matrix(
    corpora: Sequence[EmbeddedCorpus], probes: Mapping[str, LogisticProbe], role: str
) -> dict[str, float]:
    """Accuracy of every corpus's probe on every other corpus with the same label names.

    Args:
        corpora: Polarity corpora; each holds ``train`` (what its probe was fitted on) and `role`,
            without the rows that the encoder was trained on.
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
        seen = Passages(source.splits["train"].texts if targets else ())
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
