from __future__ import annotations

from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.marked_yaml import read_marked


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "f.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_values_know_their_lines(tmp_path: Path) -> None:
    root, problems = read_marked(write(tmp_path, "a: 1\n\nb:\n  c: [x,\n    2.5]\n  d: null\n"))

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
    root, _ = read_marked(write(tmp_path, f"a: {text}\n"))

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
        ("a: 1\n---\nb: 2\n", "f.yaml:2"),
        (b"a: \xff\n", "UTF-8"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str | bytes, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        read_marked(write(tmp_path, text))

    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read"):
            read_marked(path)


def test_what_is_wrong_inside_is_collected(tmp_path: Path) -> None:
    text = "a: 1\na: 2\n? [k]\n: 3\nb: !!binary aGk=\nc: &x {d: *x}\ne: !own 1\nf: {g: 1, g: 2}\n"

    _, problems = read_marked(write(tmp_path, text))
    with pytest.raises(ConfigError) as caught:
        problems.raise_all()

    assert [text.rsplit(":", 1)[1].rstrip(")") for text in caught.value.problems] == list("235678")
    assert "`a` must stand once, but it stands on line 1 too" in caught.value.problems[0]
