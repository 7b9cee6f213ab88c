"""A row is trained again: equal bit for bit; one that was tampered with is found."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.cli import main
from raysearch.leaderboard import Store
from raysearch.run import RunState

TINY = ["encoder=tiny", "epochs=0.1", "batch_size=16", "reports=2", "learning_rate=1e-3"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of one trial that was really trained; tests put its row back."""
    results = tmp_path_factory.mktemp("results")
    settings = [part for pair in TINY for part in ("--set", pair)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")
        assert main(["train", "carl", *settings, "--name", "one", "--results", str(results)]) == 0
        yield results / "one"


def put(folder: Path, name: str, **changes: object) -> Path:
    """A board of its own with the row changed."""
    [row] = Store(folder).trials()
    other = folder.parent / name
    Store(other).append(replace(row, **changes))
    return other


def tampered(folder: Path, by: float) -> Path:
    """Row and curve changed alike, so that only training finds it."""
    [row] = Store(folder).trials()
    last = row.curve[-1]
    metrics = {**row.metrics, "dev/va_pearson": row.metrics["dev/va_pearson"] + by}
    curve = (*row.curve[:-1], replace(last, metrics=metrics))
    return put(folder, f"tampered{by}", metrics=metrics, curve=curve)


def test_a_row_is_equal_bit_for_bit(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", f"{trained}:0"]) == 0
    out = capsys.readouterr().out
    assert "trial 0, sample seed 0: bit-equal in all" in out
    assert out.count("\n") == 1  # nothing differs in provenance, so nothing more is said


@pytest.mark.slow
def test_a_tampered_row_is_found_by_both_commands(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tampered(trained, 1e-3)
    assert main(["replay", f"{folder}:0", "--format", "json"]) == 1
    [record] = json.loads(capsys.readouterr().out)
    assert record["outcome"] == "differs" and record["unequal"] == 2
    assert record["largest"] == pytest.approx(1e-3)
    assert record["where"].startswith("dev/va_pearson")

    assert main(["verify", str(folder), "--sample", "100%", "--seed", "5"]) == 1
    out = capsys.readouterr().out
    assert "--seed 5" in out and "1 differs" in out


def test_the_audit_alone_finds_what_the_curve_contradicts(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = Store(trained).trials()
    folder = put(trained, "half", metrics={**row.metrics, "dev/va_pearson": 0.99})
    assert main(["verify", str(folder), "--sample", "0%", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["replays"] == [] and found["rows"] == 1
    [fault] = found["findings"]
    assert fault["fault"] and "dev/va_pearson is 0.99 in the row" in fault["what"]


def test_a_pruned_row_is_trained_as_far_as_it_went_and_other_code_is_not_judged(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [row] = Store(trained).trials()
    first = row.curve[0]
    stopped = {"state": RunState.PRUNED, "curve": (first,), "metrics": first.metrics}
    folder = put(trained, "pruned", **stopped)
    assert main(["replay", f"{folder}:0"]) == 0
    assert "(pruned after report 1): bit-equal" in capsys.readouterr().out

    moved = replace(first, metrics={**first.metrics, "dev/va_pearson": 0.5})
    made = {**row.provenance, "code": "0" * 64, "commit": "a" * 40}
    changed = {**stopped, "curve": (moved,), "metrics": moved.metrics, "provenance": made}
    folder = put(trained, "other", **changed)
    assert main(["replay", f"{folder}:0"]) == 2
    out = capsys.readouterr().out
    assert "not comparable" in out and "code: row 000000000000" in out
    assert "git checkout aaaaaaaaaa" in out
    assert "numbers are bit-equal all the same: look at how this row came about" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "{}"], "`ROW` must be SWEEP:N"),
        (["replay", "{}:7"], "but got 7; it has 0 to 0"),
        (["replay", "{}:" + "9" * 5000], "999…; it has 0 to 0"),
        (["replay", "{}:0", "--seed", "9"], "must name a cell of trial 0; known: sample seed 0"),
        (["replay", "{}:0", "--tolerance", "-1"], "`--tolerance` must be >= 0"),
        (["verify", "{}", "--sample", "200%"], "`--sample` must be a share like 5%"),
        (["verify", "{}", "--seed", "-1"], "`--seed` must be an integer in [0, 4294967295]"),
        (["verify", "{}/nothing"], "must be a folder of results"),
    ],
)
def test_mistakes_are_sentences(
    arguments: list[str], said: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(trained) for part in arguments]) == 2
    assert said in capsys.readouterr().err
