"""All metrics of a CARL report, computed with the encoder in eval mode.

The frozen-probe protocol: every corpus goes through the encoder once, and linear probes are
fitted on the embeddings. Fine-tuning is another protocol with other metric names
(`finetune`); the two are never compared.

==========  ================================  ===============================================
task        role ``dev``                      role ``test``
==========  ================================  ===============================================
va          ridge fitted on train; each half  penalty chosen on dev, fitted on train,
            of dev is scored with the         scored on test
            penalty that the other chose
classes,    logistic regression, the same     the same
polarity
polarity,   as above                          10-fold cross-validation over the whole corpus
MR CR SUBJ                                    (SentEval; SST-2 keeps its fixed splits), scored on
MPQA                                          the rows that the encoder was not trained on
transfer    the polarity probe fitted on      the same, scored on the other's test
            train, penalty chosen on dev,
            scored on another corpus's dev,
            shared texts left out (`scores`)
==========  ================================  ===============================================

So no penalty is chosen on rows that the encoder may know by heart, nor on those that are scored. Of
valence and arousal the correlations of the halves are averaged, as their penalties shrink the
predictions differently. Where dev has no row that is new to the encoder, the halves of test choose.
With `probe_layers` mix every choice is also of layers (`layer_mix`).

No row is scored that the encoder was trained on, in any of them (`corpora.seen`): fine-tuning
on CR scores .955 by cross-validation with such rows, .793 on its held-out test. How many a corpus
loses is reported as ``{role}/{corpus}/left_out``, absent if it loses none; if no row is left its
scores are absent, and so is every mean that includes them.

SentEval as SimCSE runs it trains its logistic regression by Adam and stops early; ours is
solved to convergence. Metrics, each prefixed by the role: ``emobank/valence_pearson`` and so
on, and the means ``va_pearson``, ``va_spearman`` (over V and A, then over corpora, plain and
not Fisher's z), ``class_accuracy``, ``polarity_accuracy`` (including SUBJ, as in SentEval),
``transfer_accuracy`` (over ordered pairs); beside them the spread of a role's embeddings
(`geometry`) and ``encoder_moved``, how far training moved them. A correlation of constant
predictions is NaN, and so is every mean that includes it.

For the variant ``finetune`` the names that begin with ``head_`` are scores of its own head's
predictions, without a probe. For a variant that detects, `diagnostics` adds the skill of its
discriminator.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora.records import Corpus
from raysearch.corpora.seen import SeenTexts, seen_rows
from raysearch.encoders import Encoder
from raysearch.methods.carl.config import MOVED, CarlConfig
from raysearch.methods.carl.data import rated_sentences, tokenise
from raysearch.methods.carl.evaluation.class_probes import (
    LogisticProbe,
    choose_for_classes,
    cross_validate,
)
from raysearch.methods.carl.evaluation.diagnostics import detection_skill, fixed_batches
from raysearch.methods.carl.evaluation.embedded import (
    Embed,
    EmbeddedCorpus,
    EmbeddedSplit,
    embed_corpus,
    join,
)
from raysearch.methods.carl.evaluation.geometry import class_quality, embedding_quality
from raysearch.methods.carl.evaluation.layer_mix import LayerMix
from raysearch.methods.carl.evaluation.probes import RidgeProbe, assign_folds
from raysearch.methods.carl.evaluation.scores import (
    HEAD,
    class_scores,
    task_means,
    transfer_matrix,
    va_scores,
)
from raysearch.methods.carl.losses import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel, pool
from raysearch.methods.movement import StartWeights, displacement

__all__ = ["CROSS_VALIDATED", "Evaluation", "downstream", "embed"]

Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[Any]

CROSS_VALIDATED: tuple[str, ...] = ("mr", "cr", "subj", "mpqa")
"""Corpora without official splits, which SentEval scores by cross-validation."""


def downstream(
    embed: Embed,
    corpora: Sequence[Corpus],
    role: str,
    seed: int,
    train_limit: int = 0,
    *,
    seen: SeenTexts,
) -> dict[str, float]:
    """Every frozen-probe metric that the corpora allow; `embed` is called once per corpus.

    Args:
        embed: Texts to embeddings (N, H); called with all splits of a corpus that are used.
        corpora: Opened with train and dev for role ``dev``, with all roles for ``test``; of task
            ``va``, ``classes`` or ``polarity``, no name twice. Dev and test without the rows that
            the encoder was trained on (`SeenTexts.apart`).
        role: ``dev`` or ``test``.
        seed: Orders held-out parts, folds and samples of pairs.
        train_limit: Most rows of a train split to embed and fit on, 0 for all. For the
            reports in the course of a ``dev`` curve; a test is never limited.
        seen: The texts that the encoder was trained on.

    Returns:
        Metric name to value; see the module's docstring.

    Raises:
        RoleError: A corpus was not opened with a required role.
        RunError: Embeddings are not finite.
        DataError: A train split is too small to fit a probe.
    """
    if role not in ("dev", "test") or (role == "test" and train_limit):
        raise ValueError(f"role {role!r} with train_limit {train_limit}")
    found: dict[str, float] = {}
    polarity: list[EmbeddedCorpus] = []
    probes: dict[str, LogisticProbe] = {}
    for corpus in corpora:
        roles = ("train", "dev", "test") if role == "test" else ("train", "dev")
        embedded = embed_corpus(embed, corpus, roles, seed, train_limit)
        left_out = seen_rows(corpus, role)
        if corpus.task == "va":
            scores = _va(embedded, role, seed) if len(corpus.split(role)) else {}
        else:
            predicted, probe = _classified(embedded, role, seed)
            if role == "test" and corpus.name in CROSS_VALIDATED:
                trained = seen.among(corpus, "train")
                # Cross-validation scores all three splits, so the seen rows of all are left out.
                left_out += seen_rows(corpus, "dev") + int(trained.sum())
                scores = _cross_validated(embedded, trained, seed)
            else:
                scores = _classes(embedded, predicted, role, seed)
            if corpus.task == "polarity":
                polarity.append(embedded)
                probes[corpus.name] = probe
        if left_out:
            scores["left_out"] = float(left_out)
        found |= {f"{role}/{corpus.name}/{name}": value for name, value in scores.items()}
    found |= task_means(found, corpora, role)
    matrix = transfer_matrix(polarity, probes, role)
    pairs = [value for name, value in matrix.items() if name.endswith("/accuracy")]
    if pairs:
        found[f"{role}/transfer_accuracy"] = sum(pairs) / len(pairs)
    return found | matrix


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Some rows of the scored role, and the rows that choose how they are predicted.

    Attributes:
        judges: These rows: of dev, or of the other half of the role.
        rows: The scored rows, a mask (N,) over the role.
    """

    judges: EmbeddedSplit
    rows: Mask


def _parts(corpus: EmbeddedCorpus, role: str, seed: int) -> list[_Part]:
    """Dev judges test as a whole; halves of a role judge each other. No part is empty."""
    scored = corpus.splits[role]
    dev = corpus.splits["dev"]
    if role == "test" and len(dev.texts):
        parts = [_Part(judges=dev, rows=np.ones(len(scored.texts), dtype=bool))]
    else:
        alike = np.zeros(len(scored.texts), dtype=np.int64)
        first = assign_folds(scored.texts, alike, 2, seed) == 0
        parts = [_Part(judges=scored.taken(~mine), rows=mine) for mine in (first, ~first)]
    return [part for part in parts if part.rows.any()]


def _va(corpus: EmbeddedCorpus, role: str, seed: int) -> dict[str, float]:
    """Correlations, averaged over the parts by their rows, and the spread of the embeddings."""
    scored = corpus.splits[role]
    scores: dict[str, float] = {}
    for part, predicted in _rated(corpus, role, seed):
        share = part.rows.sum() / len(part.rows)
        for name, value in va_scores(predicted, scored.labels[part.rows]).items():
            scores[name] = scores.get(name, 0.0) + float(share) * value
    assert corpus.quadrant_cuts is not None
    return scores | embedding_quality(
        scored.rows, scored.labels, seed, role=role, cuts=corpus.quadrant_cuts
    )


def _rated(corpus: EmbeddedCorpus, role: str, seed: int) -> Iterator[tuple[_Part, Matrix]]:
    """Predicted valence and arousal of every part."""
    train, scored = corpus.splits["train"], corpus.splits[role]
    if train.layers is None:
        probe = RidgeProbe(train.rows, train.labels)
        for part in _parts(corpus, role, seed):
            alphas = probe.best(part.judges.rows, part.judges.labels)
            yield part, probe.predict(scored.rows[part.rows], alphas)
        return
    mix = LayerMix(train.layers, train.labels)
    for part in _parts(corpus, role, seed):
        assert part.judges.layers is not None and scored.layers is not None
        choice = mix.choose(part.judges.layers, part.judges.labels)
        yield part, mix.predict(scored.layers[part.rows], choice)


def _classified(corpus: EmbeddedCorpus, role: str, seed: int) -> tuple[Matrix, LogisticProbe]:
    """Predicted classes (N,) of a role, and the probe that is transferred, judged by dev."""
    train, scored = corpus.splits["train"], corpus.splits[role]
    parts = _parts(corpus, role, seed)
    judges = [corpus.splits["dev"], *(part.judges for part in parts)]
    choices = choose_for_classes(
        train.states, train.labels, [(split.states, split.labels) for split in judges]
    )
    probes = {
        choice: LogisticProbe(train.states, train.labels, choice)
        for choice in dict.fromkeys(choices)
    }
    predicted = np.zeros(len(scored.texts), dtype=np.int64)
    for part, choice in zip(parts, choices[1:], strict=True):
        predicted[part.rows] = probes[choice].predict(scored.states[part.rows])
    return predicted, probes[choices[0]]


def _classes(corpus: EmbeddedCorpus, predicted: Matrix, role: str, seed: int) -> dict[str, float]:
    scored: EmbeddedSplit = corpus.splits[role]
    if not len(scored.texts):
        return {}
    quality = class_quality(scored.rows, scored.labels, seed, role=role)
    return class_scores(predicted, scored.labels) | quality


def _cross_validated(corpus: EmbeddedCorpus, trained: Mask, seed: int) -> dict[str, float]:
    """Scores over all three splits, for corpora without an official test split.

    Args:
        corpus: Its dev and test have no row that the encoder was trained on.
        trained: Which rows of its train split the encoder was trained on.
        seed: Seed of the folds.
    """
    whole = join([corpus.splits[part] for part in ("train", "dev", "test")])
    seen = np.concatenate([trained, np.zeros(len(whole.texts) - len(trained), dtype=bool)])
    if seen.all():
        return {}
    predicted = cross_validate(whole.states, whole.labels, whole.texts, seed, seen)
    scores = class_scores(predicted[~seen], whole.labels[~seen])
    own = corpus.splits["test"]
    if not len(own.texts):
        return scores
    return scores | class_quality(own.rows, own.labels, seed, role="test")


COMPARED_ROWS = 256
"""About so many sentences, over all corpora, tell how far an encoder has moved."""

EMBEDDED_ROWS = 128
"""Sentences that are embedded at once, of similar length."""


@torch.no_grad()
def embed(
    model: CarlModel, encoder: Encoder, texts: Sequence[str], config: CarlConfig
) -> npt.NDArray[Any]:
    """Sentence states f(x) of the online encoder, before any head; of all layers for a mix.

    Args:
        model: In eval mode.
        encoder: Its tokenizer and digest are used; its weights may have changed since.
        texts: N sentences.
        config: Pooling, length and `probe_layers`.

    Returns:
        (N, H) float32 in the order of the texts; for ``mix`` (N, L, H), from the embeddings to the
        last layer.
    """
    tokens = tokenise(encoder, texts, config.max_length)
    device = next(model.parameters()).device
    order = np.argsort(tokens.lengths, kind="stable")
    rows: npt.NDArray[Any] | None = None
    for start in range(0, len(order), EMBEDDED_ROWS):
        chosen = order[start : start + EMBEDDED_ROWS]
        ids, mask, _ = tokens.padded(chosen, device)
        embeddings = model.online.lookup(ids)
        if config.probe_layers == "mix":
            states = model.online.layers(embeddings, mask)
            found = torch.stack([pool(layer, mask, config.pooling) for layer in states], dim=1)
        else:
            found = pool(model.online.states(embeddings, mask), mask, config.pooling)
        if rows is None:
            rows = np.empty((len(texts), *found.shape[1:]), dtype=np.float32)
        rows[chosen] = found.float().cpu().numpy()
    return np.empty((0, encoder.hidden_size), dtype=np.float32) if rows is None else rows


class Evaluation:
    """Computes all metrics of a report, for one trial.

    Args:
        model: The trial's model.
        encoder: Its tokenizer and digest.
        training: The training corpora, whose other roles are used for detection skill.
        probed: The corpora of the probes. The other roles of both are without the rows that the
            encoder is trained on.
        seen: These rows.
        config: The trial's settings.
        objective: The contrastive term.
        seed: The cell's seed.
    """

    def __init__(
        self,
        model: CarlModel,
        encoder: Encoder,
        *,
        training: Sequence[Corpus],
        probed: Sequence[Corpus],
        seen: SeenTexts,
        config: CarlConfig,
        objective: ContrastiveObjective,
        seed: int,
    ) -> None:
        self._model, self._encoder = model, encoder
        self._training, self._probed, self._seen = training, probed, seen
        self._config, self._objective, self._seed = config, objective, seed
        self._weights = StartWeights(model.encoder)
        self._start: dict[str, Matrix] = {}

    def run(self, role: str) -> dict[str, float]:
        """Metrics on a role, each prefixed by it; the model is in eval mode.

        Raises:
            RoleError: The role was not opened.
        """
        limit = self._config.probe_rows if role == "dev" else 0
        found = downstream(self._embed, self._probed, role, self._seed, limit, seen=self._seen)
        found |= self._moved(role)
        if self._model.regression is not None:
            found |= self._of_head(role)
        if self._config.variant_spec.detects:
            found |= {f"{role}/{name}": value for name, value in self._detection(role).items()}
        return found

    def embeddings(self, role: str) -> list[EmbeddedCorpus]:
        """Every probed corpus with the one split of a role; the model is in eval mode.

        Raises:
            RoleError: The role was not opened.
        """
        return [
            embed_corpus(self._embed, corpus, (role,), self._seed, train_limit=0)
            for corpus in self._probed
        ]

    def _embed(self, texts: Sequence[str]) -> npt.NDArray[Any]:
        return embed(self._model, self._encoder, texts, self._config)

    def _moved(self, role: str) -> dict[str, float]:
        """How far some sentences' embeddings are from those of the untrained encoder."""
        if self._config.variant_spec.objective == "none":
            return {f"{role}/{MOVED}": 0.0}
        texts: list[str] = []
        for corpus in self._probed:
            own = corpus.split(role).texts
            texts += own[:: max(1, len(own) * len(self._probed) // COMPARED_ROWS)]
        if len(texts) < 2:
            return {}
        last = replace(self._config, probe_layers="last")
        if role not in self._start:
            with self._weights.restored(self._model.encoder):
                self._start[role] = embed(self._model, self._encoder, texts, last)
        now = embed(self._model, self._encoder, texts, last)
        return {f"{role}/{MOVED}": displacement(self._start[role], now)}

    @torch.no_grad()
    def _of_head(self, role: str) -> dict[str, float]:
        """Scores of the regression head's own predictions of the ratings that it was trained on."""
        head = self._model.regression
        assert head is not None
        last = replace(self._config, probe_layers="last")
        rated = [c for c in self._probed if c.task == "va" and c.name in self._config.corpora]
        found: dict[str, float] = {}
        for corpus in rated:
            split = corpus.split(role)
            if not len(split):  # the encoder is trained on the whole role
                continue
            states = embed(self._model, self._encoder, split.texts, last)
            weight = next(head.parameters())
            predicted = head(torch.from_numpy(states).to(weight)).float().cpu().numpy()
            scores = va_scores(predicted, split.labels)
            found |= {f"{role}/{corpus.name}/{HEAD}{name}": v for name, v in scores.items()}
        return found | task_means(found, rated, role, HEAD)

    def _detection(self, role: str) -> dict[str, float]:
        config = self._config
        sentences = rated_sentences(self._training, role, self._encoder, config)
        device = next(self._model.parameters()).device
        groups = fixed_batches(sentences, config.batch_size, device)
        if not groups:  # the encoder is trained on the whole role
            return {}
        return detection_skill(self._model, groups, config, self._objective, self._seed)
