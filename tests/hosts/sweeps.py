"""A small sweep of each method on the lab's hosts: from the laptop, or on the laptop alone."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from hosts.lab import Host, Lab
from hosts.ray_cluster import ENVIRONMENT, ROOT, Cluster, laptop_run

SPACE = """\
budget: {trials: TRIALS, seeds: 1}
sampler: random
pruner: none
"""
"""Neither its proposals nor its stops depend on what ends first."""
OF_METHOD = {
    "carl": """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
setting:
  {encoder: tiny, layers: 0, corpora: [sample], epochs: 1, reports: 2, batch_size: 16,
   checkpoint_seconds: 1}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
  top_k: {low: 0.05, high: 0.4}
""",
    "msmo": """\
method: msmo
objective: {metric: dev/f1, direction: maximize}
mode: joint
setting:
  {encoder: tiny, corpus: sample_reviews, pairs: [en-es], max_length: 32, batch_size: 16,
   steps: 8, align_steps: 3, student_steps: 3, distill_steps: 4, reports: 2,
   checkpoint_seconds: 1}
search:
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
  consistency_weight: {low: 1e-4, high: 0.3, log: true}
""",
}


@dataclass
class Begun:
    """A command that runs on a host.

    Attributes:
        host: Where it runs.
        process: What waits for it, outside of the host; signals do not pass through it.
        file: Has the command's own number on the host.
        said: What it has said and was listened to.
    """

    host: Host
    process: subprocess.Popen[str]
    file: Path
    said: str = ""

    def until(self, words: str) -> None:
        """Listen until it says this."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"it never said {words!r}, but:\n{self.said}")

    def end(self, how: signal.Signals) -> int:
        """Send it a signal, hear it out, and give its exit code."""
        self.host.run("kill", f"-{how.value}", self.file.read_text().strip())
        self.said += self.process.communicate(timeout=60)[0]
        return self.process.returncode


def write_space(folder: Path, method: str, *, trials: int) -> Path:
    """The method's space with so many trials; the sweep has the method's name."""
    path = folder / f"{method}.yaml"
    path.write_text(SPACE.replace("TRIALS", str(trials)) + OF_METHOD[method])
    return path


def on_the_cluster(cluster: Cluster, space: Path, storage: Path, results: Path, *more: str) -> str:
    """`raysearch sweep --cluster` at the laptop, to its end; gives what it said."""
    return laptop_run(cluster.lab, *_command(cluster, space, storage, results), *more)


@contextmanager
def begun_on_the_cluster(
    cluster: Cluster, space: Path, storage: Path, results: Path
) -> Iterator[Begun]:
    """The same command, running."""
    words = _command(cluster, space, storage, results)
    with begun_on(cluster.lab.laptop, storage.parent, words) as command:
        yield command


@contextmanager
def begun_on(
    host: Host, folder: Path, words: list[str], environment: Mapping[str, str] | None = None
) -> Iterator[Begun]:
    """A command of ~/venv, running on a host from the root of the working tree.

    Args:
        host: Where it runs.
        folder: For the file with its number there.
        words: The command.
        environment: What it finds there, besides `ENVIRONMENT`.
    """
    file = folder / "pid"
    script = f'cd {ROOT} && echo $$ > {file} && exec ~/venv/bin/"$@" 2>&1'
    with subprocess.Popen(
        host.command("sh", "-c", script, "sh", *words), text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, env=host.environment({**ENVIRONMENT, **(environment or {})}),
        preexec_fn=_heed_interrupts,
    ) as process:  # fmt: skip
        begun = Begun(host, process, file)
        try:
            yield begun
        except BaseException:
            with suppress(AssertionError, OSError):  # it has ended, or did not begin
                begun.end(signal.SIGKILL)
            raise


def _heed_interrupts() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def on_one_machine(lab: Lab, space: Path, results: Path) -> None:
    """The same sweep on the laptop, with a Ray of its own."""
    laptop_run(lab, *alone(space, results))


def rows(results: Path, name: str) -> pd.DataFrame:
    """The rows of the sweep of that name, by number."""
    return pd.read_parquet(results / name / "trials").sort_values("trial", ignore_index=True)


def assert_same_trials(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same trials with the same numbers, bit by bit; only times and places may differ."""
    told = ("sweep", "trial", "task", "seed", "state", "steps", "device", "config/", "metric/")
    names = [name for name in expected.columns if name.startswith(told)]
    pd.testing.assert_frame_equal(found[names], expected[names], check_exact=True)


def _command(cluster: Cluster, space: Path, storage: Path, results: Path) -> list[str]:
    places = ["--storage", str(storage), "--results", str(results)]
    return [*_sweep(space), *places, "--cluster", str(cluster.manifest)]


def alone(space: Path, results: Path, *more: str) -> list[str]:
    """The command of the same sweep with a Ray of its own."""
    return [*_sweep(space), "--results", str(results), "--slots", "1", *more]


def _sweep(space: Path) -> list[str]:
    start = ["python", "-m", "raysearch", "sweep", space.stem]
    return [*start, "--space", str(space)]
