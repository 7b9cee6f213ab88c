"""`raysearch plan`: hand-worked hours and money, which rows count, 80 columns, no rows at all."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysearch.cli import main
from raysearch.devices import cpu_device
from raysearch.leaderboard import Store
from raysearch.run import Cell, Report, Run, RunState

ROOT = Path(__file__).parents[2]
SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 20, seeds: 2}
sampler: random
pruner: none
setting: {encoder: tiny, corpora: [sample], epochs: 4, reports: 2}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(SPACE)
    return Path("space.yaml")


def row(number: int, seconds: float, **more: Any) -> Run:
    config = {"encoder": "tiny", "layers": 0, "epochs": 4.0, "reports": 2, "batch_size": 64}
    fields: dict[str, Any] = {
        "sweep": "early", "number": number, "cell": Cell("sample", 0), "method": "carl",
        "state": RunState.COMPLETE, "seconds": seconds, "steps": 10,
        "device": "NVIDIA A10G", "finished": "2026-01-01T00:00:00",
    }  # fmt: skip
    settings = config | more.pop("config", {})
    return Run(**(fields | more), config=settings)


def planned(
    capsys: pytest.CaptureFixture[str], folder: Path, space: Path, rows: list[Run], *words: str
) -> list[str]:
    store = Store(folder / "early")
    for trial in rows:
        store.append(trial)
    assert main(["plan", str(space), "--results", str(folder), *words]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    return lines


ON_AWS = ("--cluster", str(ROOT / "cluster.yaml"), "--gpus-per-worker", "1")


def test_hours_and_money_by_hand(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 trials of 360 s are 4 GPU hours: 1 h on 4 spot nodes, 4 h on the one on-demand node."""
    rows = [row(number, 360.0) for number in range(5)]
    lines = planned(capsys, tmp_path, space, rows, *ON_AWS, "--max-cost", "3")
    text = "\n".join(lines)
    assert "40 = 20 configurations x 2 cells" in text
    assert "6m00s when it is whole, from 5 earlier trials of 5 configurations" in text
    assert "with tiny on the same data; on NVIDIA A10G" in text
    assert "GPU hours 4 (4-4)" in text
    spot = next(line.split() for line in lines if line.startswith("  gpu_spot"))
    assert spot[:4] == ["gpu_spot", "4", "4", "1h00m"]
    assert spot[-2] == f"{4 * 0.5 + 0.11 + 4 * 0.5 * 5 / 60:.2f}"
    one = next(line.split() for line in lines if line.startswith("  gpu_on_demand"))
    assert one[:4] == ["gpu_on_demand", "1", "1", "4h00m"]
    assert one[-2] == f"{4 * (1.02 + 0.11) + 1.02 * 5 / 60:.2f}"
    assert "--max-cost 3 on gpu_spot: would not be reached" in text
    assert "--max-cost 3 on gpu_on_demand: would end the sweep early" in text


def test_rows_of_the_same_encoder_and_device_count_before_others(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(number, 360.0) for number in range(3)]
    rows += [row(number, 9999.0, device=cpu_device(1)) for number in range(3, 9)]
    rows += [row(number, 9999.0, config={"encoder": "big"}) for number in range(9, 15)]
    rows += [row(number, 9999.0, method="msmo") for number in range(15, 20)]
    rows += [row(20, 9999.0, state=RunState.FAILED)]
    text = "\n".join(planned(capsys, tmp_path, space, rows, *ON_AWS))
    assert "6m00s when it is whole, from 3 earlier trials" in text


def test_where_none_is_alike_others_count_and_that_is_said(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(number, 60.0, device=cpu_device(1)) for number in range(2)]
    text = "\n".join(planned(capsys, tmp_path, space, rows, *ON_AWS))
    assert "with tiny on another kind of device; on cpu (1 threads)" in text
    assert "the sweep asks for another device than these had" in text
    assert "so few are often too alike" in text


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"cell": Cell("emobank", 0)}, "with tiny, on other data too, which may be far off"),
        ({"config": {"encoder": "big"}}, "with other encoders, which may be far off"),
        ({"device": cpu_device(1)}, "with tiny on another kind of device"),
    ],
)
def test_no_chance_is_promised_where_the_earlier_trials_are_of_another_kind(
    other: dict[str, Any],
    words: str,
    tmp_path: Path,
    space: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The brackets know how those trials differ among themselves, and nothing of the planned."""
    rows = [row(number, 100.0 + number, **other) for number in range(5)]
    text = "\n".join(planned(capsys, tmp_path, space, rows, *ON_AWS))
    assert words in text
    assert "in 9 of 10 cases" not in text
    assert "the brackets have only the spread of these trials" in text
    made = ["plan", str(space), "--results", str(tmp_path), "--format", "json", *ON_AWS]
    assert main(made) == 0
    assert json.loads(capsys.readouterr().out)["from"]["same_kind"] is False


def test_seconds_are_scaled_by_epochs_and_stopped_trials_go_on(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One epoch of 90 s, whole; two of 90 s to the first of two reports: 360 s for four."""
    half = Report(rung=1, step=5, seconds=90.0, metrics={})
    rows = [row(0, 90.0, config={"epochs": 1.0}), row(1, 90.0, config={"epochs": 1.0})]
    rows += [row(2, 90.0, config={"epochs": 2.0}, state=RunState.PRUNED, reason="x", curve=(half,))]
    text = "\n".join(planned(capsys, tmp_path, space, rows, *ON_AWS))
    assert "6m00s when it is whole, from 3 earlier trials" in text
    assert "scaled by epochs: times 2 to 4" in text


def test_a_single_configuration_gives_no_brackets(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(planned(capsys, tmp_path, space, [row(0, 360.0)], *ON_AWS))
    assert "GPU hours 4\n" in text and "(4-" not in text


def test_more_slots_than_nodes_and_shapes_that_fit_nowhere(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(number, 360.0) for number in range(5)]
    halves = [*ON_AWS[:2], "--gpus-per-worker", "0.5", "--cpus-per-worker", "2"]
    lines = planned(capsys, tmp_path, space, rows, *halves, "--slots", "8")
    assert next(line.split()[1:3] for line in lines if "gpu_spot" in line) == ["4", "8"]
    lines = planned(capsys, tmp_path, space, rows, *halves, "--slots", "3")
    assert next(line.split()[1:3] for line in lines if "gpu_spot" in line) == ["2", "3"]
    lines = planned(capsys, tmp_path, space, rows, *ON_AWS)
    assert next(line.split()[1:3] for line in lines if "gpu_spot" in line) == ["4", "4"], "its own"
    for words, said in (
        ([*halves, "--slots", "9"], "`slots` must be at most 8, which the node types hold"),
        ([*ON_AWS, "--cpus-per-worker", "8"], "the 8 CPU, 1 GPU of a trial's worker, but none has"),
        ([*ON_AWS, "--max-cost", "0.1"], "more than the 0.17 USD that the nodes of 4 slots cost"),
    ):
        assert main(["plan", str(space), "--results", str(tmp_path), *words]) == 2
        assert said in capsys.readouterr().err


def test_without_a_cluster_there_are_hours_and_no_money(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row(number, 36.0, device=cpu_device(1)) for number in range(5)]
    lines = planned(capsys, tmp_path, space, rows, "--slots", "2")
    assert "  CPU hours 0.4 (0.4-0.4); in 9 of 10 cases inside the brackets" in lines
    assert lines[-1].split()[:5] == ["this", "machine", "1", "2", "12m00s"]


def test_without_rows_it_says_what_is_not_known_and_how_to_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", "msmo", "--results", str(tmp_path / "none")]
    assert main([*words, *ON_AWS]) == 0
    text = capsys.readouterr().out
    assert "(4 for each of" in text and "early stopping (halving) should leave" in text
    assert "cannot be known: --results has no trial of this method yet" in text
    assert "python -m raysearch sweep msmo" in text
    assert max(map(len, text.splitlines())) <= 80


def test_json_has_the_figures_of_the_text(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "space.yaml", "--slots", "2", "--gpus-per-worker", "1"]
    assert main([*words, "--format", "json"]) == 0
    unknown = json.loads(capsys.readouterr().out)
    assert (unknown["trials"], unknown["seconds"], unknown["on"]) == (40, None, [])

    store = Store("results/early")
    for number in range(5):
        store.append(row(number, 100.0))
    assert main([*words, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["from"] == {
        "trials": 5,
        "devices": ["NVIDIA A10G"],
        "same_kind": True,
    }
    assert record["seconds"] == {"mean": 4000, "low": 4000, "high": 4000}
    [place] = record["on"]
    assert (place["node"], place["slots"], place["money"]) == ("this machine", 2, None)
    assert place["seconds"]["mean"] == pytest.approx(2000)


def test_what_cannot_be_read_is_left_out_and_named(
    tmp_path: Path, space: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("other", "foreign"):
        (tmp_path / folder / "trials").mkdir(parents=True)
    (tmp_path / "other/trials/part-00000-x.parquet").write_text("no rows")
    Store(tmp_path / "other").append(row(1, 20.0))
    foreign = tmp_path / "foreign/trials/data.parquet"
    pq.write_table(pa.table({"a": [1]}), foreign)
    planned_lines = "\n".join(planned(capsys, tmp_path, space, [row(0, 10.0)]))
    assert "from 2 earlier trials of 2 configurations" in planned_lines

    assert main(["plan", str(space), "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("left out of the estimate: `" in line for line in lines)
    assert str(foreign) in lines[0] and "other/trials/part-00000-x.parquet" in lines[1]


def test_a_space_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--results", str(tmp_path), "--format", "json"]
    assert main(["plan", "carl-emobank", *words]) == 0
    named = json.loads(capsys.readouterr().out)
    assert main(["plan", "carl", "--space", "carl-emobank", *words]) == 0
    assert json.loads(capsys.readouterr().out) == named
    assert named["name"] == "carl-emobank"
    assert main(["plan", "carl-emobnak", *words]) == 2
    assert "`SPACE` must be a search space file or one of carl, carl-emobank" in (
        capsys.readouterr().err
    )


def test_two_spaces_are_refused(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for first in (str(space), "carl-emobank"):
        assert main(["plan", first, "--space", "carl"]) == 2
        assert "`--space` must be left out where SPACE is a search space" in capsys.readouterr().err


def test_slots_that_a_sweep_refuses(
    space: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_module("raysearch.api.plan"), "usable_cores", lambda: 2)
    assert main(["plan", str(space), "--slots", "3"]) == 2
    assert "must be at most the 2 CPUs that this process may use, but got 3 x 1 x 1" in (
        capsys.readouterr().err
    )
    assert main(["plan", str(space), "--slots", "3", *ON_AWS]) == 0
    assert main(["plan", str(space), "--slots", "3", "--address", "auto"]) == 0


@pytest.mark.parametrize("option", ["--stages-limit", "--quota"])
@pytest.mark.parametrize(("size", "got"), [("0", "0"), ("1e308", "1e+308")])
def test_no_room_at_all_or_more_than_there_is_is_refused(
    space: Path, option: str, size: str, got: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(space), option, size]) == 2
    said = f"`{option}` must be a number of GB in (0, 1e+09], but got {got}"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("corpora=nosuch", "`corpus` must be a known name, but got 'nosuch'"),
        ("encoder=package:nosuch", "`package:nosuch` must name a packaged encoder"),
        ("encoder=./nowhere", "there is no encoder './nowhere': no such folder"),
    ],
)
def test_what_a_sweep_refuses(
    space: Path, setting: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(space), "--set", setting]) == 2
    assert said in capsys.readouterr().err


def test_data_that_can_be_fetched_is_only_a_warning(
    space: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", str(space), "--set", "corpora=emobank", "--data-dir", str(tmp_path / "none")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "plan of space" in said.out
    assert said.err.startswith("raysearch: the sweep cannot run here yet: `")
    assert "raysearch data fetch emobank" in said.err
    assert main(["plan", "msmo-xabsa", *words[-2:]]) == 0
    assert "sweep cannot run here yet: pair " in capsys.readouterr().err


def test_one_of_each_is_singular(space: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(space), "--trials", "1", "--seeds", "1"]) == 0
    assert "  trials    1 = 1 configuration x 1 cell\n" in capsys.readouterr().out
