"""Names from elsewhere: one part of a path each, and never the same one for two."""

import os
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.errors import ConfigError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.names import checked_name, is_name, is_text, language_pair, path_part

HOSTILE = ["", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", ".x", "-x", "a\nb", "a\0b", "a b", "~x"]


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 129, "é" * 65, None, 3, ["a"]])
def test_no_name(text: object) -> None:
    assert not is_name(text)
    with pytest.raises(ConfigError, match=r"`--name` must be the name of a folder.*but got"):
        checked_name(text, "`--name`")


@pytest.mark.parametrize("text", ["carl", "carl-emobank", "a.b_c+d=e@f", "größe", "x" * 128])
def test_name(text: str) -> None:
    assert checked_name(text, "`--name`") == text


@pytest.mark.parametrize("text", ["sample", "emobank+facebook", "en-es", "en-zh_CN", "a_b", "a__b"])
def test_plain_texts_stay(text: str) -> None:
    assert path_part(text) == text


def test_a_text_that_is_changed_has_the_digest_of_what_it_was() -> None:
    # sha256 of "a/b" and of the empty text
    assert path_part("a/b") == "a_b~c14cddc033f6"
    assert path_part("") == "_~e3b0c44298fc"
    assert re.fullmatch(r"_~[0-9a-f]{12}", path_part(".."))


@given(text=st.text() | st.sampled_from(HOSTILE) | st.text("./-~_a", min_size=1))
def test_every_text_is_one_part(text: str) -> None:
    part = path_part(text)
    assert Path("/x", part).resolve().parent == Path("/x") and part not in (".", "..")
    assert re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9_+.~-]*", part) and len(part) <= 160


def test_different_texts_have_different_parts() -> None:
    texts = ["".join(signs) for signs in product("a/_.~-\n", repeat=4)]
    texts += ["x" * 300, "x" * 301, *{path_part(text) for text in texts} - set(texts)]
    assert len({path_part(text) for text in texts}) == len(set(texts))


def test_what_is_text() -> None:
    assert is_text("Größe") and is_text("")
    assert not is_text(os.fsdecode(b"bad\xff"))


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("en-es", ("en", "es")),
        ("en-pt_BR", ("en", "pt_BR")),
        ("zh_Hant-es419", ("zh_Hant", "es419")),
        ("en-en", None),
        ("en", None),
        ("en-pt-BR", None),
        ("en-e\u015f", None),
        ("en-es\n", None),
    ],
)
def test_language_pairs(text: str, pair: tuple[str, str] | None) -> None:
    assert language_pair(text) == pair
    config = MsmoConfig(pairs=(text,))
    assert any("`pairs` must be like" in problem for problem in config.problems()) == (pair is None)
