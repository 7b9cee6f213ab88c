"""Slurm's commands as a test plays them: a queue that takes jobs, lists them and ends them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from raysearch.cluster.slurm import queue


class SlurmQueue:
    """A queue in place of Slurm's.

    Attributes:
        lines: What ``squeue`` prints, a line for each job.
        asked: The commands, without those of ``squeue``.
        answers: How often ``squeue`` finds the jobs before they are gone; None for always.
    """

    def __init__(self, at_hand: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.asked: list[tuple[str, ...]] = []
        self.answers: int | None = None
        at_hand.setattr(queue, "_slurm", self._answer)

    def add(self, job: str, folder: Path, *, state: str = "RUNNING", command: str = "x") -> None:
        """A job of a sweep, as if it had been submitted before."""
        self.lines.append(f"{job}|{job}|{state}|Resources|raysearch {command} {folder}")

    def _answer(self, *words: str) -> str:
        if words[0] == "squeue":
            if self.answers is not None:
                self.answers -= 1
                self.lines = self.lines if self.answers >= 0 else []
            return "".join(f"{line}\n" for line in self.lines)
        self.asked.append(words)
        if words[0] == "scancel":
            self.lines = [line for line in self.lines if not line.startswith(f"{words[-1]}|")]
        if words[0] != "sbatch":
            return ""
        job = str(7 + len(self.lines))
        for line in Path(words[-1]).read_text().splitlines():
            for word in shlex.split(line.removeprefix("#SBATCH ")) if "--comment" in line else ():
                self.lines.append(f"{job}|{job}|PENDING|Priority|{word.partition('=')[2]}")
        return f"{job};lab\n"
