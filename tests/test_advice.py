"""What a message advises about a lost or damaged file is done, and then all is as before."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_ray import SharedRay

from raysearch.cli import main
from raysearch.leaderboard import Store

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 2, seeds: 1}
sampler: random
pruner: none
setting: {encoder: tiny, layers: 0, corpora: [sample], epochs: 0.5, reports: 1, batch_size: 16}
search:
  top_k: {low: 0.05, high: 0.4}
"""
ROOT = Path("results/mine")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> Path:
    """The folder of a finished sweep; Ray runs for the sweeps that follow."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "space.yaml").write_text(SPACE)
    shared_ray.up()
    assert sweep(folder) == 0
    return folder


@pytest.fixture(autouse=True)
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def sweep(folder: Path = Path()) -> int:
    words = ["--space", str(folder / "space.yaml"), "--name", "mine", "--slots", "1", "--quiet"]
    return main(["sweep", "carl", *words, "--results", str(folder / "results")])


def contents() -> tuple[Any, ...]:
    store = Store(ROOT)
    return store.trials(), sorted(store.curves().to_pylist(), key=repr)


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 4 :] = bytes(len(data) - len(data) // 4)
    path.write_bytes(data)


def said(capsys: pytest.CaptureFixture[str], run: Callable[[], int]) -> str:
    capsys.readouterr()
    assert run() == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("table", ["trials", "curves"])
@pytest.mark.parametrize("merged", [False, True])
def test_a_damaged_part_is_moved_away_and_its_rows_come_from_the_study(
    capsys: pytest.CaptureFixture[str], table: str, merged: bool
) -> None:
    if merged:
        Store(ROOT).compact()
    before = contents()
    part = sorted((ROOT / table).glob("merged-*" if merged else "part-*"))[0]
    spoil(part)
    assert f"{part.name}` must be" in (text := said(capsys, sweep))
    assert "move it away and run the same command again" in text
    part.rename("away")
    assert sweep() == 0
    assert contents() == before
    assert main(["verify", str(ROOT), "--sample", "0%"]) == 0


def test_a_damaged_study_is_moved_away_and_recovered(capsys: pytest.CaptureFixture[str]) -> None:
    before = contents()
    spoil(ROOT / "study.db")
    text = said(capsys, sweep)
    assert "move it away, with the files -wal and -shm beside it" in text and "recover" in text
    for path in ROOT.glob("study.db*"):
        path.rename(f"away{path.suffix}")
    assert "is gone or half recovered, while there are 2 rows" in said(capsys, sweep)
    assert main(["recover", str(ROOT)]) == 0
    assert sweep() == 0
    assert contents() == before


def test_a_damaged_card_is_written_anew_by_the_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "sweep.json").read_text()
    card = json.loads(text)
    (ROOT / "sweep.json").write_text(text[:50])
    for command in ("leaderboard", "recover"):
        text = said(capsys, lambda command=command: main([command, str(ROOT)]))
        assert "sweep.json` must" in text and "sweep" in text.partition(";")[2]
    assert sweep() == 0
    again = json.loads((ROOT / "sweep.json").read_text())
    other = {"space": "", "seal": ""}  # the file is named from another folder
    assert again | other == card | other
    assert main(["leaderboard", str(ROOT)]) == 0


def test_a_damaged_begun_trial_is_removed_and_the_rest_recovered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (ROOT / "intents").mkdir(exist_ok=True)
    (ROOT / "intents" / "00002-sample-s0.json").write_text("{")
    for path in ROOT.glob("study.db*"):
        path.unlink()
    text = said(capsys, lambda: main(["recover", str(ROOT)]))
    assert "remove it to give up that trial's checkpoint" in text
    (ROOT / "intents" / "00002-sample-s0.json").unlink()
    assert main(["recover", str(ROOT)]) == 0
    assert sweep() == 0


def test_a_damaged_copy_is_moved_away(capsys: pytest.CaptureFixture[str]) -> None:
    (ROOT / "copy.json").write_text("{")
    assert "move the folder away: `raysearch attach` brings the rows again" in said(capsys, sweep)


def test_a_renamed_folder_gets_its_name_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = contents()
    ROOT.rename("results/other")
    words = ["sweep", "carl", "--space", "space.yaml", "--slots", "1", "--quiet"]
    text = said(capsys, lambda: main([*words, "--name", "other"]))
    assert "only that of `mine` is, while there are 2 rows" in text
    assert "run it under the name `mine` again" in text and "recover" not in text
    Path("results/other").rename(ROOT)
    assert sweep(Path()) == 0
    assert contents() == before
