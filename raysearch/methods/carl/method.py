"""CARL for the loop: `build`, and a class with stages, batches, updates and state.

The steps themselves are in `algorithm`. With the ``finetuned`` protocol the stages of
`evaluation.finetune` follow the method's own, and the class delegates to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from raysearch import encoders
from raysearch.corpora import Corpus
from raysearch.corpora.seen import SeenTexts
from raysearch.distributed import rank, world_size
from raysearch.encoders import Encoder
from raysearch.encoders.encoder import combined_digest
from raysearch.errors import ConfigError
from raysearch.methods.base import Stage, Update
from raysearch.methods.carl import health
from raysearch.methods.carl.algorithm import CarlAlgorithm
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.corpora import load_corpora, training_corpora
from raysearch.methods.carl.data import (
    LABEL_CENTRES,
    Batch,
    RatedSentences,
    batches_per_epoch,
    plan_epoch,
    rated_sentences,
)
from raysearch.methods.carl.evaluation.downstream import Evaluation
from raysearch.methods.carl.evaluation.embedded import EmbeddedCorpus
from raysearch.methods.carl.evaluation.finetune import FineTuning, TaskBatch
from raysearch.methods.carl.losses import ContrastiveObjective
from raysearch.methods.carl.masked import masked_updates
from raysearch.methods.carl.model import CarlModel, momentum_at
from raysearch.methods.carl.stages import carl_stages
from raysearch.methods.optim import adamw
from raysearch.methods.weights import load_trained, trained
from raysearch.run import Cell

__all__ = ["CarlMethod", "build", "objective"]


class CarlMethod:
    """CARL and its baselines; see `methods.base.Method` for the interface.

    Args:
        config: The trial's settings.
        algorithm: Steps and networks.
        encoder: Tokenizer and digest of the online encoder.
        sentences: The training sentences.
        evaluation: Computes the metrics of a report.
        tuning: The fine-tuning stages; None with the ``frozen`` protocol.
        optimizer: Of all trained parameters; None if there are none.
        provenance: Digests and names.
        device: Device of the batches.
    """

    name = "carl"

    def __init__(
        self,
        config: CarlConfig,
        *,
        algorithm: CarlAlgorithm,
        encoder: Encoder,
        sentences: RatedSentences,
        evaluation: Evaluation,
        tuning: FineTuning | None,
        optimizer: torch.optim.Optimizer | None,
        provenance: Mapping[str, str],
        device: torch.device,
    ) -> None:
        self.config, self.algorithm, self.model = config, algorithm, algorithm.model
        self.provenance = provenance
        self._encoder, self._sentences, self._device = encoder, sentences, device
        self._evaluation, self._tuning, self._optimizer = evaluation, tuning, optimizer
        self._own = carl_stages(config, batches_per_epoch(sentences.groups, config.batch_size))
        self._stage = self._own[-1]
        self._settled: dict[str, dict[str, float]] = {}

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """``main``, and that of the current fine-tuning stage."""
        own = {} if self._optimizer is None else {"main": self._optimizer}
        return own if self._tuning is None else {**own, **self._tuning.optimizers}

    def stages(self) -> Sequence[Stage]:
        """The method's own (`carl_stages`), then one stage per fine-tuned corpus."""
        return self._own if self._tuning is None else (*self._own, *self._tuning.stages())

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        """Prepare to train in a stage."""
        self._stage = stage
        self._settled = {}
        self.model.train()
        if self._tuning is not None and stage not in self._own:
            self._tuning.begin(stage)
        if state is not None:
            self._load(state)

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Batch | TaskBatch]:
        """This worker's shares of an epoch's batches."""
        if self._tuning is not None and stage not in self._own:
            yield from self._tuning.batches(stage, epoch_seed)
            return
        sentences, config = self._sentences, self.config
        lengths = sentences.texts.lengths
        for rows in plan_epoch(
            sentences.groups, lengths, config.batch_size, config.bucketing, epoch_seed
        ):
            yield sentences.batch(rows, self._device, rank=rank(), world=world_size())

    def updates(self, batch: Batch | TaskBatch, step: int) -> Iterator[Update]:
        """The step of the stage and variant."""
        if isinstance(batch, TaskBatch):
            assert self._tuning is not None
            return self._tuning.updates(batch)
        if self._stage.name == "masked":
            return masked_updates(self.model, batch, mask_id=self._encoder.tokenizer.mask_token_id)
        detects = self.config.variant_spec.detects and self._stage.name == "pretrain"
        return self.algorithm.updates(batch, step, momentum=self._momentum(step), detects=detects)

    def _momentum(self, step: int) -> float:
        """m_s of a step of the current stage; its schedule is that of the learning rate."""
        before, total = self._stage.scheduled or (0, self._stage.steps)
        return momentum_at(before + step, total, self.config.momentum_gap)

    def evaluate(self, role: str) -> dict[str, float]:
        """Downstream metrics, detection skill, the encoder's movement, and fine-tuned scores."""
        training = self.model.training
        self.model.eval()
        found = self._settled.get(role) or self._evaluation.run(role)
        self.model.train(training)
        if self._tuning is None:
            return found
        if self._stage not in self._own:  # the encoder is fixed: its probes do not change
            self._settled[role] = found
        return found | self._tuning.evaluate(role)

    def embeddings(self, role: str) -> list[EmbeddedCorpus]:
        """The sentences of a role of every probed corpus, with the current encoder."""
        training = self.model.training
        self.model.eval()
        found = self._evaluation.embeddings(role)
        self.model.train(training)
        return found

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """Stop a trial that shows a failure signature; see `health`."""
        health.check(self.config, terms, metrics)

    def state_dict(self) -> dict[str, Any]:
        """What is trained of all networks, including the target and the fine-tuned models."""
        tuned = {} if self._tuning is None else self._tuning.state_dict()
        target = self.model.target
        rounding = [] if target is None else target.rounding
        return {
            "model": trained(self.model, self.model.given),
            "rounding": rounding,
            "tuned": tuned,
        }

    def finish(self, stage: Stage) -> dict[str, Any]:
        """All networks, and the optimizer, which continues in the next stage."""
        optimizers = {} if self._optimizer is None else {"main": self._optimizer.state_dict()}
        state = {**self.state_dict(), "optimizers": optimizers}
        if stage == self._own[-1]:  # the target moves no more
            state["rounding"] = []
        return state

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        """Restore networks and optimizer from the end of a stage."""
        self._load(result)
        if self._optimizer is not None:
            self._optimizer.load_state_dict(result["optimizers"]["main"])

    def _load(self, state: Mapping[str, Any]) -> None:
        load_trained(self.model, state["model"], self.model.given)
        if self.model.target is not None:  # weights of earlier versions have none
            kept = state.get("rounding", ())
            self.model.target.rounding = [part.to(self._device, copy=True) for part in kept]
        if self._tuning is not None:
            self._tuning.load_state_dict(state["tuned"])

    def save_encoder(self, folder: str) -> None:
        """Write the online encoder and its tokenizer; the fine-tuned ones with that protocol."""
        if self._tuning is not None and self._tuning.begun:
            self._tuning.save(Path(folder), self._encoder.trained_on)
            return
        encoders.save(
            self.model.encoder,
            self._encoder.tokenizer,
            folder,
            trained_on=self._encoder.trained_on,
            pooling=self.config.pooling,
        )


def build(
    config: CarlConfig,
    cell: Cell,
    *,
    device: torch.device,
    roles: Sequence[str],
    data_dir: str,
) -> CarlMethod:
    """A new trial; see `methods.base.MethodLoader.build`.

    Raises:
        ConfigError: A corpus is of another task than the setting that names it, the batch is
            not divisible by the workers, a corpus has fewer rows than there are workers, or the
            encoder has no mask for `masked_epochs`.
        DataError: A corpus cannot be read.
        EncoderError: The encoder cannot be read.
    """
    if config.batch_size % world_size():
        raise ConfigError(
            f"`batch_size` must be a multiple of the {world_size()} workers of a trial, but got "
            f"{config.batch_size}"
        )
    loaded = load_corpora(config, data_dir, {"train", *roles})
    encoder = encoders.load(config.encoder, layers=config.layers)
    if config.masked_epochs > 0 and encoder.tokenizer.mask_token_id is None:
        raise ConfigError(
            "`masked_epochs` must be 0 for an encoder whose tokenizer has no mask token, but got "
            f"{config.masked_epochs:g} with {config.encoder}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        model = CarlModel(encoder.model, config)
    model.to(device)
    seen = SeenTexts([loaded[name] for name in config.corpora], encoder.trained_on)
    apart = {name: seen.apart(corpus) for name, corpus in loaded.items()}
    training = training_corpora(
        [apart[name] for name in config.corpora], config.train_rows, cell.seed
    )
    probed = [apart[name] for name in config.probed]
    _check_workers(config, training, probed)
    loss = objective(config)
    evaluation = Evaluation(
        model,
        encoder,
        training=training,
        probed=probed,
        seen=seen,
        config=config,
        objective=loss,
        seed=cell.seed,
    )
    digests = [f"{name}={corpus.digest}" for name, corpus in sorted(loaded.items())]
    return CarlMethod(
        config,
        algorithm=CarlAlgorithm(model, config, loss),
        encoder=replace(encoder, trained_on=seen.marks),
        sentences=rated_sentences(training, "train", encoder, config),
        evaluation=evaluation,
        tuning=FineTuning(encoder, probed, config, device)
        if config.protocol == "finetuned"
        else None,
        optimizer=None
        if config.variant == "frozen"
        else adamw(model.encoder, model.heads(), config),
        provenance={
            "encoder": config.encoder,
            "encoder_digest": encoder.digest,
            "corpora": "+".join(loaded),
            "data_digest": combined_digest(*digests),
        },
        device=device,
    )


def _check_workers(
    config: CarlConfig, training: Sequence[Corpus], probed: Sequence[Corpus]
) -> None:
    """Check that every worker has a row of every batch, also of the smallest group."""
    sizes = {corpus.name: len(corpus.split("train")) for corpus in training}
    if config.batching == "mixed":
        sizes = {"+".join(sizes): sum(sizes.values())}
    if config.protocol == "finetuned":
        sizes |= {corpus.name: len(corpus.split("train")) for corpus in probed}
    workers = world_size()
    problems = [
        f"a corpus must have a row of train for each of the {workers} workers of a trial, but "
        f"{name} has {rows}; take fewer workers"
        for name, rows in sizes.items()
        if rows < workers
    ]
    if problems:
        raise ConfigError(problems)


def objective(config: CarlConfig) -> ContrastiveObjective:
    """The contrastive term of the settings; standardised labels are centred at 0."""
    return ContrastiveObjective(
        geometry=config.label_geometry,
        reading=config.contrast_reading,
        temperature=config.temperature,
        label_temperature=config.label_temperature,
        sigma=config.sigma,
        centre=LABEL_CENTRES[config.label_scaling],
    )
