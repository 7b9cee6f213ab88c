"""How the toy trains: `raysearch.methods.base.Method`, driven by the one loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from raysearch import encoders
from raysearch.corpora import Corpus, Split
from raysearch.distributed import rank, world_size
from raysearch.methods.base import Stage, Update
from raysearch.methods.optim import adamw
from raysearch.metrics import pearson
from raysearch_toy import ToyConfig


class ToyMethod:
    """A linear head on the mean of the encoder's last states.

    Args:
        config: The trial's settings.
        corpus: With the opened roles.
        stages: Those of the loader's outline.
        device: Where parameters and batches live.
    """

    name = "toy"

    def __init__(
        self, config: ToyConfig, corpus: Corpus, *, stages: Sequence[Stage], device: torch.device
    ) -> None:
        self.config, self.corpus, self.device = config, corpus, device
        self.encoder = encoders.load(config.encoder, layers=config.layers)
        head = nn.Linear(self.encoder.hidden_size, 1)
        self.model = nn.ModuleDict({"encoder": self.encoder.model, "head": head}).to(device)
        self.optimizers = {"main": adamw(self.model["encoder"], [self.model["head"]], config)}
        self.provenance = {
            "encoder": config.encoder,
            "encoder_digest": self.encoder.digest,
            "corpora": corpus.name,
            "data_digest": corpus.digest,
        }
        self._stages = stages

    def stages(self) -> Sequence[Stage]:
        return self._stages

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        if state is not None:
            self.model.load_state_dict(state)

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Any]:
        train, size = self.corpus.split("train"), self.config.batch_size
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(epoch_seed))
        for rows in order.split(size):
            yield self._batch(train, rows.tolist()[rank() :: world_size()])

    def updates(self, batch: Any, step: int) -> Iterator[Update]:
        texts, labels = batch
        error = self._predict(texts) - labels
        squared = self.config.loss == "squared"
        loss = (error.square() if squared else error.abs()).mean()
        yield Update("main", loss, {"loss": loss})

    def evaluate(self, role: str) -> dict[str, float]:
        split = self.corpus.split(role)
        with torch.no_grad():
            texts, labels = self._batch(split, range(len(split)))
            found = pearson(self._predict(texts).cpu(), labels.cpu())
        return {f"{role}/pearson": found}

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """No failure signature is known."""

    def finish(self, stage: Stage) -> dict[str, Any]:
        return self.state_dict()

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        self.model.load_state_dict(result)

    def state_dict(self) -> dict[str, Any]:
        return self.model.state_dict()

    def save_encoder(self, folder: str) -> None:
        encoders.save(self.model["encoder"], self.encoder.tokenizer, folder)

    def _batch(self, split: Split, rows: Sequence[int]) -> tuple[Any, torch.Tensor]:
        chosen = [split.texts[row] for row in rows]
        valence = torch.tensor(split.labels[list(rows), 0])
        cut = {"truncation": True, "max_length": self.config.max_length}
        texts = self.encoder.tokenizer(chosen, padding=True, return_tensors="pt", **cut)
        return texts.to(self.device), valence.to(self.device)

    def _predict(self, texts: Any) -> torch.Tensor:
        """(B,) valence."""
        states = self.model["encoder"](**texts).last_hidden_state
        mask = texts["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1)
        found: torch.Tensor = self.model["head"](mean).squeeze(-1)
        return found
