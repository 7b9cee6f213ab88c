"""Tiny trials on the bundled reviews, a pair of languages made by hand, and a step runner."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from raysearch.config import read_config
from raysearch.corpora.absa.records import AlignedViews, PairCorpus, TaggedSentence
from raysearch.methods import get_method
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.run import Cell

TINY = {
    "encoder": "tiny",
    "pairs": "en-es",
    "max_length": 48,
    "batch_size": 16,
    "learning_rate": 1e-3,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def make_config() -> Callable[..., MsmoConfig]:
    def make(**settings: Any) -> MsmoConfig:
        return read_config(MsmoConfig, {**TINY, **settings}, where="test")

    return make


@pytest.fixture
def make_method(make_config: Callable[..., MsmoConfig]) -> Callable[..., MsmoMethod]:
    def make(seed: int = 0, **settings: Any) -> MsmoMethod:
        config = make_config(**settings)
        method = get_method("msmo").build(
            config,
            Cell(config.pairs[0], seed),
            device=torch.device("cpu"),
            roles=("train", "dev"),
            data_dir="nowhere",
        )
        assert isinstance(method, MsmoMethod)
        return method

    return make


@pytest.fixture
def perform() -> Callable[..., dict[str, float]]:
    """Perform one step's updates as the loop does, without clipping; gives the terms."""

    def run(method: MsmoMethod, batch: Any, step: int = 0) -> dict[str, float]:
        terms: dict[str, float] = {}
        for update in method.updates(batch, step):
            optimizer = method.optimizers[update.optimizer]
            optimizer.zero_grad()
            update.loss.backward()
            optimizer.step()
            terms |= {name: float(torch.as_tensor(v).detach()) for name, v in update.terms.items()}
        return terms

    return run


def tagged(text: str) -> TaggedSentence:
    """Words with ``/+``, ``/-`` or ``/~`` behind those of aspects."""
    signs = {"+": "T-POS", "-": "T-NEG", "~": "T-NEU"}
    pairs = [word.partition("/") for word in text.split()]
    return TaggedSentence(
        tuple(word for word, _, _ in pairs), tuple(signs.get(sign, "O") for _, _, sign in pairs)
    )


def pair_of(target: str, views: list[AlignedViews], **roles: list[TaggedSentence]) -> PairCorpus:
    return PairCorpus(
        name="hand",
        pair=f"en-{target}",
        source="en",
        target=target,
        digests={},
        _views=tuple(views),
        _sentences={role: tuple(rows) for role, rows in roles.items()},
        roles=("train", *roles),
    )


@pytest.fixture
def spanish() -> PairCorpus:
    """Three rows: two aspects in four views, no aspect in four views, a source sentence alone."""
    return pair_of(
        "es",
        [
            AlignedViews(
                row=0,
                s=tagged("The food/+ and the wine/- list/- arrived"),
                st=tagged("The comida/+ and the carta/- arrived"),
                ts=tagged("La food/+ y la wine/- list/- llegaron tarde"),
                t=tagged("La comida/+ y la carta/- llegaron tarde"),
            ),
            AlignedViews(
                row=1,
                s=tagged("We came late ."),
                st=tagged("We came late ."),
                ts=tagged("Llegamos tarde ."),
                t=tagged("Llegamos tarde ."),
            ),
            AlignedViews(row=2, s=tagged("Nice place/~")),
        ],
        target_train=[tagged("El vino/-"), tagged("Nada")],
    )


@pytest.fixture
def french() -> PairCorpus:
    """The same source sentences; the third has a translation here, the first has none."""
    return pair_of(
        "fr",
        [
            AlignedViews(row=0, s=tagged("The food/+ and the wine/- list/- arrived")),
            AlignedViews(
                row=1,
                s=tagged("We came late ."),
                st=tagged("We came late ."),
                ts=tagged("Nous sommes venus tard ."),
                t=tagged("Nous sommes venus tard ."),
            ),
            AlignedViews(
                row=2,
                s=tagged("Nice place/~"),
                st=tagged("Nice endroit/~"),
                ts=tagged("Bel place/~"),
                t=tagged("Bel endroit/~"),
            ),
        ],
        target_train=[tagged("Rien")],
    )
