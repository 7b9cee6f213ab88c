"""One reading of values, by YAML 1.2, wherever they are written."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import pytest

from raysearch.cli.parsing import CommandParser
from raysearch.config import Rule, check_value
from raysearch.errors import ConfigError
from raysearch.scalars import NULL, read_scalar
from raysearch.yaml_lines import read_located

SCALARS: dict[str, Any] = {
    "020": 20, "-07": -7, "+5": 5, "0": 0, "0o20": 16, "0x1F": 31, "08": 8,
    "1e-5": 1e-5, "1.": 1.0, ".5": 0.5, "5e+3": 5000.0, "020.5": 20.5, "-2E3": -2000.0,
    ".inf": math.inf, "-.INF": -math.inf,
    "true": True, "True": True, "FALSE": False, "null": None, "~": None, "NULL": None,
    "1:30": "1:30", "1:30.5": "1:30.5", "1_000": "1_000", "0b11": "0b11", "-0x10": "-0x10",
    "yes": "yes", "No": "No", "on": "on", "off": "off", "y": "y", "tRue": "tRue",
    "inf": "inf", "nan": "nan", "infinity": "infinity", "1e": "1e", ".": ".", "e5": "e5",
    "٣": "٣", "2026-11-21": "2026-11-21", "0o8": "0o8", "package:minilm": "package:minilm",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS)
def test_scalars(text: str, tmp_path: Path) -> None:
    value = read_scalar(text)
    assert (value, type(value)) == (SCALARS[text], type(SCALARS[text]))

    (tmp_path / "f.yaml").write_text(f"plain: {text}\nquoted: '{text}'\nlist: [{text}]\n")
    root, problems = read_located(tmp_path / "f.yaml")
    assert not problems
    assert repr(root["plain"].value) == repr(value)
    assert root["quoted"].value == text
    assert repr(root["list"].plain) == repr([value])


def test_not_a_number() -> None:
    value = read_scalar(".nan")
    assert isinstance(value, float) and math.isnan(value)


@pytest.mark.parametrize("kind", ["int", "float", "bool"])
@pytest.mark.parametrize("text", [*sorted(set(SCALARS) - set(NULL)), "1e2", "12.0"])
def test_a_setting_is_the_same_from_a_file_and_from_text(text: str, kind: Any) -> None:
    rule = Rule(kind=kind, optional=True)
    from_file, from_text = check_value(rule, read_scalar(text)), check_value(rule, text)
    assert from_file[1] == from_text[1]
    if not from_file[1]:
        assert repr(from_file[0]) == repr(from_text[0])


@pytest.mark.parametrize(
    ("text", "must"),
    [
        ("1:30", "an integer"),
        ("1_000", "an integer"),
        ("0b11", "an integer"),
        ("yes", "an integer"),
    ],
)
def test_what_is_no_number_is_said(text: str, must: str) -> None:
    assert check_value(Rule(kind="int"), text) == (text, must)
    assert check_value(Rule(kind="bool"), "yes") == ("yes", "true or false")


@pytest.mark.parametrize("text", ["020", "0x14", "0o24", "20", "2e1", "20.0"])
def test_an_option_is_read_as_a_file_is(text: str) -> None:
    parser = CommandParser()
    parser.add_argument("--n", type=int)
    parser.add_argument("--x", type=float)
    assert parser.parse_args(["--n", text, "--x", text]) == argparse.Namespace(n=20, x=20)


@pytest.mark.parametrize("text", ["1_0", "1:30", "yes", "true", "inf", "nan", "null", "2.5", "٣"])
def test_an_option_that_is_no_number(text: str) -> None:
    parser = CommandParser()
    parser.add_argument("--n", type=int)
    with pytest.raises(ConfigError, match=f"argument --n: invalid int value: '{text}'"):
        parser.parse_args(["--n", text])


def test_a_tag_must_fit(tmp_path: Path) -> None:
    text = "a: !!int 020\nb: !!float 3\nc: !!str 020\nd: !!null ~\n"
    (tmp_path / "f.yaml").write_text(text)
    root, problems = read_located(tmp_path / "f.yaml")
    assert not problems
    assert [node.value for node in root.values()] == [20, 3.0, "020", None]
    (tmp_path / "f.yaml").write_text("a: !!int x\nb: !!bool yes\nc: !!float 1_0\n")
    assert len(read_located(tmp_path / "f.yaml")[1]) == 3
