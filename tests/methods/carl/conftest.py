"""A tiny CARL trial on the bundled sample, and the ten lines that perform its updates."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from raysearch.config import read_config
from raysearch.methods import get_method
from raysearch.methods.carl.config import CarlConfig
from raysearch.methods.carl.method import CarlMethod
from raysearch.run import Cell

TINY = {"encoder": "tiny", "corpora": "sample", "max_length": 32, "batch_size": 16}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_config() -> Callable[..., CarlConfig]:
    def make(**settings: Any) -> CarlConfig:
        return read_config(CarlConfig, {**TINY, **settings}, where="test")

    return make


@pytest.fixture
def make_method(make_config: Callable[..., CarlConfig]) -> Callable[..., CarlMethod]:
    def make(seed: int = 0, **settings: Any) -> CarlMethod:
        method = get_method("carl").build(
            make_config(**settings),
            Cell("sample", seed),
            device=torch.device("cpu"),
            roles=("train", "dev"),
            data_dir="nowhere",
        )
        assert isinstance(method, CarlMethod)
        method.begin(method.stages()[-1])
        return method

    return make


@pytest.fixture
def accumulate() -> Callable[..., dict[str, float]]:
    """Run the updates of one step without an optimizer step; gives the terms."""

    def run(method: CarlMethod, batch: Any, step: int = 0) -> dict[str, float]:
        method.model.zero_grad(set_to_none=True)
        terms: dict[str, float] = {}
        for update in method.updates(batch, step):
            update.loss.backward()
            terms |= {
                k: float(v.detach()) if isinstance(v, torch.Tensor) else v
                for k, v in update.terms.items()
            }
        return terms

    return run


@pytest.fixture
def train() -> Callable[..., list[dict[str, float]]]:
    """Perform so many steps as the loop does, without its schedule; gives each step's terms."""

    def run(method: CarlMethod, steps: int, seed: int = 0) -> list[dict[str, float]]:
        torch.manual_seed(seed)
        stage, history, epoch = method.stages()[-1], [], 0
        while True:
            for batch in method.batches(stage, epoch):
                if len(history) == steps:
                    return history
                for optimizer in method.optimizers.values():
                    optimizer.zero_grad()
                terms: dict[str, float] = {}
                for update in method.updates(batch, len(history)):
                    update.loss.backward()
                    if update.step:
                        method.optimizers[update.optimizer].step()
                    terms |= {
                        k: float(v.detach()) if isinstance(v, torch.Tensor) else v
                        for k, v in update.terms.items()
                    }
                history.append(terms)
            epoch += 1

    return run
