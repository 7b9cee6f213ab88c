"""What does a step of a method cost, in plain fine-tuning steps of the same encoder?

    python benchmarks/step_cost.py carl [--corpus emobank --data-dir DIR] [--json PATH]
    python benchmarks/step_cost.py msmo [--corpus xabsa --data-dir DIR] [--json PATH]

MSMO's contenders are in `step_cost_msmo`. Every contender takes the same batches, one round
after the other, and the ratio to plain fine-tuning is taken within a round; the median over
rounds is reported. Steps are whole: zeroing, backward, clipping, AdamW, momentum. The floor
counts forward passes only (carl.md §5).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raysearch.config import read_config
from raysearch.corpora import data_dir
from raysearch.methods import get_method
from raysearch.methods.base import Update
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.data import Batch
from raysearch.methods.carl.losses import focal_detection_loss
from raysearch.methods.carl.method import CarlMethod
from raysearch.methods.carl.perturbation import ascend, choose_tokens, saliency
from raysearch.run import Cell
from raysearch.training.provenance import device_name, pick_device, provenance

DEFAULTS = {"carl": ("package:minilm", "sample", 32), "msmo": ("package:me5", "sample_reviews", 16)}
FIXED_LENGTH = 128
FLOORS = {"carl K=1": 7 / 3, "carl K=3": 11 / 3, "saliency (eps = 0)": 5 / 3}
NAIVE_FLOORS = {1: 12 / 3, 3: 18 / 3}


def build(arguments: argparse.Namespace, **settings: Any) -> CarlMethod:
    """A trial on the asked corpus and encoder, ready to train."""
    fixed = {
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpora": arguments.corpus,
        "batch_size": arguments.batch_size,
        "max_length": FIXED_LENGTH,
        "precision": arguments.precision,
    }
    config = read_config(CarlConfig, {**fixed, **settings}, where="step_cost.py")
    method = get_method("carl").build(
        config,
        Cell(arguments.corpus, 0),
        device=pick_device(),
        roles=("train", "dev"),
        data_dir=str(data_dir(arguments.data_dir)),
    )
    assert isinstance(method, CarlMethod)
    method.begin(method.stages()[-1])
    return method


def naive_updates(method: CarlMethod, batch: Batch) -> Iterator[Update]:
    """The step as a first draft has it: every part has passes of its own, keys are recomputed."""
    model, config, algorithm = method.model, method.config, method.algorithm
    objective, adversary = algorithm.objective, algorithm.adversary
    assert model.target is not None

    def contrastive(embeddings: torch.Tensor) -> torch.Tensor:
        assert model.target is not None
        states = model.online.states(embeddings, batch.mask)
        keys = model.target.keys(batch.ids, batch.mask)
        queries = model.queries(states, batch.mask)
        return objective(queries, keys, objective.targets(batch.labels)).loss

    embeddings = model.online.lookup(batch.ids)
    (gradient,) = torch.autograd.grad(contrastive(embeddings), embeddings)
    scores = saliency(gradient, batch.eligible)
    chosen = choose_tokens(scores, batch.eligible, config.top_k)
    clean = embeddings.detach()
    delta = torch.zeros_like(clean)
    for _ in range(config.pgd_steps):
        point = (clean + delta).requires_grad_()
        (gradient,) = torch.autograd.grad(contrastive(point), point)
        delta = ascend(
            delta,
            gradient,
            chosen,
            epsilon=adversary.radius,
            step_size=config.pgd_step_size,
            norm=config.perturbation_norm,
        )
    loss = config.contrastive_weight * contrastive(model.online.lookup(batch.ids))
    perturbed = model.online.states(model.online.lookup(batch.ids) + delta, batch.mask)
    detection = focal_detection_loss(
        model.detect(perturbed), chosen, batch.eligible, gamma=config.focal_gamma
    )
    yield Update("main", loss + config.detection_weight * detection)
    model.target.follow(model.online, 0.99)


def widen(batch: Batch, pad_id: int) -> Batch:
    """The same batch padded to the fixed length."""
    more = FIXED_LENGTH - batch.ids.shape[1]
    pad = torch.nn.functional.pad
    return Batch(
        ids=pad(batch.ids, (0, more), value=pad_id),
        mask=pad(batch.mask, (0, more)),
        eligible=pad(batch.eligible, (0, more)),
        labels=batch.labels,
        classes=batch.classes,
        tokens=batch.tokens,
        rows=batch.rows,
        width=FIXED_LENGTH,
    )


class Contender:
    """One way to take a step, with a trial of its own."""

    def __init__(
        self,
        name: str,
        method: CarlMethod,
        *,
        floor: float | None = None,
        naive: bool = False,
        fixed: bool = False,
    ) -> None:
        self.name, self.method, self.floor = name, method, floor
        self.naive, self.fixed = naive, fixed
        self.taken = 0

    def seconds(self, batches: Sequence[Batch]) -> float:
        """Seconds that one step takes, mean over the batches."""
        if self.fixed:  # all batches cost the same then: one is enough
            pad_id = self.method._sentences.texts.pad_id
            batches = [widen(batches[0], pad_id)]
        synchronise()
        start = time.perf_counter()
        for batch in batches:
            self._step(batch)
        synchronise()
        return (time.perf_counter() - start) / len(batches)

    def _step(self, batch: Batch) -> None:
        method, optimizer = self.method, self.method.optimizers["main"]
        method._stage = method.stages()[-1]
        # From step 1 on: step 0 also checks the perturbation, which waits for the device.
        updates = naive_updates(method, batch) if self.naive else method.updates(batch, 1)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        while True:
            with autocast(method.config):
                update = next(updates, None)
            if update is None:
                return
            update.loss.backward()
            if update.step:
                torch.nn.utils.clip_grad_norm_(parameters, method.config.clip_norm)
                optimizer.step()


def autocast(config: CarlConfig) -> torch.autocast:
    """The loop's autocast."""
    kind = pick_device().type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=config.precision == "bf16")


def synchronise() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def contenders(make: Callable[..., CarlMethod]) -> list[Contender]:
    """Plain fine-tuning first: the unit."""
    one, three = make(), make(pgd_steps=3)
    return [
        Contender("fine-tuning", make(variant="finetune"), floor=1.0),
        Contender("carl K=1", one, floor=FLOORS["carl K=1"]),
        Contender("carl K=3", three, floor=FLOORS["carl K=3"]),
        Contender("saliency (eps = 0)", make(variant="saliency"), floor=5 / 3),
        Contender("naive K=1", one, floor=NAIVE_FLOORS[1], naive=True),
        Contender("naive K=3", three, floor=NAIVE_FLOORS[3], naive=True),
        Contender("naive K=3, padded to 128", three, naive=True, fixed=True),
    ]


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds; gives what is printed and written."""
    runners = contenders(lambda **settings: build(arguments, **settings))
    method = runners[1].method
    batches = []
    for batch in method.batches(method.stages()[-1], 0):
        batches.append(batch)
        if len(batches) == arguments.steps:
            break
    found: dict[str, list[float]] = {runner.name: [] for runner in runners}
    for number in range(arguments.rounds + 1):  # the first warms up and does not count
        for runner in runners:
            seconds = runner.seconds(batches)
            if number > 0:
                found[runner.name].append(seconds)
    unit = found["fine-tuning"]
    rows = []
    for runner in runners:
        ratios = [a / b for a, b in zip(found[runner.name], unit, strict=True)]
        rows.append(
            {
                "step": runner.name,
                "seconds": statistics.median(found[runner.name]),
                "ratio": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "floor": runner.floor,
            }
        )
    lengths = method._sentences.texts.lengths
    where = provenance()
    return {
        "benchmark": "step_cost",
        "method": arguments.method,
        "unit": "fine-tuning",
        "encoder": arguments.encoder,
        "layers": arguments.layers,
        "corpus": arguments.corpus,
        "batch_size": arguments.batch_size,
        "precision": arguments.precision,
        "tokens_per_row": float(np.mean(lengths)),
        "steps": len(batches),
        "rounds": arguments.rounds,
        "device": device_name(pick_device()),
        "torch": where["torch"],
        "commit": where["commit"],
        "dirty": where["dirty"],
        "rows": rows,
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    print(
        f"{result['encoder']} on {result['corpus']}, batch {result['batch_size']}, "
        f"{result['device']}, median of {result['rounds']} rounds of {result['steps']} steps"
    )
    unit = f"x {result['unit']}"
    print(f"{'step':<26}{'seconds':>9}{unit:>15}{'range':>15}{'floor':>8}{'over':>8}")
    for row in result["rows"]:
        floor = f"{row['floor']:.2f}" if row["floor"] else "-"
        over = f"{row['ratio'] / row['floor'] - 1:+.0%}" if row["floor"] else "-"
        span = f"{row['ratio_low']:.2f}-{row['ratio_high']:.2f}"
        print(
            f"{row['step']:<26}{row['seconds']:>9.3f}{row['ratio']:>15.2f}{span:>15}"
            f"{floor:>8}{over:>8}"
        )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("method", choices=["carl", "msmo"])
    parser.add_argument("--encoder", help="default: package:minilm, of msmo package:me5")
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--corpus", help="default: sample, of msmo sample_reviews")
    parser.add_argument("--data-dir")
    parser.add_argument("--batch-size", type=int, help="default: 32, of msmo 16")
    parser.add_argument("--train-embeddings", action="store_true", help="msmo: word embeddings too")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    encoder, corpus, size = DEFAULTS[arguments.method]
    arguments.encoder = arguments.encoder or encoder
    arguments.corpus = arguments.corpus or corpus
    arguments.batch_size = arguments.batch_size or size
    if arguments.method == "msmo":
        import step_cost_msmo  # beside this file

        result = step_cost_msmo.measure(arguments)
    else:
        result = measure(arguments)
    show(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
