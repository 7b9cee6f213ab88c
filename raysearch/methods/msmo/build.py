"""How does a trial of MSMO come to be from its settings, its cell and the data folder?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import torch

from raysearch import encoders
from raysearch.corpora.absa.records import VIEWS, PairCorpus, TaggedSentence
from raysearch.corpora.seen import marks
from raysearch.distributed import world_size
from raysearch.encoders.digests import combined_digest
from raysearch.errors import ConfigError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.corpora import digests, load_pairs, needed_views, roles_of
from raysearch.methods.msmo.data.items import TrainingSet, load_material
from raysearch.methods.msmo.data.sampling import draws_from, items_per_batch
from raysearch.methods.msmo.data.tokens import Tokenised, join, tokenise
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.stages import outline, terms_of
from raysearch.run import Cell

__all__ = ["build"]


def build(
    config: MsmoConfig,
    cell: Cell,
    *,
    device: torch.device,
    roles: Sequence[str],
    data_dir: str,
) -> MsmoMethod:
    """A fresh trial; see `methods.base.MethodLoader.build`.

    A multilingual trial trains on all pairs; that of the cell is the one that it is tested on.

    Raises:
        ConfigError: The cell's task is none of the pairs, the batch does not divide over the
            workers, or there are fewer sentences than workers.
        DataError: A pair cannot be read, or lacks a view that the variant needs.
        EncoderError: The encoder cannot be read.
    """
    if cell.task not in config.pairs:
        raise ConfigError(
            f"`pairs` must hold the pair of the trial, {cell.task}, but has "
            f"{', '.join(config.pairs)}"
        )
    _check_workers(config)
    pairs = config.pairs if config.multilingual else (cell.task,)
    own = load_pairs(config, (cell.task,), data_dir, {*roles_of(config), *roles})
    others = [pair for pair in pairs if pair != cell.task]
    loaded = own | load_pairs(config, others, data_dir, roles_of(config))
    corpora = {pair: loaded[pair] for pair in pairs}
    encoder = encoders.load(config.encoder, layers=config.layers)
    views = needed_views(config)
    encoder = replace(encoder, trained_on=encoder.trained_on | _marks(corpora.values(), views))
    material = load_material(list(corpora.values()), encoder, config, views)
    unlabelled = None
    if config.distillation != "none":
        unlabelled = join(
            [
                tokenise(
                    encoder,
                    corpus.sentences("unlabelled"),
                    max_length=config.max_length,
                    long_sentences=config.long_sentences,
                    where=f"{config.corpus}, {pair}, role unlabelled",
                )
                for pair, corpus in corpora.items()
            ]
        )
    _check_sentences(config, material, unlabelled)
    found = {
        name: parts[0] if len(parts) == 1 else combined_digest(*parts) if parts else ""
        for name, parts in digests(config, corpora).items()
    }
    split = material.tokens.split + (unlabelled.split if unlabelled else 0)
    return MsmoMethod(
        config,
        cell.seed,
        encoder=encoder,
        material=material,
        unlabelled=unlabelled,
        corpus=corpora[cell.task],
        provenance={
            "encoder": config.encoder,
            "encoder_digest": encoder.digest,
            "corpora": f"{config.corpus}:{'+'.join(pairs)}",
            "data_digest": combined_digest(*(f"{k}={v}" for k, v in sorted(found.items()))),
            **found,
            "split_sentences": str(split),
        },
        device=device,
    )


def _marks(corpora: Iterable[PairCorpus], views: Collection[str]) -> frozenset[str]:
    """Of every sentence that a trial learns from: its views, gold, what teachers label."""
    found: list[TaggedSentence] = []
    for corpus in corpora:
        rows = [getattr(row, view) for row in corpus.views() for view in VIEWS if view in views]
        found += [one for one in rows if one is not None]
        for role in ("target_train", "unlabelled"):
            if role in corpus.roles:
                found += corpus.sentences(role)
    return marks(" ".join(one.words) for one in found)


def _check_workers(config: MsmoConfig) -> None:
    """Every worker must have something to do in every step."""
    workers = world_size()
    if config.batch_size % workers:
        raise ConfigError(
            f"`batch_size` must be a multiple of the {workers} workers of a trial, but got "
            f"{config.batch_size}"
        )
    for stage in outline(config):
        if stage.name.startswith(("align-", "train-")):
            terms = terms_of(config, stage)
            items = items_per_batch(terms, config.batch_size)
            if not terms.literal and items < workers:
                raise ConfigError(
                    f"`batch_size` must give each of the {workers} workers a sentence with its "
                    f"{len(terms.views)} views where `sampling` is aligned, so at least "
                    f"{workers * len(terms.views)}, but got {config.batch_size}"
                )


def _check_sentences(
    config: MsmoConfig, material: TrainingSet, unlabelled: Tokenised | None
) -> None:
    """The smallest batch is all that there is: every worker must have a part of that, too."""
    workers, problems = world_size(), []
    for stage in outline(config):
        if stage.name.startswith("teach-"):
            continue
        if stage.name == "distill":
            assert unlabelled is not None
            there = len(unlabelled.longest)
        else:
            there = draws_from(material, terms_of(config, stage))
        if there < workers:
            problems.append(
                f"stage {stage.name} must have a sentence for each of the {workers} workers of a "
                f"trial, but has {there}; take fewer workers"
            )
    if problems:
        raise ConfigError(problems)
