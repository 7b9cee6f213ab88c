"""`raysearch sweep --slurm`: what is refused, what is submitted, and how it is found again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from slurm_queue import SlurmQueue

from raysearch.api.messages import Messages
from raysearch.cli import main

SITE = """\
partitions: [{name: gpu, nodes: 2, cpus: 4, gpus: 2, memory: 8G, time: 90m}]
jobs: 3
sbatch: [--account=mine]
setup: [module load cuda]
"""
SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: 2}
setting: {encoder: tiny, corpora: [sample]}
search: {top_k: {low: 0.05, high: 0.4}}
"""
SWEEP = "sweep carl --space space.yaml --slurm slurm.yaml"


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SlurmQueue:
    made = SlurmQueue(monkeypatch)

    def watch(cluster: str, job: str, results: Path, messages: Messages) -> int:
        made.asked.append(("watch", job))
        return 0

    monkeypatch.setattr("raysearch.cli.sweep.watch", watch)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "t" * 64)
    (tmp_path / "slurm.yaml").write_text(SITE)
    (tmp_path / "space.yaml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    return made


def run(line: str) -> int:
    return main(shlex.split(line))


def test_the_script_asks_for_the_jobs_and_runs_the_sweep(
    played: SlurmQueue, tmp_path: Path
) -> None:
    assert run(f"{SWEEP} --trials 5") == 0
    script = tmp_path / "results" / "space" / "slurm" / "job.sh"
    assert played.asked == [("sbatch", "--parsable", str(script)), ("watch", "7")]
    lines = script.read_text().splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        "--partition=gpu", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=4",
        "--gpus-per-node=2", "--mem=8G", "--time=90", "--array=1-3", "--signal=B:USR1@300",
        "--requeue", "--account=mine", "--open-mode=append",
    }  # fmt: skip
    assert lines[0] == "#!/bin/bash -l" and lines[-3:-1] == ["module load cuda", f"cd {tmp_path}"]
    words = shlex.split(lines[-1])
    folder = str(tmp_path / "results" / "space")
    assert words[:5] == ["exec", sys.executable, "-m", "raysearch.cluster.slurm.job", folder]
    assert words[5] == "carl"
    assert {"--slots=12", "--gpus-per-worker=1.0", "--trials=5", "--name=space"} <= set(words)
    assert f"--results={tmp_path / 'results'}" in words
    assert (Path(folder) / "slurm" / "space.yaml").read_text() == SPACE
    subprocess.run(["bash", "-n", script], check=True)


def test_options_take_precedence(played: SlurmQueue, tmp_path: Path) -> None:
    assert run(f"{SWEEP} --slots 2 --gpus-per-worker 0.5") == 0
    text = (tmp_path / "results" / "space" / "slurm" / "job.sh").read_text()
    assert "--slots=2" in text and "--gpus-per-worker=0.5" in text


def test_the_same_command_finds_its_jobs_and_another_is_refused(
    played: SlurmQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(SWEEP) == 0 and run(SWEEP) == 0
    assert [words[0] for words in played.asked] == ["sbatch", "watch", "watch"]
    assert "7 is in Slurm's queue already" in capsys.readouterr().err
    assert run(f"{SWEEP} --trials 9") == 2
    assert "must be asked for as it was started" in capsys.readouterr().err
    assert run("stop slurm.yaml") == 0
    assert capsys.readouterr().out == "7 is stopped\n" and played.lines == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("--cluster cluster.yaml", "`--cluster` must be left out with --slurm"),
        ("--address auto", "`--address` must be left out with --slurm"),
        ("--max-cost 5 --prices slurm.yaml", "`--max-cost` must be left out with --slurm"),
        ("--quiet", "`--quiet` must be left out with --slurm"),
        ("--format json", "`--format` must be text with --slurm"),
        ("--study postgresql://me:secret@host/base", "must have no password with --slurm"),
        ("--trials 0", "`--trials` must be"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_submitted(
    played: SlurmQueue, capsys: pytest.CaptureFixture[str], more: str, said: str
) -> None:
    assert run(f"{SWEEP} {more}") == 2
    assert said in capsys.readouterr().err and played.asked == []


def test_a_token_is_needed(
    played: SlurmQueue, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "nowhere")
    assert run(SWEEP) == 2
    assert "make it with `ray get-auth-token --generate`" in capsys.readouterr().err


def test_a_job_that_ends_before_its_sweep_begins_is_said(
    played: SlurmQueue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as one whose node has no Python."""
    folder = tmp_path / "results" / "space"
    played.add("7", folder)
    played.answers = 2
    assert run("attach slurm.yaml") == 2
    said = capsys.readouterr().err
    assert f"7 ended before its sweep began; {folder}/slurm/job-7.log may say why" in said


def test_down_is_of_clusters(played: SlurmQueue, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stop slurm.yaml --down") == 2
    assert "the nodes go with the job" in capsys.readouterr().err


def test_check_knows_it_by_its_content(
    played: SlurmQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("slurm.yaml").rename("any.yaml")
    assert run("check any.yaml") == 0
    assert capsys.readouterr().out == "ok    any.yaml\n"
    Path("any.yaml").write_text(SITE.replace("nodes: 2", "nodes: 0"))
    assert run("check any.yaml") == 2
    assert "`partitions.nodes` must be a whole number >= 1" in capsys.readouterr().err


def test_outside_of_a_job_the_script_says_what_it_needs() -> None:
    words = [sys.executable, "-m", "raysearch.cluster.slurm.job", "results/carl", "carl"]
    environment = {name: value for name, value in os.environ.items() if "SLURM" not in name}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode and "must run in a job of Slurm" in done.stderr
