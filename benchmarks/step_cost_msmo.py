"""What does a step of MSMO cost, in plain ACS steps on the same sentences?

Run by ``python benchmarks/step_cost.py msmo``. Unit of an aligned step is a step of the variant
``acs`` on the same rows, of a literal one a step of ``acs`` on the same labelled batch. On a CPU
the process's own seconds are counted, in one thread, so that what else the machine does matters
little. The floor counts sentences: 1 for a forward pass, 3 with the backward pass; a step may
fall below it, because sentences of like length are padded together.

"As the code" makes the passes of the published code (docs/msmo.md §4.1) on the sentences of the
literal step: every batch alone, pairs without aspects too, cross-entropy back-propagated twice.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from raysearch.config import read_config
from raysearch.corpora import data_dir
from raysearch.methods import get_method
from raysearch.methods.base import Update
from raysearch.methods.msmo.batches import Batch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import clip_weights, wasserstein_gap
from raysearch.methods.msmo.items import pack
from raysearch.methods.msmo.losses import bidirectional_kl, span_distribution, token_cross_entropy
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.model import Outputs, frozen
from raysearch.methods.msmo.tokens import Rows, spans
from raysearch.run import Cell
from raysearch.training.progress import Position
from raysearch.training.provenance import device_name, pick_device, provenance
from raysearch.training.steps import take_step

MOST = {"aligned": 2.2, "literal": 5.0}
"""Ratios that a full step keeps to."""


def build(arguments: argparse.Namespace, **settings: Any) -> MsmoMethod:
    """A trial on the asked corpus and encoder."""
    fixed = {
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpus": arguments.corpus,
        "pairs": "en-es",
        "batch_size": arguments.batch_size,
        "precision": arguments.precision,
        "freeze_embeddings": not arguments.train_embeddings,
    }
    config = read_config(MsmoConfig, {**fixed, **settings}, where="step_cost.py")
    method = get_method("msmo").build(
        config,
        Cell("en-es", 0),
        device=pick_device(),
        roles=("train", "dev"),
        data_dir=str(data_dir(arguments.data_dir)),
    )
    assert isinstance(method, MsmoMethod)
    return method


class AsTheCode:
    """A method whose literal step has the passes of the published code."""

    def __init__(self, method: MsmoMethod) -> None:
        self.method, self.optimizers = method, method.optimizers

    def updates(self, batch: Batch, step: int) -> Iterator[Update]:
        """The critic's updates, the cross-entropy alone, then all terms."""
        network, config, (_, draw) = self.method.network, self.method.config, batch.draws
        critic = network.critic
        assert critic is not None
        for source, target in draw.rounds[: config.critic_steps]:
            with torch.no_grad():
                seen = [self.read(rows).features for rows in (source, target)]
            yield Update("critic", -self.gap(*seen), rate=1.0)
            clip_weights(critic, config.critic_clip)
        labelled = self.read(draw.labelled)
        logits = network.tag(labelled.words)
        loss = token_cross_entropy(logits, self.labels(draw.labelled))
        yield Update("main", loss, step=False)

        labelled = self.read(draw.labelled)  # its graph is gone: the code keeps it instead
        loss = token_cross_entropy(network.tag(labelled.words), self.labels(draw.labelled))
        with frozen(critic):
            gap = self.gap(labelled.features, self.read(draw.target).features)
        distance = self.distance(draw.pairs)
        total = loss + config.adversarial_weight * gap + config.consistency_weight * distance
        yield Update("main", total)

    def read(self, sentences: Rows) -> Outputs:
        """Hidden states of sentences, all padded to the longest of them."""
        tokens = self.method.training_set.tokens
        return self.method.network(pack(tokens, spans(tokens.parts, sentences), pick_device()))

    def labels(self, sentences: Rows) -> torch.Tensor:
        """Labels of their words."""
        tokens = self.method.training_set.tokens
        return torch.from_numpy(tokens.labels[spans(tokens.words, sentences)]).to(pick_device())

    def gap(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """What the critic sees between two batches."""
        critic = self.method.network.critic
        assert critic is not None
        return wasserstein_gap(critic(source), critic(target))

    def distance(self, pairs: Rows) -> torch.Tensor:
        """Consistency of pairs of sentences, with a forward pass for either side."""
        tokens, found = self.method.training_set.tokens, []
        for rows in (pairs[:, 0], pairs[:, 1]):
            log_probs = self.method.network.tag(self.read(rows).words).log_softmax(-1)
            counts = np.diff(tokens.words)[rows]
            own = spans(tokens.aspects, rows)
            begins = np.repeat(np.cumsum(counts) - counts, np.diff(tokens.aspects)[rows])
            places = (begins + tokens.begins[own], tokens.lengths[own])
            found.append(
                span_distribution(
                    log_probs, *(torch.from_numpy(p).to(log_probs.device) for p in places)
                )
            )
        return bidirectional_kl(*found).mean()


class Contender:
    """One way to take a step, with a trial of its own.

    Args:
        name: Row of the table.
        method: Has its last stage, or the named one, begun.
        stage: Which stage steps.
        as_the_code: Whether every batch has a pass of its own.
    """

    def __init__(
        self, name: str, method: MsmoMethod, stage: str = "train-main", *, as_the_code: bool = False
    ) -> None:
        self.name, self.config = name, method.config
        self.stage = next(each for each in method.stages() if each.name == stage)
        for earlier in method.stages():
            method.begin(earlier)
            if earlier == self.stage:
                break
            method.accept(earlier, method.finish(earlier))
        self.method = method
        self.steps = AsTheCode(method) if as_the_code else method
        self.as_the_code = as_the_code

    def batches(self, count: int) -> list[Batch]:
        """The first so many batches of an epoch."""
        found = islice(self.method.batches(self.stage, 0), count)
        return [batch for batch in found if isinstance(batch, Batch)]

    def seconds(self, batches: Sequence[Batch]) -> float:
        """Seconds that one step takes, mean over the batches."""
        start = clock()
        for batch in batches:
            take_step(self.steps, self.config, self.stage, batch, Position(step=1))  # type: ignore[arg-type]
        return (clock() - start) / len(batches)

    def passes(self, batch: Batch) -> float:
        """Sentences forwarded, those with a backward pass three times."""
        _, draw = batch.draws
        if self.as_the_code:
            sides = sum(len(source) + len(target) for source, target in draw.rounds)
            # A second backward pass through the labelled batch costs two.
            return sides + 5 * len(draw.labelled) + 3 * len(draw.target) + 6 * len(draw.pairs)
        alone = len(batch.critic_batches()[0].order) if draw.rounds else 0
        return alone + 3 * len(batch.main.order)


def clock() -> float:
    """Seconds: of this process on a CPU, of the wall with a GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def contenders(arguments: argparse.Namespace) -> list[tuple[str, Contender]]:
    """Unit's name and contender; the units first."""

    def make(**settings: Any) -> MsmoMethod:
        return build(arguments, **settings)

    both = {"schedule": "interleaved"}
    literal = {"sampling": "literal"}
    mixed = {**both, **literal, "adversarial_source": "mixed"}
    return [
        ("aligned", Contender("acs, aligned", make(variant="acs"))),
        ("literal", Contender("acs, literal", make(variant="acs", **literal))),
        ("aligned", Contender("msmo, aligned", make(**both))),
        ("aligned", Contender("  first step: align", make(), "align-main")),
        ("aligned", Contender("  second step: train", make())),
        ("literal", Contender("msmo, literal", make(**both, **literal))),
        ("literal", Contender("msmo, literal, mixed", make(**mixed))),
        ("literal", Contender("as the code", make(**mixed), as_the_code=True)),
    ]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds; gives what is printed and written."""
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    runners = contenders(arguments)
    batches = {runner.name: runner.batches(arguments.steps) for _, runner in runners}
    found: dict[str, list[float]] = {runner.name: [] for _, runner in runners}
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for _, runner in runners:
            seconds = runner.seconds(batches[runner.name])
            if number > 0:
                found[runner.name].append(seconds)
    passes = {
        runner.name: statistics.mean(map(runner.passes, batches[runner.name]))
        for _, runner in runners
    }
    rows = []
    for unit, runner in runners:
        plain = f"acs, {unit}"
        ratios = [a / b for a, b in zip(found[runner.name], found[plain], strict=True)]
        rows.append(
            {
                "step": runner.name,
                "seconds": statistics.median(found[runner.name]),
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "floor": passes[runner.name] / passes[plain],
            }
        )
    where = provenance()
    return {
        "benchmark": "step_cost",
        "method": arguments.method,
        "unit": "acs",
        "clock": "wall" if torch.cuda.is_available() else "process",
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpus": arguments.corpus,
        "batch_size": arguments.batch_size,
        "precision": arguments.precision,
        "train_embeddings": arguments.train_embeddings,
        "steps": arguments.steps,
        "rounds": arguments.rounds,
        "most": MOST,
        "device": device_name(pick_device()),
        "torch": where["torch"],
        "commit": where["commit"],
        "dirty": where["dirty"],
        "rows": rows,
    }
