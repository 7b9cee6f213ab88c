"""MSMO for the loop: `build`, and a class with stages, batches, updates, results and state.

The steps themselves are in `algorithm` and `distillation`. Every stage that trains starts from a
new network, which loads the results of its parents.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from raysearch import encoders
from raysearch.corpora.absa.records import VIEWS, PairCorpus, TaggedSentence
from raysearch.corpora.seen import marks
from raysearch.distributed import average_terms, broadcast_object, rank, world_size
from raysearch.encoders import Encoder
from raysearch.encoders.encoder import combined_digest
from raysearch.errors import ConfigError, UnhealthyError
from raysearch.methods.base import Stage, Update
from raysearch.methods.msmo import health
from raysearch.methods.msmo.algorithm import Algorithm
from raysearch.methods.msmo.batches import Batch, Collator
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.corpora import digests, load_pairs, needed_views, roles_of
from raysearch.methods.msmo.critic import critic_batches, critic_optimizer
from raysearch.methods.msmo.distillation import (
    DistillBatch,
    distill_batches,
    distill_updates,
    soft_labels,
    teach,
)
from raysearch.methods.msmo.evaluation import CheckpointSelection, evaluate
from raysearch.methods.msmo.items import TrainingSet, load_training_set
from raysearch.methods.msmo.model import Network
from raysearch.methods.msmo.sampling import (
    aligned_draws,
    draws_from,
    items_per_batch,
    literal_draws,
)
from raysearch.methods.msmo.stages import outline, terms_of
from raysearch.methods.msmo.tokens import Rows, Tokenised, join, tokenise
from raysearch.methods.optim import adamw
from raysearch.run import Cell

__all__ = ["MsmoMethod", "build"]

_log = logging.getLogger(__name__)


class MsmoMethod:
    """MSMO, its baselines and distillation; see `methods.base.Method` for the interface.

    Args:
        config: The trial's settings.
        seed: The cell's.
        encoder: Initial weights of every network; unchanged by training.
        training_set: The training sentences.
        unlabelled: Target sentences without labels; None without distillation.
        corpus: The cell's pair, opened with the roles to evaluate.
        provenance: Digests and names.
        device: Device of networks and batches.
    """

    name = "msmo"

    def __init__(
        self,
        config: MsmoConfig,
        seed: int,
        *,
        encoder: Encoder,
        training_set: TrainingSet,
        unlabelled: Tokenised | None,
        corpus: PairCorpus,
        provenance: Mapping[str, str],
        device: torch.device,
    ) -> None:
        self.config, self.provenance, self.training_set = config, provenance, training_set
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        """``main`` for encoder and tagger, ``critic``; those of the current stage."""
        self._seed, self._encoder, self._corpus, self._device = seed, encoder, corpus, device
        self._unlabelled = unlabelled
        self._stages = outline(config)
        self._stage = self._stages[-1]
        self._results: dict[str, Mapping[str, Any]] = {}
        self._network: Network | None = None
        self._selection: CheckpointSelection | None = None
        self._soft_labels: torch.Tensor | None = None
        self._watch = health.StepWatch()
        self._found: dict[str, str] = {}

    @property
    def network(self) -> Network:
        """The network of the current stage, or that of a finished trial."""
        assert self._network is not None, "no stage has begun"
        return self._network

    def stages(self) -> Sequence[Stage]:
        """See `stages.outline`."""
        return self._stages

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        """Make a new network and load the parents' results, or resume within the stage."""
        if state is not None:
            self._results = dict(state["results"])
        self._stage = stage
        self._forget()
        self._network = self._fresh(stage)
        parents = stage.parents or ()
        for parent in parents:
            if not parent.startswith("teach-"):
                self._network.load_result(self._results[parent], what=f"stage {parent}")
        taught = {name: self._results[name] for name in parents if name.startswith("teach-")}
        if taught:
            assert self._unlabelled is not None
            self._soft_labels = soft_labels(taught, self._unlabelled, self.config)
        self.optimizers = self._optimizers(stage)
        self._selection = CheckpointSelection(
            stage.steps, self.config.selection, self.config.selection_from
        )
        self._watch = health.StepWatch()
        if state is not None:
            self._network.load_trained(state["network"])
            self._selection.load_state_dict(state["journal"])
            self._watch.load_state_dict(state["watch"])
        self._network.train()

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Batch | DistillBatch]:
        """This worker's part of an epoch's batches."""
        config, device = self.config, self._device
        if stage.name == "distill":
            assert self._unlabelled is not None and self._soft_labels is not None
            yield from distill_batches(
                self._unlabelled,
                self._soft_labels,
                config,
                epoch_seed,
                _share,
                device,
                workers=world_size(),
            )
            return
        terms, size = terms_of(config, stage), config.batch_size
        draw = literal_draws if terms.literal else aligned_draws
        rounds = critic_batches(config)
        draws = draw(self.training_set, terms, size, epoch_seed, _share, rounds=rounds)
        collator = Collator(
            self.training_set.tokens,
            device,
            workers=world_size(),
            chunk=max(1, size // world_size()) if terms.literal else 0,
        )
        for whole, mine in draws:
            yield collator.batch(whole, mine)

    def updates(self, batch: Batch | DistillBatch, step: int) -> Iterator[Update]:
        """The updates of one step of the current stage."""
        selection = self._selection
        assert selection is not None
        if isinstance(batch, DistillBatch):
            updates = distill_updates(self.network, batch, self.config)
        else:
            terms = terms_of(self.config, self._stage)
            algorithm = Algorithm(self.network, self.config, terms, self._stage.steps)
            updates = algorithm.updates(batch, step)
        if self._stage.name.startswith("align-") and step == self._stage.steps // 2:
            selection.means()  # resets them: an alignment keeps its values at the end
        selection.step = step + 1
        for update in updates:
            if update.terms:  # guards judge by the terms of all workers
                update = replace(update, terms=average_terms(update.terms))
                selection.add(update.terms)
                self._watch.add(update.terms)
            yield update
        if selection.step % health.JUDGE_EVERY == 0 or selection.step == self._stage.steps:
            self._guard(self._watch.judge())

    def finish(self, stage: Stage) -> dict[str, Any]:
        """The network's weights, those selected where reports select; or a teacher's labels."""
        if stage.name.startswith("teach-"):
            assert self._unlabelled is not None
            return teach(self.network, self._unlabelled, self._device)
        selection = self._selection
        assert selection is not None
        # Only worker 0 evaluates, and a student's workers must have one teacher.
        best: Any = broadcast_object(selection.best)
        result: dict[str, Any] = best or self.network.result()
        if stage.name.startswith("align-"):
            result["terms"] = selection.means()
        result["verdicts"] = dict(self._watch.verdicts)
        return result

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        """Keep a result for the later stages; the last one's is evaluated.

        Raises:
            UnhealthyError: Another trial, which only reports failure signatures, saw one there.
        """
        self._results[stage.name] = result
        if self.config.guards == "stop":
            self._guard({n: found for n, found in result.get("verdicts", {}).items() if found})
        if stage != self._stages[-1]:
            return
        if self._network is None or self._stage != stage:
            self._network = self._fresh(stage)
        self._network.load_result(result, what=f"stage {stage.name}")
        self._stage, self._selection, self.optimizers = stage, None, {}

    def evaluate(self, role: str) -> dict[str, float]:
        """Scores on a role; on ``dev``, while a stage runs, also those of the selected report.

        ``dev`` is that of the target with `variant: supervised`, else that of the source.
        ``dev/f1`` is the F1 of the report selected so far, or of this one before any can be;
        ``dev/current_f1`` is that of this one. Numbers of the stage of alignment are included as
        ``align/``, failure signatures as ``health/`` (1 if present, 0 if not; one that could not
        be judged is missing). Of a role that is read after the search the sentences that
        training has word for word, in any view, are left out: ``in_training`` counts them, and
        ``all_f1`` is the F1 with them, as in published results.
        """
        later = role != "dev"
        scores = evaluate(
            self.network,
            self._encoder,
            self._corpus,
            role if later else self.config.selected_on,
            self.config,
            apart=self._encoder.trained_on if later else None,
        )
        found = {f"{role}/{name}": value for name, value in scores.items()}
        selection = self._selection
        if later:
            return found
        found["dev/current_f1"] = scores["f1"]
        if selection is None:
            return found
        if selection.selectable(scores["f1"]):
            selection.best, selection.best_f1 = self.network.result(), scores["f1"]
        if selection.best is not None:
            found["dev/f1"] = selection.best_f1
        aligned = self._inherited("terms")
        selection.reports.append({"step": selection.step, **scores})
        verdicts = health.of_reports(selection.reports, done=selection.step == self._stage.steps)
        self._found = {name: sentence for name, sentence in verdicts.items() if sentence}
        flags = health.flags({**self._inherited("verdicts"), **self._watch.verdicts, **verdicts})
        return found | {f"align/{name}": value for name, value in aligned.items()} | flags

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        """Stop a trial whose reports show a failure signature, or log it."""
        self._guard(self._found)

    def state_dict(self) -> dict[str, Any]:
        """The network, the selection, and the results that are still needed."""
        assert self._selection is not None, "no stage runs"
        return {
            "network": self.network.trained(),
            "journal": self._selection.state_dict(),
            "watch": self._watch.state_dict(),
            "results": dict(self._results),
        }

    def save_encoder(self, folder: str) -> None:
        """Write the encoder of the network and its tokenizer."""
        own = self._encoder
        encoders.save(self.network.encoder, own.tokenizer, folder, trained_on=own.trained_on)

    def _fresh(self, stage: Stage) -> Network:
        """A network with the encoder's own weights and heads that depend only on the seed."""
        critic = stage.name.startswith(("align-", "train-")) and terms_of(self.config, stage).critic
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            network = Network(self._encoder.copy().model, self.config, critic=critic)
        return network.to(self._device)

    def _optimizers(self, stage: Stage) -> dict[str, torch.optim.Optimizer]:
        """AdamW for encoder and tagger, at the rate of the stage, and the critic's own."""
        config, network = self.config, self.network
        if stage.name.startswith("teach-"):
            return {}
        if stage.name == "distill":
            config = replace(config, learning_rate=config.distill_learning_rate)
        if stage.name.startswith("align-"):
            config = replace(config, learning_rate=config.align_learning_rate)
        heads = [] if stage.name.startswith("align-") else [network.tagger]
        found: dict[str, torch.optim.Optimizer] = {"main": adamw(network.encoder, heads, config)}
        if network.critic is not None:
            found["critic"] = critic_optimizer(network.critic, config)
        return found

    def _forget(self) -> None:
        """Drop the results that no remaining stage starts from."""
        after = self._stages[self._stages.index(self._stage) :]
        needed = {parent for stage in after for parent in stage.parents or ()}
        self._results = {name: r for name, r in self._results.items() if name in needed}

    def _guard(self, found: Mapping[str, str]) -> None:
        """Stop the trial at a failure signature, or log it."""
        for sentence in found.values():
            if self.config.guards == "stop":
                raise UnhealthyError(sentence)
            _log.warning(sentence)

    def _inherited(self, what: str) -> dict[str, Any]:
        """The means of ``terms``, or the ``verdicts``, of the stages that this one starts from."""
        return {
            name: value
            for parent in self._stage.parents or ()
            for name, value in self._results[parent].get(what, {}).items()
        }


def _share(rows: Rows) -> Rows:
    """This worker's part of the rows of a step."""
    return rows[rank() :: world_size()]


def build(
    config: MsmoConfig,
    cell: Cell,
    *,
    device: torch.device,
    roles: Sequence[str],
    data_dir: str,
) -> MsmoMethod:
    """A new trial; see `methods.base.MethodLoader.build`.

    A multilingual trial trains on all pairs and is tested on the cell's.

    Raises:
        ConfigError: The cell's task is not one of the pairs, the batch is not divisible by the
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
    # Of the roles of a search a trial opens what it reads; those after it are asked for.
    later = {*roles} - {"train", "dev"}
    own = load_pairs(config, (cell.task,), data_dir, {*roles_of(config), *later})
    others = [pair for pair in pairs if pair != cell.task]
    loaded = own | load_pairs(config, others, data_dir, roles_of(config))
    corpora = {pair: loaded[pair] for pair in pairs}
    encoder = encoders.load(config.encoder, layers=config.layers)
    views = needed_views(config)
    encoder = replace(encoder, trained_on=encoder.trained_on | _marks(corpora.values(), views))
    training_set = load_training_set(list(corpora.values()), encoder, config, views)
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
    _check_sentences(config, training_set, unlabelled)
    found = {
        name: parts[0] if len(parts) == 1 else combined_digest(*parts) if parts else ""
        for name, parts in digests(config, corpora).items()
    }
    split = training_set.tokens.split + (unlabelled.split if unlabelled else 0)
    return MsmoMethod(
        config,
        cell.seed,
        encoder=encoder,
        training_set=training_set,
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
    """Marks of every sentence that a trial learns from: its views, gold, teachers' sentences."""
    found: list[TaggedSentence] = []
    for corpus in corpora:
        if "train" in corpus.roles:
            rows = [getattr(row, view) for row in corpus.views() for view in VIEWS if view in views]
            found += [one for one in rows if one is not None]
        for role in ("target_train", "unlabelled"):
            if role in corpus.roles:
                found += corpus.sentences(role)
    return marks(" ".join(one.words) for one in found)


def _check_workers(config: MsmoConfig) -> None:
    """Check that every worker has something to do in every step."""
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
    config: MsmoConfig, training_set: TrainingSet, unlabelled: Tokenised | None
) -> None:
    """Check that every worker has a part of the smallest possible batch, too."""
    workers, problems = world_size(), []
    for stage in outline(config):
        if stage.name.startswith("teach-"):
            continue
        if stage.name == "distill":
            assert unlabelled is not None
            there = len(unlabelled.longest)
        else:
            there = draws_from(training_set, terms_of(config, stage))
        if there < workers:
            problems.append(
                f"stage {stage.name} must have a sentence for each of the {workers} workers of a "
                f"trial, but has {there}; take fewer workers"
            )
    if problems:
        raise ConfigError(problems)
