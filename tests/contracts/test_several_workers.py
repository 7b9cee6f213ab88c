"""What a trial of two workers promises: one worker's numbers without dropout, its own with it."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo import on_two_workers
from method_cases import CARL, CASES, MSMO, curve, run

from raysearch import distributed, encoders
from raysearch.run import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOLERANCE = {"carl": 1e-5, "msmo": 1e-8}
"""Of sums in another order, absolutely, above 1 relatively. In double precision, but CARL's labels
and with them its soft targets are fp32, whose rounding Adam enlarges."""

ODD: dict[str, dict[str, dict[str, Any]]] = {
    "carl": {
        # Batches that do not divide over two workers: 29 rows where a batch has 64.
        f"odd {variant}": {
            **CARL,
            "variant": variant,
            "train_rows": 29,
            "batch_size": 64,
            "epochs": 3,
        }
        for variant in ("carl", "no_mccl", "saliency", "simcse", "supcon", "finetune")
    }
    | {
        "random": {**CARL, "token_choice": "random"},
        "half random": {**CARL, "token_choice": "half_random", "pgd_steps": 2},
        "odd finetuned": {
            **CARL,
            "protocol": "finetuned",
            "finetune_epochs": 2,
            "train_rows": 29,
            "batch_size": 256,
            "va_corpora": ["sample"],
        },
    },
    "msmo": {
        "five items": {**MSMO, "batch_size": 20, "schedule": "interleaved"},
        "mixed": {
            **MSMO,
            "schedule": "interleaved",
            "sampling": "literal",
            "adversarial_source": "mixed",
        },
        # More sentences in a batch than there are.
        "large distill": {
            **MSMO,
            "variant": "acs",
            "distillation": "single",
            "batch_size": 1024,
            "distill_steps": 3,
            "steps": 3,
        },
        # Source sentences that stand in items of either worker.
        "wide mtl": {
            **MSMO,
            "pairs": ["en-es", "en-fr"],
            "multilingual": True,
            "schedule": "interleaved",
            "batch_size": 160,
        },
    },
}
"""Cases beside those of every method: groups that do not divide, random choices."""

EVERY = {method: {**CASES[method], **odd} for method, odd in ODD.items()}
EXACT = [
    (method, case)
    for method, cases in EVERY.items()
    for case in cases
    if case not in ("bf16", "frozen")
]
WITH_DROPOUT = [
    *(("carl", case) for case in ("carl", "warmup", "finetuned", "half random", "odd simcse")),
    *(("msmo", case) for case in ("msmo", "interleaved", "literal", "distill_m", "mtl")),
]


def trained(folder: Path, method: str, case: str, **how: Any) -> Run | None:
    """The run of a case in this process, or on this worker."""
    torch.set_num_threads(1)
    return run(method, EVERY[method][case], folder, **how)


def exact_curves(folder: Path, encoder: str) -> list[Any]:
    """Of every case, in double precision without dropout: its curve, or how it failed."""
    load, found = encoders.load, []

    def double(*arguments: Any, **options: Any) -> encoders.Encoder:
        loaded = load(*arguments, **options)
        return dataclasses.replace(loaded, model=loaded.model.double())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoders, "load", double)
        torch.set_num_threads(1)
        torch.set_default_dtype(torch.float64)
        try:
            for number, (method, case) in enumerate(EXACT):
                still = {"dropout": 0.0} if method == "msmo" else {}
                settings = {**EVERY[method][case], "encoder": encoder, **still}
                found.append(curve(run(method, settings, folder / str(number))))
                distributed.broadcast_object("the next one begins together")
        finally:
            torch.set_default_dtype(torch.float32)
    return found


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny one without dropout."""
    tiny = encoders.load("tiny", layers=1)
    tiny.model.config.hidden_dropout_prob = tiny.model.config.attention_probs_dropout_prob = 0.0
    folder = tmp_path_factory.mktemp("encoder") / "still"
    return str(encoders.save(tiny.model, tiny.tokenizer, folder))


def test_two_workers_have_the_numbers_of_one(tmp_path: Path, encoder: str) -> None:
    together, _ = on_two_workers(partial(exact_curves, tmp_path / "two", encoder))
    alone = exact_curves(tmp_path / "one", encoder)
    wrong = {}
    for name, two, one in zip(EXACT, together, alone, strict=True):
        assert [step for step, _ in two] == [step for step, _ in one], name
        for (_, some), (step, others) in zip(two, one, strict=True):
            assert some.keys() == others.keys(), name
            for metric, value in others.items():
                # Parts that both languages have are ordered by rounding.
                gap = 0.01 if metric.endswith("critic_accuracy") else TOLERANCE[name[0]]
                if some[metric] != pytest.approx(value, rel=gap, abs=gap):
                    wrong[(*name, step, metric)] = (value, some[metric])
    assert not wrong, wrong


def resumed_curves(folder: Path) -> list[tuple[Any, Any]]:
    """Of every case with dropout: its curve, and that of one interrupted at its first report."""
    found = []
    for number, (method, case) in enumerate(WITH_DROPOUT):
        place = folder / str(number)
        straight = trained(place / "straight", method, case)
        assert trained(place / "cut", method, case, stop_after=1) is None, (method, case)
        distributed.broadcast_object("worker 0 has written its checkpoint")
        resumed = trained(place / "cut", method, case)
        found.append((curve(straight), curve(resumed)))
    return found


def test_an_interrupted_trial_of_two_workers_goes_on_to_its_own_numbers(tmp_path: Path) -> None:
    first, second = on_two_workers(partial(resumed_curves, tmp_path))
    assert first == second
    for name, (straight, resumed) in zip(WITH_DROPOUT, first, strict=True):
        assert straight == resumed, name
