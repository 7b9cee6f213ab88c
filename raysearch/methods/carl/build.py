"""How does a trial of CARL come to be from its settings, its cell and the data folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from raysearch import encoders
from raysearch.corpora import Corpus
from raysearch.corpora.seen import SeenTexts
from raysearch.distributed import world_size
from raysearch.encoders.digests import combined_digest
from raysearch.errors import ConfigError
from raysearch.methods.carl.algorithm import CarlAlgorithm
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.corpora import load_corpora, training_corpora
from raysearch.methods.carl.data import LABEL_CENTRES, rated_sentences
from raysearch.methods.carl.evaluation.evaluation import Evaluation
from raysearch.methods.carl.evaluation.finetune import FineTuning
from raysearch.methods.carl.losses.contrastive import ContrastiveObjective
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.optim import adamw
from raysearch.run import Cell

__all__ = ["build", "objective"]


def build(
    config: CarlConfig,
    cell: Cell,
    *,
    device: torch.device,
    roles: Sequence[str],
    data_dir: str,
) -> CarlMethod:
    """A fresh trial; see `methods.base.MethodLoader.build`.

    Raises:
        ConfigError: A corpus is of another task than the setting that names it, the batch does
            not divide over the workers, or a corpus has fewer rows than there are workers.
        DataError: A corpus or encoder cannot be read.
        EncoderError: The encoder cannot be read.
    """
    if config.batch_size % world_size():
        raise ConfigError(
            f"`batch_size` must be a multiple of the {world_size()} workers of a trial, but got "
            f"{config.batch_size}"
        )
    loaded = load_corpora(config, data_dir, {"train", *roles})
    encoder = encoders.load(config.encoder, layers=config.layers)
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
    """Every worker must have a row of every batch; the smallest is all that may share one."""
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
    """The contrastive term that the settings describe; standardised labels lie around 0."""
    return ContrastiveObjective(
        geometry=config.label_geometry,
        reading=config.contrast_reading,
        temperature=config.temperature,
        label_temperature=config.label_temperature,
        sigma=config.sigma,
        centre=LABEL_CENTRES[config.label_scaling],
    )
