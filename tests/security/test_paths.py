"""A name from a command line, a space, a row or a data file stays in the folder that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysearch.cli import main
from raysearch.corpora.absa.files import languages
from raysearch.errors import ConfigError
from raysearch.trial import Cell, Lease

ROOT = Path(__file__).parents[2]
HOSTILE = [
    "..",
    ".",
    "../x",
    "/tmp/x",
    "a/b",
    "a\\b",
    ".hidden",
    "-x",
    "a?b",
    "a%2fb",
    "a#b",
    "a\nb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_sweep_names(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results"
    words = ["sweep", "carl", "--set", "encoder=tiny", "--results", str(results)]
    assert main([*words, f"--name={name}"]) == 2
    assert "`--name` must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_name_that_comes_from_the_space_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "...yaml"  # without its suffix, the folder above
    space.write_text((ROOT / "search_spaces" / "carl.yaml").read_text())
    results = tmp_path / "results"
    assert main(["sweep", "carl", "--space", str(space), "--results", str(results)]) == 2
    assert "`--name` must be the name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [space]


@given(task=st.text() | st.sampled_from(HOSTILE), number=st.integers(0, 10**9))
def test_folder_of_a_lease(task: str, number: int) -> None:
    """The task comes from spaces and, with `evaluate` and `export`, from rows."""
    lease = Lease(sweep="s", number=number, cell=Cell(task, 0), method="carl", config={}, folder="")
    leases = Path("/results/s/leases")
    assert (leases / lease.id).resolve().parent == leases
    assert not lease.id.startswith((".", "-"))


@pytest.mark.parametrize("pair", ["en-../x", "../en-es", "en-/etc", "en-es/..", "..-..", "en-e\0s"])
def test_language_pairs(pair: str) -> None:
    with pytest.raises(ConfigError, match="two different languages"):
        languages(pair)
