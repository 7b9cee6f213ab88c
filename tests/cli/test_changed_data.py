"""Data that changes after a row was made: told by file, and never the result of something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.cli import main
from raysearch.corpora.sample import REVIEWS
from raysearch.leaderboard import Store

SETTINGS = ("pairs=en-es", "steps=4", "align_steps=2", "batch_size=16", "reports=1")
DEV = "gold-en-dev.txt"


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the user's own with the bundled reviews."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in REVIEWS.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(code: int, *words: str) -> str:
        assert main(list(words)) == code, capsys.readouterr()
        told = capsys.readouterr()
        return told.out + told.err

    return run


def words(corpus: Path, encoder: str = "tiny") -> list[str]:
    settings = (f"corpus={corpus}", f"encoder={encoder}", *SETTINGS)
    sets = [word for text in settings for word in ("--set", text)]
    return ["train", "msmo", "--name", "x", "--quiet", *sets]


def unwrapped(text: str) -> str:
    """Without white space, which a terminal's width puts anywhere."""
    return "".join(text.split())


def cut_in_half(file: Path) -> bytes:
    """Keep the first half of the sentences; what was there."""
    before = file.read_bytes()
    lines = before.decode().split("\n\n")
    file.write_text("\n\n".join(lines[: len(lines) // 2]) + "\n")
    return before


def test_a_row_of_other_data_is_no_result_of_what_is_there_now(
    corpus: Path, said: Callable[..., str]
) -> None:
    said(0, *words(corpus), "--format", "json")
    [row] = Store("results/x").trials()
    sources = json.loads(row.provenance["sources"])
    assert {name for name in sources if name.startswith("data ")} == {
        f"data {corpus / name}"
        for name in ("gold-en-train.txt", DEV, "smt-es-train.txt", "cs_es-en-train.txt")
        + ("cs_en-es-train.txt",)
    }
    assert "method msmo" in sources

    before = cut_in_half(corpus / DEV)
    text = said(2, *words(corpus))
    assert "other sources" in text and f"`data {corpus / DEV}` had SHA-256" in text
    text = said(2, "evaluate", "results/x", "--trial", "0")
    assert "nothing was read" in text and DEV in text
    assert Store("results/x/test").trials() == []

    said(0, *[{"x": "y"}.get(word, word) for word in words(corpus)], "--format", "json")
    [other] = Store("results/y").trials()
    assert other.provenance["dev_digest"] != row.provenance["dev_digest"]
    (corpus / DEV).write_bytes(before)
    shown = json.loads(said(0, *words(corpus), "--format", "json").splitlines()[-1])
    assert shown["finished"] == row.finished


SPACE = """\
method: msmo
objective: {metric: dev/f1}
budget: {trials: 1}
sampler: random
pruner: none
setting: {encoder: tiny, corpus: CORPUS, pairs: [en-es], steps: 4, align_steps: 2, batch_size: 16,
  reports: 1, guards: report}
search:
  learning_rate: {low: 1e-4, high: 1e-3}
"""


@pytest.mark.slow
def test_a_sweep_goes_on_with_its_own_data_only(corpus: Path, said: Callable[..., str]) -> None:
    Path("space.yaml").write_text(SPACE.replace("CORPUS", str(corpus)))
    sweep = ["sweep", "msmo", "--space", "space.yaml", "--slots", "1", "--quiet", "--trials"]
    said(0, *sweep, "1")
    before = cut_in_half(corpus / DEV)
    text = said(2, *sweep, "2")
    assert "must continue with the data that it has" in text
    assert f"{corpus / DEV}" in text and "for trial 0" in text and "take another --name" in text
    store = Store("results/space")
    [row] = store.trials()
    assert "no fault" in said(0, "verify", "results/space", "--sample", "0%")

    # What an older version let come about: rows of both in one folder.
    said(0, *[{"--space": "--name", "space.yaml": "y"}.get(word, word) for word in sweep], "1",
         "--space", "space.yaml")  # fmt: skip
    [other] = Store("results/y").trials()
    store.append(replace(other, sweep="space", number=1))
    assert DEV in unwrapped(said(1, "verify", "results/space", "--sample", "0%"))
    for command, code in (("leaderboard", 0), ("evaluate", 2)):
        text = unwrapped(said(code, command, "results/space"))
        assert "rowsofdifferentthingsarerankedtogether" in text and DEV in text
    said(0, "report", "results/space", "-o", "page.html")
    assert "rows of different things are ranked together" in Path("page.html").read_text()

    (corpus / DEV).write_bytes(before)
    assert row.provenance["sources"] != other.provenance["sources"]


def other_activation(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hidden_act": "relu"}))


def another_file(folder: Path) -> None:
    (folder / "added_tokens.json").write_text('{"food": 0}')


def one_file_less(folder: Path) -> None:
    (folder / "generation_config.json").unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_activation, "enc: config.json"),
        (another_file, "enc: (which files)"),
        (one_file_less, "enc: (which files)"),
    ],
)
def test_every_file_of_an_encoder_is_a_part_of_it(
    corpus: Path, said: Callable[..., str], change: Callable[[Path], None], named: str
) -> None:
    from raysearch import encoders

    tiny = encoders.load("tiny")
    folder = encoders.save(tiny.model, tiny.tokenizer, "enc")
    (folder / "generation_config.json").write_text("{}")
    (folder / "README.md").write_text("for people")
    first = encoders.load("enc")
    said(0, *words(corpus, "enc"))
    change(folder)
    (folder / "README.md").write_text("for other people")
    assert encoders.load("enc").digest != first.digest
    text = said(2, *words(corpus, "enc"))
    assert f"{named}` had SHA-256" in text and "README" not in text


@pytest.mark.slow
def test_a_sweep_goes_on_with_its_own_encoder_only(corpus: Path, said: Callable[..., str]) -> None:
    from raysearch import encoders

    tiny = encoders.load("tiny")
    folder = encoders.save(tiny.model, tiny.tokenizer, "enc")
    space = SPACE.replace("CORPUS", str(corpus)).replace("tiny", "enc")
    Path("space.yaml").write_text(space)
    sweep = ["sweep", "msmo", "--space", "space.yaml", "--slots", "1", "--quiet", "--trials"]
    said(0, *sweep, "1")
    other_activation(folder)
    another_file(folder)
    text = said(2, *sweep, "2")
    assert text.count("must continue with the encoder that it has") == 2
    assert "`enc: config.json`" in text and "`enc: (which files)`" in text
    [row] = Store("results/space").trials()
    assert row.number == 0
