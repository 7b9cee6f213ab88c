"""How does a trial of CARL come to be from its settings, its cell and the data folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch

from raysearch import corpora, encoders
from raysearch.corpora import Corpus
from raysearch.distributed import world_size
from raysearch.encoders.digests import combined_digest
from raysearch.errors import ConfigError
from raysearch.methods.carl.algorithm import CarlAlgorithm
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import rated_sentences
from raysearch.methods.carl.evaluation import Evaluation
from raysearch.methods.carl.finetune import FineTuning
from raysearch.methods.carl.losses.contrastive import ContrastiveObjective
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.model import CarlModel
from raysearch.methods.parameters import adamw
from raysearch.trial import Cell

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
        ConfigError: A corpus is of another task than the setting that names it, or the batch
            does not divide over the workers.
        DataError: A corpus or encoder cannot be read.
        EncoderError: The encoder cannot be read.
    """
    if config.batch_size % world_size():
        raise ConfigError(
            f"`batch_size` must be a multiple of the {world_size()} workers of a trial, but got "
            f"{config.batch_size}"
        )
    opened = tuple(sorted({"train", *roles}))
    loaded = {
        name: _corpus(name, data_dir, opened)
        for name in dict.fromkeys((*config.corpora, *config.probed))
    }
    _check_tasks(config, loaded)
    encoder = encoders.load(config.encoder, layers=config.layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cell.seed)
        model = CarlModel(encoder.model, config)
    model.to(device)
    training = [loaded[name] for name in config.corpora]
    probed = [loaded[name] for name in config.probed]
    loss = objective(config)
    evaluation = Evaluation(
        model,
        encoder,
        training=training,
        probed=probed,
        config=config,
        objective=loss,
        seed=cell.seed,
    )
    digests = [f"{name}={corpus.digest}" for name, corpus in sorted(loaded.items())]
    return CarlMethod(
        config,
        algorithm=CarlAlgorithm(model, config, loss),
        encoder=encoder,
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


def objective(config: CarlConfig) -> ContrastiveObjective:
    """The contrastive term that the settings describe; standardised labels lie around 0."""
    return ContrastiveObjective(
        geometry=config.label_geometry,
        reading=config.contrast_reading,
        temperature=config.temperature,
        label_temperature=config.label_temperature,
        sigma=config.sigma,
        centre=0.0 if config.label_scaling == "standardised" else 0.5,
    )


@lru_cache(maxsize=32)
def _corpus(name: str, data_dir: str, roles: tuple[str, ...]) -> Corpus:
    """A corpus is frozen, so all trials of a process share it."""
    return corpora.load(name, data_dir, roles)


def _check_tasks(config: CarlConfig, loaded: dict[str, Corpus]) -> None:
    asked = (
        ("corpora", config.corpora, "va"),
        ("va_corpora", config.va_corpora, "va"),
        ("class_corpora", config.class_corpora, "classes"),
        ("polarity_corpora", config.polarity_corpora, "polarity"),
    )
    problems = [
        f"`{field}` must name corpora of task {task}, but {name} is of task {loaded[name].task}"
        for field, names, task in asked
        for name in names
        if loaded[name].task != task
    ]
    if problems:
        raise ConfigError(problems)
