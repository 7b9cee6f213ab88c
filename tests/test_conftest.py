"""Do skipped tests fail where they must not be skipped, and is the made data folder everywhere?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raysearch.corpora import check, data_dir
from raysearch.corpora.registry import PINS

TESTS = Path(__file__).parent
SKIPPING = """
import pytest
from raysearch.corpora import check, data_dir

def test_runs():
    assert (data_dir() / "xabsa").is_dir()

def test_skips():
    pytest.skip("no zsh")

@pytest.mark.real_data
def test_reads(real_data):
    assert real_data != data_dir()

@pytest.mark.xfail
def test_fails():
    assert False
"""


def run(folder: Path, *options: str, data: Path | None = None) -> str:
    """What pytest says of the tests above, and of a file that skips itself, in a folder."""
    (folder / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (folder / "test_a.py").write_text(SKIPPING)
    (folder / "test_b.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\nmarkers = real_data: .\n")
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options, str(folder)]
    left_out = ("RAYSEARCH_DATA", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment |= {"HOME": str(folder), "PYTHONPATH": str(TESTS.parent)}
    environment |= {"RAYSEARCH_DATA": str(data)} if data else {}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_a_skip_says_why(tmp_path: Path) -> None:
    said = run(tmp_path)
    assert "1 passed, 3 skipped, 1 xfailed" in said
    assert "needs the public corpora, but " in said
    assert f"/.cache/raysearch/data lacks {len(PINS)} of their {len(PINS)} files" in said


def test_skips_fail_where_none_may_be(tmp_path: Path) -> None:
    said = run(tmp_path, "--no-skips", "--continue-on-collection-errors")
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in said
    assert "must not be skipped here: Skipped: no zsh" in said
    assert "no_such_module" in said


@pytest.mark.slow
def test_with_several_processes_all_have_one_made_folder_and_the_real_one(tmp_path: Path) -> None:
    real = tmp_path / "real"
    for path in PINS:
        (real / path).parent.mkdir(parents=True, exist_ok=True)
        (real / path).touch()
    said = run(tmp_path, "--no-skips", "-n2", "--deselect=test_a.py::test_skips", data=real)
    assert "2 passed, 1 xfailed, 1 error" in said


def test_every_public_file_is_made() -> None:
    assert os.environ["RAYSEARCH_DATA"] == str(data_dir())
    assert "missing" not in {found.state for found in check(data_dir())}


@pytest.mark.real_data
def test_the_real_folder_is_another_one(real_data: Path) -> None:
    assert real_data != data_dir() and real_data.is_absolute()
