"""Does the encoder bring two languages together at each c and λ of a space, and at what cost?

    python benchmarks/language_gap.py [--space msmo] [--seeds 1] [--json PATH]

Trains a trial at both ends of c and, where critic and labels share a step, of λ, on one pair. The
distance between the languages is measured beside the method, on sentences that no trial learned
from: the area under the ROC curve of a fresh linear classifier, cross-fitted (0.5 is chance), and
the sliced Wasserstein distance in units of the spread within a language. `no_critic` is what the
critic's rows are compared with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from raysearch.config import flatten
from raysearch.corpora import data_dir
from raysearch.methods import get_method
from raysearch.methods.msmo.items import pack
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.tokens import tokenise
from raysearch.run import Cell
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.training.progress import Position
from raysearch.training.provenance import provenance
from raysearch.training.seed import derive_seed, seed_everything
from raysearch.training.steps import autocast, endless_batches, take_step

Matrix = npt.NDArray[np.float64]

RIDGE = 1.0
"""Penalty of the fresh classifier on standardised features."""
DIRECTIONS = 256
"""Random directions of the sliced distance."""
ROLES = ("dev", "target_dev")
"""Held-out sentences of the source language and of the target language."""


def separation(one: Matrix, other: Matrix) -> float:
    """Area under the ROC curve of a ridge classifier of two sides, cross-fitted in two halves."""
    features = np.concatenate([one, other])
    sides = np.concatenate([np.ones(len(one)), -np.ones(len(other))])
    halves = np.concatenate([np.arange(len(one)) % 2, np.arange(len(other)) % 2])
    found = []
    for half in (0, 1):
        fitted = halves != half
        mean, spread = features[fitted].mean(0), features[fitted].std(0) + 1e-9
        x, held = (features[fitted] - mean) / spread, (features[~fitted] - mean) / spread
        weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ sides[fitted])
        scores, truth = held @ weights, sides[~fitted]
        difference = scores[truth > 0, None] - scores[None, truth < 0]
        found.append(float((difference > 0).mean() + 0.5 * (difference == 0).mean()))
    return fmean(found)


def sliced_distance(one: Matrix, other: Matrix) -> float:
    """Mean over directions of the 1-Wasserstein distance over the spread within the sides."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    levels = (np.arange(200) + 0.5) / 200
    left, right = (np.quantile(side @ directions, levels, axis=0) for side in (one, other))
    within = np.sqrt(0.5 * (left.var(0) + right.var(0)))
    return float((np.abs(left - right).mean(0) / within).mean())


@torch.no_grad()
def apart(method: MsmoMethod, corpus: Any) -> dict[str, float]:
    """How far the held-out sentences of the two languages are from each other."""
    network, sides = method.network, []
    training = network.training
    network.eval()
    for role in ROLES:
        tokens = tokenise(
            method._encoder,
            corpus.sentences(role),
            max_length=method.config.max_length,
            long_sentences="split",
            where=role,
            marked=False,
        )
        packed = pack(tokens, np.arange(len(tokens.sizes)), torch.device("cpu"), chunk=32)
        sides.append(network(packed).features.double().numpy())
    network.train(training)
    return {"separation": separation(*sides), "distance": sliced_distance(*sides)}


def trial(space: SearchSpace, pair: str, seed: int, data: str, given: Mapping[str, Any]) -> Any:
    """Train one trial; the distance at the start and after each stage, and F1 at the end."""
    config = space.read({"guards": "report", **given})
    seed_everything(derive_seed(seed, "build"))
    method = get_method("msmo").build(
        config,
        Cell(pair, seed),
        device=torch.device("cpu"),
        roles=("train", *ROLES),
        data_dir=data,
    )
    assert isinstance(method, MsmoMethod)
    corpus = method._corpus
    found: dict[str, float] = {}
    for stage in method.stages():
        seed_everything(derive_seed(seed, stage.name))
        method.begin(stage)
        if not found:
            found |= {f"start/{name}": value for name, value in apart(method, corpus).items()}
        position = Position()
        batches = endless_batches(method, stage, seed, skip=0)
        while position.step < stage.steps:
            take_step(method, config, stage, next(batches), position)
        means = {name: float(v) / position.counts[name] for name, v in position.sums.items()}
        kept = ("gap", "critic_accuracy", "critic_updates", "critic_followed")
        found |= {f"{stage.name}/{name}": means[name] for name in kept if name in means}
        after = apart(method, corpus)
        found |= {f"{stage.name}/{name}": value for name, value in after.items()}
        verdict = method._watch.verdicts.get("critic")
        found |= {} if verdict is None else {f"{stage.name}/turned_over": float(bool(verdict))}
        with autocast(config.precision):
            method.accept(stage, method.finish(stage))
    with autocast(config.precision):
        for role in ROLES:
            found[f"{role}/f1"] = method.evaluate(role)[f"{role}/f1"]
    return found


def ends(space: SearchSpace, name: str) -> tuple[float, float]:
    """Both ends of a searched range."""
    (item,) = (item for item in space.parameters if item.name == name)
    return item.low, item.high


def arms(space: SearchSpace) -> Iterator[dict[str, Any]]:
    """The settings of each row, that without a critic first."""
    yield {"variant": "no_critic"}
    for clip in ends(space, "critic_clip"):
        yield {"schedule": "sequential", "critic_clip": clip}
    for clip in ends(space, "critic_clip"):
        for weight in ends(space, "adversarial_weight"):
            yield {"schedule": "interleaved", "critic_clip": clip, "adversarial_weight": weight}


def show(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows, means over the seeds."""
    table = Table(title="How far the languages are apart, and F1", title_justify="left")
    names = ("schedule", "critic_clip", "adversarial_weight")
    measures = sorted({key for row in rows for key in row["means"]})
    for name in (*names, *measures):
        table.add_column(name, justify="right")
    for row in rows:
        told = [str(row["settings"].get(name, "")) for name in names]
        values = [f"{row['means'][m]:.3f}" if m in row["means"] else "" for m in measures]
        table.add_row(*told, *values)
    return table


def main() -> None:
    """Train, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", type=Path, default=Path("search_spaces/msmo.yaml"))
    parser.add_argument("--pair", default="en-es")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--data-dir")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    args = parser.parse_args()
    space = load_space(args.space)
    extra = dict(item.split("=", 1) for item in args.settings)
    rows = []
    for settings in arms(space):
        seeds = [
            trial(space, args.pair, seed, str(data_dir(args.data_dir)), {**extra, **settings})
            for seed in range(args.seeds)
        ]
        means = {name: fmean(one[name] for one in seeds) for name in seeds[0]}
        rows.append({"settings": settings, "means": means, "seeds": seeds})
        Console().print(settings, {name: round(value, 3) for name, value in means.items()})
    result = {
        "benchmark": "language_gap",
        "commit": provenance("msmo")["commit"],
        "pair": args.pair,
        "config": flatten(space.read(extra)),
        "rows": rows,
    }
    Console(width=200).print(show(rows))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
