"""Two distributions that are apart by plan: the encoder brings them together, at every c and λ.

The distance is measured beside the method, on fresh rows: the difference of the means, which is
known at the start, and the sliced Wasserstein distance.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from raysearch.methods.msmo.algorithm import Algorithm
from raysearch.methods.msmo.batches import CriticBatch
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.critic import Critic, critic_optimizer
from raysearch.methods.msmo.health import StepWatch
from raysearch.methods.msmo.stages import Terms
from raysearch.search.space.space import load_space

SPACE = load_space(Path(__file__).parents[3] / "search_spaces" / "msmo.yaml")
WIDTH, ROWS, APART = 16, 16, 3.0
STEPS = 100


def ends(name: str) -> tuple[float, float]:
    (item,) = (item for item in SPACE.parameters if item.name == name)
    return item.low, item.high


class Planted:
    """Sentences of two languages as points: the second is the first, moved by `APART`.

    The label of a point is the side of a plane across the move, so that it can be learned in both.
    """

    def __init__(self) -> None:
        self.chance = torch.Generator().manual_seed(1)
        self.move, self.plane = torch.zeros(2, WIDTH)
        self.move[:4] = APART / 2
        self.plane[8:] = 1.0

    def rows(self, count: int) -> torch.Tensor:
        """(2, count, WIDTH) points of the first and of the second language."""
        drawn = torch.randn(2, count, WIDTH, generator=self.chance)
        drawn[1] += self.move
        return drawn

    def labels(self, rows: torch.Tensor) -> torch.Tensor:
        return (rows @ self.plane > 0).float()


class PlantedNetwork(nn.Module):
    """An affine encoder from the identity, a linear head, and the critic."""

    def __init__(self, config: MsmoConfig) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(WIDTH, WIDTH)
        nn.init.eye_(self.encoder.weight)
        nn.init.zeros_(self.encoder.bias)
        self.head = nn.Linear(WIDTH, 1)
        self.critic = Critic(WIDTH, config)

    def forward(self, points: torch.Tensor) -> Any:
        return SimpleNamespace(features=self.encoder(points), points=points)


class PlantedAlgorithm(Algorithm):
    """The real steps, with the points' labels in place of the words'."""

    world: Planted

    def _learn(self, batch: Any, outputs: Any, terms: Any) -> torch.Tensor:
        logits = self.network.head(outputs.features).squeeze(-1)  # type: ignore[operator]
        loss = functional.binary_cross_entropy_with_logits(
            logits, self.world.labels(outputs.points)
        )
        terms["supervised"] = loss
        return loss


def sides(start: int) -> CriticBatch:
    first = torch.arange(start, start + ROWS)
    return CriticBatch(source=first, target=first + ROWS, sources=ROWS, targets=ROWS)


def batches(world: Planted, config: MsmoConfig) -> Iterator[Any]:
    while True:
        own = [world.rows(ROWS).flatten(0, 1) for _ in range(config.critic_steps + 2)]
        judged = [sides(2 * ROWS * n) for n in range(len(own))]
        packed = torch.cat(own)
        yield SimpleNamespace(
            main=world.rows(ROWS).flatten(0, 1),
            opposed=True,
            sides=sides(0),
            critic_batches=lambda p=packed, j=judged: (p, j[:-1], j[-1]),
        )


def sliced(one: torch.Tensor, other: torch.Tensor) -> float:
    """Mean over random directions of the exact 1-Wasserstein distance of two samples."""
    directions = torch.randn(one.shape[1], 100, generator=torch.Generator().manual_seed(2))
    directions /= directions.norm(dim=0)
    left, right = ((side @ directions).sort(0).values for side in (one, other))
    return float((left - right).abs().mean())


def play(world: Planted, config: MsmoConfig, *, critic: bool = True) -> dict[str, float]:
    """Train as the loop does; distances before and after in units of the start, and accuracy."""
    network = PlantedNetwork(config)
    learning = config.schedule == "interleaved"
    both = ("s", "t")
    labelled, played = both if learning else (), both if critic else ()
    terms = Terms(views=both, labelled=labelled, played=played)
    algorithm = PlantedAlgorithm(network, config, terms, STEPS)  # type: ignore[arg-type]
    algorithm.world = world
    optimizers = {
        "main": torch.optim.AdamW(
            [*network.encoder.parameters(), *network.head.parameters()], lr=0.03, weight_decay=0.0
        ),
        "critic": critic_optimizer(network.critic, config),
    }
    fresh = world.rows(4000)
    watch, worst = StepWatch(), 0.0
    start = sliced(*fresh)
    for step, batch in zip(range(STEPS), batches(world, config), strict=False):
        for update in algorithm.updates(batch, step):
            optimizer = optimizers[update.optimizer]
            optimizer.zero_grad()
            update.loss.backward()
            if update.rate is None:
                optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / STEPS)
            optimizer.step()
            if update.terms:
                watch.add(update.terms)
        with torch.no_grad():
            worst = max(worst, sliced(*network.encoder(fresh)) / start)
    watch.judge()
    with torch.no_grad():
        moved = network.encoder(fresh)
        said = network.head(moved).squeeze(-1) > 0
        spread = float(moved.std(1).mean() / fresh.std(1).mean())
    return {
        "distance": sliced(*moved) / start / spread,
        "worst": worst / max(spread, 1.0),
        "accuracy": float((said.float() == world.labels(fresh)).float().mean()),
        "turned over": float(bool(watch.verdicts.get("critic"))),
    }


CLIPS = ends("critic_clip")
CORNERS = [(clip, weight) for clip in CLIPS for weight in ends("adversarial_weight")]


@pytest.mark.parametrize(
    ("clip", "optimizer"),
    [
        (CLIPS[0], "adam"),
        *(pytest.param(*rest, marks=pytest.mark.slow) for rest in ((CLIPS[1], "adam"),)),
        *(pytest.param(clip, "rmsprop", marks=pytest.mark.slow) for clip in CLIPS),
    ],
)
def test_an_alignment_brings_the_pair_together(clip: float, optimizer: str) -> None:
    config = MsmoConfig(critic_clip=clip, critic_optimizer=optimizer)
    found = play(Planted(), config)
    assert found["distance"] < 0.4, found
    assert found["worst"] < 1, found
    assert not found["turned over"]


@pytest.mark.parametrize(
    ("clip", "weight"),
    [CORNERS[-1], *(pytest.param(*corner, marks=pytest.mark.slow) for corner in CORNERS[:-1])],
)
def test_beside_labels_the_pair_comes_together_and_what_is_learned_stays(
    clip: float, weight: float
) -> None:
    config = MsmoConfig(critic_clip=clip, adversarial_weight=weight, schedule="interleaved")
    alone = play(Planted(), config, critic=False)
    found = play(Planted(), config)
    assert found["distance"] < 0.8 * alone["distance"]
    assert found["accuracy"] >= alone["accuracy"] - 0.05
    assert not found["turned over"]
