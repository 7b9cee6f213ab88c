from pathlib import Path

import pytest

from raysearch.corpora import CORPORA, data_dir
from raysearch.corpora.source import Source
from raysearch.errors import DataError


def test_data_dir_takes_option_then_variable_then_neighbour_then_cache(tmp_path, monkeypatch):
    work = tmp_path / "project"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAYSEARCH_DATA", "/from/variable")
    assert data_dir("/from/option") == Path("/from/option")
    assert data_dir() == data_dir("") == Path("/from/variable")
    monkeypatch.delenv("RAYSEARCH_DATA")
    assert data_dir() == tmp_path / "home/.cache/raysearch/data"
    (tmp_path / "shared/data").mkdir(parents=True)
    assert data_dir() == Path("../shared/data")


@pytest.fixture
def source(tmp_path):
    return Source(CORPORA["emobank"], tmp_path)


def test_problems_are_grouped_with_first_lines_and_count(source):
    for line in range(2, 9):
        source.rating("a.csv", line, "V", "seven", (1, 5))
    source.rating("a.csv", 11, "A", "5.1", (1, 5))
    source.not_blank("b.csv", 4, " \t")
    with pytest.raises(DataError) as caught:
        source.finish()
    lines = str(caught.value).split("\n")
    assert len(lines) == 4
    assert "a.csv: `V` must be a number from 1 to 5, but got 'seven' (line 2)" in lines[0]
    assert "'seven' (line 4) and 4 more" in lines[0]
    assert "`A` must be a number from 1 to 5, but got '5.1' (line 11)" in lines[1]
    assert "b.csv: the text must have at least one token, but got ' \\t' (line 4)" in lines[2]
    assert "python -m raysearch data fetch emobank" in lines[3]


@pytest.mark.parametrize("value", ["nan", "NaN", "", "inf", "-inf", "0.99", "5.01", "x", None])
def test_unusable_ratings_are_problems(source, value):
    source.rating("a.csv", 2, "V", value, (1, 5))
    with pytest.raises(DataError):
        source.finish()


@pytest.mark.parametrize("value", ["1", "5", "3.25", 4, 1.0])
def test_usable_ratings_are_numbers(source, value):
    assert source.rating("a.csv", 2, "V", value, (1, 5)) == float(value)
    source.finish()


def test_missing_empty_and_unreadable_files(source, tmp_path):
    with pytest.raises(DataError, match="`x.csv` must be in the data folder.*is missing.*fetch"):
        source.text("x.csv")
    (tmp_path / "x.csv").write_text(" \n")
    with pytest.raises(DataError, match="`x.csv` must hold rows.*is empty"):
        source.text("x.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="`d.csv` must be readable"):
        source.text("d.csv")
    (tmp_path / "l.csv").write_bytes(b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(DataError, match=r"`l.csv` must be utf-8, but got byte 0xe9 \(.*l.csv:3\)"):
        source.text("l.csv")


def test_lines_break_at_newlines_only(source, tmp_path):
    (tmp_path / "x.txt").write_bytes("a\u0085b\u2028c\nd\n".encode())
    assert source.lines("x.txt") == ["a\u0085b\u2028c", "d"]
