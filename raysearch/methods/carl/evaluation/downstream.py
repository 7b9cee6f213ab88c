"""All metrics of a CARL report, computed with the encoder in eval mode.

The frozen-probe protocol: every corpus goes through the encoder once, and linear probes are
fitted on the embeddings. Fine-tuning is another protocol with other metric names
(`finetune`); the two are never compared.

==========  ================================  ===============================================
task        role ``dev``                      role ``test``
==========  ================================  ===============================================
va          ridge fitted on train,            the same, scored on test
            scored on dev
classes,    logistic regression; penalty      penalty chosen on dev, fitted on train,
polarity    chosen on a tenth of train,       scored on test
            fitted on train, scored on dev
polarity,   as above                          10-fold cross-validation over the whole corpus
MR CR SUBJ                                    (SentEval; SST-2 keeps its fixed splits), scored on
MPQA                                          the rows that the encoder was not trained on
transfer    the polarity probe fitted on      the same, scored on the other's test
            train, scored on another
            corpus's dev, shared texts
            left out (`scores`)
==========  ================================  ===============================================

No row is scored that the encoder was trained on, in any of them (`corpora.seen`): fine-tuning
on CR scores .955 by cross-validation with such rows, .793 on its held-out test. How many a corpus
loses is reported as ``{role}/{corpus}/left_out``, absent if it loses none; if no row is left its
scores are absent, and so is every mean that includes them.

SentEval as SimCSE runs it trains its logistic regression by Adam and stops early; ours is
solved to convergence. Metrics, each prefixed by the role: ``emobank/valence_pearson`` and so
on, and the means ``va_pearson``, ``va_spearman`` (over V and A, then over corpora, plain and
not Fisher's z), ``class_accuracy``, ``polarity_accuracy`` (including SUBJ, as in SentEval),
``transfer_accuracy`` (over ordered pairs); beside them the spread of a role's embeddings
(`geometry`). A correlation of constant predictions is NaN, and so is every mean that includes it.
For a variant that detects, `diagnostics` adds the skill of its discriminator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raysearch.corpora.records import Corpus
from raysearch.corpora.seen import SeenTexts, seen_rows
from raysearch.encoders import Encoder
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import rated_sentences, tokenise
from raysearch.methods.carl.evaluation.diagnostics import detection_skill, fixed_batches
from raysearch.methods.carl.evaluation.embedded import (
    Embed,
    EmbeddedCorpus,
    EmbeddedSplit,
    embed_corpus,
    join,
)
from raysearch.methods.carl.evaluation.geometry import class_quality, embedding_quality
from raysearch.methods.carl.evaluation.probes import (
    LogisticProbe,
    RidgeProbe,
    choose_penalty,
    cross_validate,
    fit_with_held_out,
)
from raysearch.methods.carl.evaluation.scores import (
    class_scores,
    task_means,
    transfer_matrix,
    va_scores,
)
from raysearch.methods.carl.losses import ContrastiveObjective
from raysearch.methods.carl.model import CarlModel, pool

__all__ = ["CROSS_VALIDATED", "Evaluation", "downstream", "embed"]

Mask = npt.NDArray[np.bool_]

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
        chosen_on_dev = role == "test" and corpus.task != "va"
        roles = ("train", "dev", "test") if chosen_on_dev else ("train", role)
        embedded = embed_corpus(embed, corpus, roles, seed, train_limit)
        left_out = seen_rows(corpus, role)
        if corpus.task == "va":
            scores = _va(embedded, role, seed) if len(corpus.split(role)) else {}
        else:
            probe = _fit(embedded, role, seed)
            if role == "test" and corpus.name in CROSS_VALIDATED:
                trained = seen.among(corpus, "train")
                # Cross-validation scores all three splits, so the seen rows of all are left out.
                left_out += seen_rows(corpus, "dev") + int(trained.sum())
                scores = _cross_validated(embedded, trained, seed)
            else:
                scores = _classes(embedded, probe, role, seed)
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


def _va(corpus: EmbeddedCorpus, role: str, seed: int) -> dict[str, float]:
    train, scored = corpus.splits["train"], corpus.splits[role]
    probe = RidgeProbe(train.rows, train.labels)
    scores = va_scores(probe.predict(scored.rows), scored.labels)
    return scores | embedding_quality(scored.rows, scored.labels, seed, role=role)


def _fit(corpus: EmbeddedCorpus, role: str, seed: int) -> LogisticProbe:
    """The probe on the train split; its penalty never sees the rows that are scored."""
    train = corpus.splits["train"]
    if role == "dev":
        return fit_with_held_out(train.rows, train.labels, train.texts, seed)
    dev = corpus.splits["dev"]
    if not len(dev.texts):
        return fit_with_held_out(train.rows, train.labels, train.texts, seed)
    penalty = choose_penalty(train.rows, train.labels, dev.rows, dev.labels)
    return LogisticProbe(train.rows, train.labels, penalty)


def _classes(
    corpus: EmbeddedCorpus, probe: LogisticProbe, role: str, seed: int
) -> dict[str, float]:
    scored: EmbeddedSplit = corpus.splits[role]
    if not len(scored.texts):
        return {}
    quality = class_quality(scored.rows, scored.labels, seed, role=role)
    return class_scores(probe.predict(scored.rows), scored.labels) | quality


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
    predicted = cross_validate(whole.rows, whole.labels, whole.texts, seed, seen)
    scores = class_scores(predicted[~seen], whole.labels[~seen])
    own = corpus.splits["test"]
    if not len(own.texts):
        return scores
    return scores | class_quality(own.rows, own.labels, seed, role="test")


EMBEDDED_ROWS = 128
"""Sentences that are embedded at once, of similar length."""


@torch.no_grad()
def embed(
    model: CarlModel, encoder: Encoder, texts: Sequence[str], config: CarlConfig
) -> npt.NDArray[Any]:
    """Sentence states f(x) of the online encoder, before any head.

    Args:
        model: In eval mode.
        encoder: Its tokenizer and digest are used; its weights may have changed since.
        texts: N sentences.
        config: Pooling and length.

    Returns:
        (N, H) float32 in the order of the texts.
    """
    tokens = tokenise(encoder, texts, config.max_length)
    device = next(model.parameters()).device
    order = np.argsort(tokens.lengths, kind="stable")
    rows = np.empty((len(texts), encoder.hidden_size), dtype=np.float32)
    for start in range(0, len(order), EMBEDDED_ROWS):
        chosen = order[start : start + EMBEDDED_ROWS]
        ids, mask, _ = tokens.padded(chosen, device)
        states = model.online.states(model.online.lookup(ids), mask)
        rows[chosen] = pool(states, mask, config.pooling).float().cpu().numpy()
    return rows


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

    def run(self, role: str) -> dict[str, float]:
        """Metrics on a role, each prefixed by it; the model is in eval mode.

        Raises:
            RoleError: The role was not opened.
        """
        limit = self._config.probe_rows if role == "dev" else 0
        found = downstream(self._embed, self._probed, role, self._seed, limit, seen=self._seen)
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

    def _detection(self, role: str) -> dict[str, float]:
        config = self._config
        sentences = rated_sentences(self._training, role, self._encoder, config)
        device = next(self._model.parameters()).device
        groups = fixed_batches(sentences, config.batch_size, device)
        if not groups:  # the encoder is trained on the whole role
            return {}
        return detection_skill(self._model, groups, config, self._objective, self._seed)
