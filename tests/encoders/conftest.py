"""Encoders and texts that several tests share; loaded once, so read them only."""

import importlib.util

import pytest
import torch

from raysearch import encoders
from raysearch.corpora import data_dir
from raysearch.encoders.packaged import PACKAGED

LANGUAGES = ("en", "es", "fr", "nl", "ru")


def _need_package(name):
    if not any(importlib.util.find_spec(package) for package, _ in PACKAGED[name].places):
        pytest.skip(f"package:{name} is not installed (pip install 'raysearch[encoders]')")


@pytest.fixture(scope="session")
def need_package():
    """Call it with `minilm` or `me5` to skip where that is not installed."""
    return _need_package


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"asked the network for {arguments}")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.fixture(scope="session")
def minilm():
    _need_package("minilm")
    return encoders.load("package:minilm")


@pytest.fixture(scope="session")
def me5():
    _need_package("me5")
    return encoders.load("package:me5")


def read_xabsa(path):
    """Sentences of a file with one token a line and an empty line between sentences."""
    blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    return [" ".join(line.split("\t")[0] for line in block.split("\n")) for block in blocks]


@pytest.fixture(scope="session")
def xabsa(any_data):
    return lambda file: read_xabsa(any_data / "xabsa" / file)


@pytest.fixture(scope="session")
def sentences():
    """55 sentences in five languages."""
    folder = data_dir() / "xabsa"
    return [
        text
        for language in LANGUAGES
        for text in read_xabsa(folder / f"gold-{language}-test.txt")[:11]
    ]


@pytest.fixture(scope="session")
def vectors():
    """Mean of the last hidden state over all tokens of each text, ``(N, H)``."""

    def pooled(model, tokenizer, texts):
        rows = []
        for text in encoders.encode(tokenizer, texts, 128):
            with torch.no_grad():
                rows.append(model(torch.tensor([text.ids])).last_hidden_state[0].mean(0))
        return torch.stack(rows)

    return pooled
