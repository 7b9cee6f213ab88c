"""Commands about data as a user types them."""

import json
import shutil
from pathlib import Path

import made_corpora
import pytest

from raysearch.cli import main
from raysearch.corpora import data_dir

XML = """<Reviews><Review rid="1"><sentences><sentence id="1:0"><text>Good pad thai, no?</text>
<Opinions><Opinion target="pad thai" category="FOOD#QUALITY" polarity="positive" from="5" to="13"/>
<Opinion target="NULL" category="FOOD#QUALITY" polarity="negative" from="0" to="0"/>
</Opinions></sentence></sentences></Review></Reviews>
"""


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    made_corpora.pin(monkeypatch)


def cells_of(out: str) -> dict[str, list[str]]:
    """The first cell of each row of a table to all of its cells."""
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in out.splitlines()
        if line.count("│") > 2
    ]
    return {cells[0]: cells for cells in rows}


@pytest.mark.usefixtures("pinned")
def test_check_reports_on_the_language_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "xabsa"]) == 0
    out = capsys.readouterr().out
    rows = cells_of(out)
    assert "xabsa/smt-fr-train.txt" in rows
    assert "80/83" in rows["es"] and "100/104" in rows["ru"]
    assert rows["usable: all views agree"][1:5] == ["166/237", "166/238", "168/240", "164/236"]
    assert all(len(line) <= 80 for line in out.splitlines())


def test_check_names_files_that_are_not_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "emobank"]) == 2
    assert "damaged" in capsys.readouterr().out


@pytest.mark.real_data
def test_check_of_the_real_language_pairs(
    real_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "xabsa", "--data-dir", str(real_data)]) == 0
    rows = cells_of(capsys.readouterr().out)
    assert "2924/2439" in rows["ru"] and "20" in rows["ru"]
    assert rows["usable: all views agree"][1:5] == ["956/1341", "957/1336", "971/1357", "961/1343"]
    assert main(["data", "list", "xabsa", "--format", "json", "--data-dir", str(real_data)]) == 0
    [listed] = json.loads(capsys.readouterr().out)
    assert {file["state"] for file in listed["files"]} == {"ok"}


def test_check_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("gold-es-dev", "gold-ru-test"):
        shutil.copy(data_dir() / "xabsa" / f"{name}.txt", tmp_path)
    assert main(["data", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "80/83" in out and "100/104" in out and "SHA-256" not in out
    (tmp_path / "gold-ru-test.txt").write_text("a\tb\tc\n")
    assert main(["data", "check", str(tmp_path)]) == 2
    assert "gold-ru-test.txt: `tag` must be O" in capsys.readouterr().err
    assert main(["data", "check", f"{tmp_path}/none/"]) == 2
    assert "must have files such as gold-en-train.txt" in capsys.readouterr().err


def test_check_of_a_folder_says_which_labelled_file_has_no_aspect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("gold-en-train", "gold-en-dev", "gold-es-train", "gold-es-test"):
        tag = "T-POS" if name == "gold-en-train" else "O"
        (tmp_path / f"{name}.txt").write_text(f"food\t{tag}\tNIL\nhere\tO\tNIL\n")
    assert main(["data", "check", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    for name in ("en-dev", "es-test"):
        assert f"gold-{name}.txt: a labelled file must have aspects" in said
    assert "but its 1 sentence has none" in said
    assert "gold-es-train.txt" not in said  # whose labels nobody need read


def test_check_without_the_files_says_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", "xabsa", "--data-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("missing") == 27 and "usable" not in out


def test_list_names_the_pairs_that_are_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "list", "xabsa"]) == 0
    assert "translated pairs here: en-es, en-fr, en-nl, en-ru" in capsys.readouterr().out
    assert main(["data", "list", "xabsa", "--data-dir", str(tmp_path)]) == 0
    assert "translated pairs here: none" in capsys.readouterr().out


def test_convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xml, file = tmp_path / "reviews.xml", tmp_path / "gold-en-test.txt"
    xml.write_text(XML, encoding="utf-8")
    assert main(["data", "convert", str(xml), str(file)]) == 0
    out = capsys.readouterr().out
    assert "1 sentence, 1 aspect" in out and "without target: 1" in out
    assert file.read_text(encoding="utf-8").split("\n")[:3] == [
        "Good\tO\tNONE-CATE",
        "pad\tT-POS\tNONE-CATE",
        "thai\tT-POS\tNONE-CATE",
    ]
    before = file.read_bytes()
    assert main(["data", "convert", str(xml), str(file)]) == 2
    assert "must not exist yet" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert main(["data", "convert", str(tmp_path / "none.xml"), str(tmp_path / "f")]) == 2
    assert "none.xml is missing" in capsys.readouterr().err
    assert main(["data", "convert", str(xml), str(tmp_path / "none" / "f")]) == 2
    assert "must be writable" in capsys.readouterr().err


@pytest.mark.usefixtures("pinned")
def test_list_and_check_write_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "xabsa", "emobank", "--format", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["name"], second["licence"]) == ("xabsa", "CC BY-SA 4.0")
    assert {file["state"] for file in first["files"]} == {"ok"}
    assert main(["data", "check", "xabsa", "--format", "json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    [report] = checked["language_pairs"]
    assert [pair["pair"] for pair in report["pairs"]] == ["en-es", "en-fr", "en-nl", "en-ru"]
    assert len(checked["files"]) == len(first["files"]) and checked["splits"] == []
    assert main(["data", "check", "sample", "--format", "json"]) == 0
    [split] = json.loads(capsys.readouterr().out)["splits"]
    assert split["rows"] == {"train": 320, "dev": 80, "test": 80}
    assert split["removed"] == [] and split["same_words"] == {"dev": 0, "test": 0}
