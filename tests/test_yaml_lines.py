from __future__ import annotations

from pathlib import Path

import pytest

from raysearch.config import Rule, check_value
from raysearch.errors import ConfigError, quoted
from raysearch.yaml_lines import read_located


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "f.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_know_their_lines(tmp_path: Path) -> None:
    root, problems = read_located(write(tmp_path, "a: 1\n\nb:\n  c: [x,\n    2.5]\n  d: null\n"))

    assert not problems
    assert {key: node.line for key, node in root.items()} == {"a": 1, "b": 3}
    assert root["b"].value["c"].line == 4
    assert root["b"].value["c"].value[1].line == 5
    assert root["b"].plain == {"c": ["x", 2.5], "d": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("-2E3", -2000.0),
        (".5e+1", 5.0),
        ("'1e-5'", "1e-5"),
        ("1e", "1e"),
        ("2026-11-21", "2026-11-21"),
        ("true", True),
        ("package:minilm", "package:minilm"),
    ],
)
def test_scalars(tmp_path: Path, text: str, value: object) -> None:
    root, _ = read_located(write(tmp_path, f"a: {text}\n"))

    assert root["a"].value == value
    assert type(root["a"].value) is type(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "must be a mapping of keys to values"),
        ("a: [1,\nb: 2\n", "f.yaml:3"),
        ("a: 1\n b: 2\n", "f.yaml:2"),
        ("a: \x07\n", "must be YAML"),
        ("a: 1\n---\nb: 2\n", r"must be YAML, but found another document \(.*f.yaml:2\)"),
        (b"a: \xff\n", "UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_located(write(tmp_path, text))

    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read"):
            read_located(path)


def test_what_is_wrong_inside_is_collected(tmp_path: Path) -> None:
    text = "a: 1\na: 2\n? [k]\n: 3\nb: !!binary aGk=\nc: &x {d: *x}\ne: !own 1\nf: {g: 1, g: 2}\n"

    _, problems = read_located(write(tmp_path, text))
    with pytest.raises(ConfigError) as caught:
        problems.raise_all()

    assert [text.rsplit(":", 1)[1].rstrip(")") for text in caught.value.problems] == list("235678")
    assert "`a` must stand once, but it stands on line 1 too" in caught.value.problems[0]


def aliases(each: int, times: int) -> str:
    """Lists of which each repeats the one before it so often."""
    rows = [f"x{at}: &a{at} [{', '.join([f'*a{at - 1}'] * each)}]" for at in range(1, times)]
    return "\n".join(["x0: &a0 [1]", *rows]) + "\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: " + "[" * 2000 + "]" * 2000, r"it is more than 50 levels deep \(.*f.yaml:1\)"),
        ("a: " + "{a: " * 2000 + "1" + "}" * 2000, "it is more than 50 levels deep"),
        ("".join(" " * at + "a:\n" for at in range(2000)), r"levels deep \(.*f.yaml:50\)"),
        (aliases(1, 2000), r"it is more than 50 levels deep"),
        (aliases(9, 12), r"more than 100000 values, .* counted each time \(.*f.yaml:6\)"),
    ],
)
def test_trees_that_cannot_be_walked(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        read_located(write(tmp_path, text))


def test_repeats_within_reason_are_read(tmp_path: Path) -> None:
    root, problems = read_located(write(tmp_path, aliases(2, 10)))
    assert not problems and sum(map(str(root["x9"].plain).count, "1")) == 2**9


@pytest.mark.parametrize("digits", ["9" * 400, "9" * 5000, "0x" + "f" * 10_000])
def test_integers_of_any_length_are_said_in_short(tmp_path: Path, digits: str) -> None:
    root, problems = read_located(write(tmp_path, f"a: {digits}\n"))
    if "a" in root and root["a"].value is not None:
        _, must = check_value(Rule(kind="int", low=0), root["a"].plain)
        assert must == "an integer >= 0, and at most 9007199254740992"
        assert len(quoted(root["a"].plain)) < 70
    else:
        with pytest.raises(ConfigError) as caught:
            problems.raise_all()
        assert "must be a value that YAML can read" in str(caught.value)
        assert len(str(caught.value)) < 300
