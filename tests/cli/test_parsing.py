"""Completion in real shells: a person types, presses Tab, and sees what fits."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysearch.cli import main

OPEN = {
    "bash": "bash --noprofile --norc -i",
    "zsh": "zsh -f -i",
}
LOAD = {
    "bash": "source {script}\n",
    "zsh": "fpath=({script.parent} $fpath); autoload -Uz compinit; compinit -u -d {script}.dump\n",
}


def typed(shell: str, script: Path, folder: Path, keys: str, wanted: str) -> str:
    """What the terminal shows, up to what is wanted, once the keys are typed in a fresh shell."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.environ.update(TERM="dumb", PS1="$ ", HISTFILE="", COLUMNS="200")
        words = OPEN[shell].split()
        os.execvp(words[0], words)
    try:
        os.write(terminal, (LOAD[shell].format(script=script) + "echo rea''dy\n").encode())
        until(terminal, "ready")
        os.write(terminal, keys.encode())
        return until(terminal, wanted)
    finally:
        os.close(terminal)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def until(terminal: int, mark: str) -> str:
    """Read until the mark comes, for at most 30 seconds."""
    shown, end = "", time.monotonic() + 30
    while mark not in shown and select.select([terminal], [], [], end - time.monotonic())[0]:
        shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


@pytest.fixture(scope="module", params=["bash", "zsh"])
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    script = tmp_path_factory.mktemp("completion") / "_raysearch"
    run = subprocess.run(
        [sys.executable, "-m", "raysearch", "completion", request.param],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    script.write_text(run.stdout)
    return request.param, script


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("raysearch lead\t", "raysearch leaderboard"),
        ("raysearch sweep ca\t", "raysearch sweep carl"),
        ("raysearch sweep carl --max\t", "--max-cost"),
        ("raysearch data conv\t", "raysearch data convert"),
        ("raysearch check mine\t", "raysearch check mine.yaml"),
    ],
)
def test_tab_completes(shell: tuple[str, Path], tmp_path: Path, keys: str, shown: str) -> None:
    (tmp_path / "mine.yaml").write_text("")
    assert shown in typed(*shell, tmp_path, keys, shown)


def test_an_unknown_shell_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err
