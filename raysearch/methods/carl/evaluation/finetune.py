"""The fine-tuning protocol: trains the encoder further, for one downstream corpus at a time.

For every corpus a copy of the encoder gets a linear head and is trained in its own stage
``finetune-{corpus}``, by the same loop, optimizer and schedule as everything else, and scored on
the corpus's own splits (no cross-validation). Its metrics are called
``emobank/finetuned_valence_pearson`` and so on; the frozen probe (`downstream`) is another
protocol. In these stages a method delegates its calls to `FineTuning`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from raysearch import encoders
from raysearch.config import settings_of
from raysearch.corpora.records import Corpus
from raysearch.corpora.seen import marks
from raysearch.distributed import divisor, rank, world_size
from raysearch.encoders import Encoder
from raysearch.methods.base import Stage, Update
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import TokenisedTexts, batches_per_epoch, plan_epoch, tokenise
from raysearch.methods.carl.evaluation.scores import FINETUNED, class_scores, task_means, va_scores
from raysearch.methods.carl.model import pool
from raysearch.methods.optim import adamw
from raysearch.methods.tensors import on_device
from raysearch.methods.weights import given_names, load_trained, trained
from raysearch.names import path_part

__all__ = ["FineTuning", "TaskBatch", "TunedModel"]

HEAD = "head.safetensors"
"""Beside a fine-tuned encoder: ``weight`` (K, H) and ``bias`` (K,) of the linear layer on its
sentence state; in the metadata ``outputs``, ``pooling`` and what comes ``after``."""

SCORED_ROWS = 128
"""Sentences that are predicted at once, of similar length."""


class TunedModel(nn.Module):
    """A copy of an encoder with one linear layer on its sentence state.

    Valence and arousal go through a hard sigmoid, as in Mendes and Martins (2023), whose
    spec for the same corpora CARL's data follow (carl.md §1, §8).

    Args:
        encoder: A transformers model; copied, every weight of the copy is trained (the word
            embeddings unless `config.freeze_embeddings`).
        corpus: Its task and classes make the head.
        config: Pooling.
    """

    def __init__(self, encoder: Any, corpus: Corpus, config: CarlConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.rates = corpus.task == "va"
        self.encoder = copy.deepcopy(encoder).requires_grad_(True)
        self.encoder.get_input_embeddings().requires_grad_(not config.freeze_embeddings)
        outputs = 2 if self.rates else len(corpus.label_names)
        self.head = nn.Linear(int(encoder.config.hidden_size), outputs)
        self.given = given_names(self, self.encoder)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ratings (B, 2) in [0, 1], or logits (B, classes), fp32.

        Args:
            ids: (B, T) int64.
            mask: (B, T) bool, True = real token.
        """
        states = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        outputs: torch.Tensor = self.head(pool(states, mask, self.pooling)).float()
        return functional.hardsigmoid(outputs) if self.rates else outputs

    def loss(self, batch: TaskBatch) -> torch.Tensor:
        """Mean squared error of the ratings, or cross-entropy, over the whole batch.

        Over several workers the mean of their losses is the batch's mean.
        """
        outputs = self(batch.ids, batch.mask)
        if self.rates:
            rows = functional.mse_loss(outputs, batch.labels, reduction="none").mean(1)
        else:
            rows = functional.cross_entropy(outputs, batch.labels, reduction="none")
        return rows.sum() / batch.rows


@dataclass(frozen=True, kw_only=True)
class TaskBatch:
    """One worker's share of a batch of one corpus, on its device.

    Attributes:
        ids: (B, T) int64 token ids.
        mask: (B, T) bool, True = real token, specials included.
        labels: (B, 2) float32 valence and arousal, or (B,) int64 class ids.
        rows: Rows of the whole batch over the number of workers.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    rows: float


class FineTuning:
    """The fine-tuning stages of one trial, one per corpus.

    Tuned models stay in memory and in the state, so that any role can be scored at any time.

    Args:
        encoder: The trial's encoder: its `model` is copied when a stage begins, and never
            trained here.
        corpora: Opened with train and the roles to be scored.
        config: The trial's settings; `finetune_epochs` and `finetune_learning_rate` for
            length and peak rate, the rest as in training.
        device: Device of models and batches.
    """

    def __init__(
        self,
        encoder: Encoder,
        corpora: Sequence[Corpus],
        config: CarlConfig,
        device: torch.device,
    ) -> None:
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        """The optimizer of the current stage, under the stage's name; empty before."""
        self._encoder, self._config, self._device = encoder, config, device
        self._corpora = {f"finetune-{corpus.name}": corpus for corpus in corpora}
        self._models: dict[str, TunedModel] = {}
        self._current = ""

    def stages(self) -> tuple[Stage, ...]:
        """One stage per corpus, at least one step each.

        Only the last one reports: there every corpus has its score, all but this one that of its
        end, so that reports of one rung say the same of every trial.
        """
        found = []
        last = list(self._corpora)[-1]
        for name, corpus in self._corpora.items():
            rows = np.arange(len(corpus.split("train")))
            epoch = batches_per_epoch([rows], self._config.batch_size)
            steps = max(1, round(self._config.finetune_epochs * epoch))
            fields = settings_of(CarlConfig, "finetune")
            found.append(Stage(name, fields, steps, reports=name == last))
        return tuple(found)

    @property
    def begun(self) -> bool:
        """Whether a model has been fine-tuned, or is being so."""
        return bool(self._models)

    def begin(self, stage: Stage) -> None:
        """Copy the current encoder and add a new head and optimizer.

        A resumed trial loads the weights of its models afterwards.
        """
        model = TunedModel(self._encoder.model, self._corpora[stage.name], self._config)
        model.to(self._device).train()
        rates = dataclasses.replace(self._config, learning_rate=self._config.finetune_learning_rate)
        self._models[stage.name] = model
        self._current = stage.name
        self.optimizers = {stage.name: adamw(model.encoder, [model.head], rates)}

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[TaskBatch]:
        """One epoch of this worker's shares, bucketed by length; see `data.plan_epoch`."""
        split, config = self._corpora[stage.name].split("train"), self._config
        tokens = self._tokens(split.texts)
        groups = [np.arange(len(split), dtype=np.int64)]
        for rows in plan_epoch(
            groups, tokens.lengths, config.batch_size, config.bucketing, epoch_seed
        ):
            mine = rows[rank() :: world_size()]
            ids, mask, _ = tokens.padded(mine, self._device)
            labels = on_device(split.labels[mine], self._device)
            yield TaskBatch(
                ids=ids, mask=mask, labels=labels, rows=divisor(len(rows), world_size())
            )

    def updates(self, batch: TaskBatch) -> Iterator[Update]:
        """One update of the current stage."""
        loss = self._models[self._current].loss(batch)
        yield Update(self._current, loss, {"finetune_loss": loss})

    def evaluate(self, role: str) -> dict[str, float]:
        """Scores of the corpora whose stage has begun; means over them once all have.

        Raises:
            RoleError: A corpus was not opened with this role.
        """
        found: dict[str, float] = {}
        for name, model in self._models.items():
            corpus = self._corpora[name]
            split = corpus.split(role)
            if not len(split):  # the encoder was trained on all of it
                continue
            outputs = self._predict(model, split.texts)
            score = va_scores if corpus.task == "va" else class_scores
            predicted = outputs if corpus.task == "va" else outputs.argmax(1)
            found |= {
                f"{role}/{corpus.name}/{FINETUNED}{key}": value
                for key, value in score(predicted, split.labels).items()
            }
        if len(self._models) == len(self._corpora):
            found |= task_means(found, list(self._corpora.values()), role, FINETUNED)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Weights of every model so far, by stage."""
        return {name: trained(model, model.given) for name, model in self._models.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state_dict`, after `begin` of the current stage."""
        for name, weights in state.items():
            if name not in self._models:
                model = TunedModel(self._encoder.model, self._corpora[name], self._config)
                self._models[name] = model.to(self._device)
            load_trained(self._models[name], weights, self._models[name].given)

    def save(self, folder: Path, trained_on: Collection[str]) -> None:
        """Write every fine-tuned encoder and its head.

        Args:
            folder: Destination of the only corpus; of several, each has a folder in it.
            trained_on: Marks of the texts that the encoder was trained on before.
        """
        for name, model in self._models.items():
            corpus, config = self._corpora[name], self._config
            place = folder if len(self._corpora) == 1 else folder / path_part(corpus.name)
            encoders.save(
                model.encoder,
                self._encoder.tokenizer,
                place,
                trained_on={*trained_on, *marks(corpus.split("train").texts)},
                pooling=config.pooling,
            )
            about = {"outputs": "valence,arousal" if model.rates else ",".join(corpus.label_names)}
            after = "hardsigmoid" if model.rates else "softmax"
            head = {name: part.cpu().contiguous() for name, part in model.head.state_dict().items()}
            save_file(head, place / HEAD, {**about, "pooling": config.pooling, "after": after})

    @torch.no_grad()
    def _predict(self, model: TunedModel, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Outputs (N, K) in the order of the texts; the model's mode is restored."""
        tokens, training = self._tokens(texts), model.training
        order = np.argsort(tokens.lengths, kind="stable")
        outputs = np.empty((len(texts), model.head.out_features), dtype=np.float32)
        model.eval()
        for start in range(0, len(order), SCORED_ROWS):
            rows = order[start : start + SCORED_ROWS]
            ids, mask, _ = tokens.padded(rows, self._device)
            outputs[rows] = model(ids, mask).float().cpu().numpy()
        model.train(training)
        return outputs

    def _tokens(self, texts: Sequence[str]) -> TokenisedTexts:
        return tokenise(self._encoder, texts, self._config.max_length)
