"""A small sweep on the lab's hosts: submitted from the laptop, or on the laptop alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from hosts.lab import Lab
from hosts.ray_cluster import Cluster, laptop_run

LAPTOP = Path(__file__).with_name("laptop_sweep.py")
SPACE = """\
method: carl
objective: {metric: dev/va_pearson, direction: maximize}
budget: {trials: TRIALS, seeds: 1}
sampler: random
pruner: none
setting:
  {encoder: tiny, layers: 0, corpora: [sample], epochs: EPOCHS, reports: 2, batch_size: 16,
   checkpoint_seconds: 1}
search:
  learning_rate: {low: 2e-5, high: 1e-3, log: true}
  top_k: {low: 0.05, high: 0.4}
"""
"""Neither its proposals nor its stops depend on what ends first."""


def write_space(folder: Path, *, trials: int, epochs: int = 1) -> Path:
    """The space with so many trials of so many epochs."""
    path = folder / "space.yaml"
    path.write_text(SPACE.replace("TRIALS", str(trials)).replace("EPOCHS", str(epochs)))
    return path


def on_the_cluster(cluster: Cluster, space: Path, results: Path, fetched: Path) -> str:
    """Submit the sweep with two slots, follow it, fetch its results; gives what it said."""
    places = [str(cluster.manifest), str(results / "hosts"), str(fetched / "hosts")]
    words = [*_sweep(space, results), "--address", "auto", "--slots", "2"]
    return laptop_run(cluster.lab, "python", str(LAPTOP), *places, *words)


def on_one_machine(lab: Lab, space: Path, results: Path) -> None:
    """The same sweep on the laptop, with a Ray of its own."""
    laptop_run(lab, "python", "-m", "raysearch", *_sweep(space, results), "--slots", "1")


def rows(results: Path) -> pd.DataFrame:
    """The leaderboard's rows, by number."""
    return pd.read_parquet(results / "hosts" / "trials").sort_values("trial", ignore_index=True)


def assert_same_trials(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """The same trials with the same numbers, bit by bit; only times and places may differ."""
    told = ("sweep", "trial", "task", "seed", "state", "steps", "device", "config/", "metric/")
    names = [name for name in expected.columns if name.startswith(told)]
    pd.testing.assert_frame_equal(found[names], expected[names], check_exact=True)


def _sweep(space: Path, results: Path) -> list[str]:
    where = ["--space", str(space), "--results", str(results), "--name", "hosts"]
    return ["sweep", "carl", *where]
