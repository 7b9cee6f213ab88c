"""Which row or configuration is meant by SWEEP, SWEEP:N, SWEEP:best or SWEEP:default?"""

from __future__ import annotations

from collections.abc import Sequence

from raysearch.errors import ConfigError, known_names
from raysearch.leaderboard import Store
from raysearch.storage.place import shown
from raysearch.trial import Trial

__all__ = ["WHICH", "rows_of", "split_row"]

WHICH = ("best", "default")
"""Names in place of a trial's number; the default is the paper's own setting, trial 0."""


def split_row(text: str, *, among: Sequence[str] = WHICH) -> tuple[str, str]:
    """The sweep's folder or URI, and the number or name after the last colon; "" for none.

    Args:
        text: For example ``results/carl:2`` or ``s3://bucket/carl:best``.
        among: Names that may stand in place of a number.
    """
    folder, colon, which = text.rpartition(":")
    if colon and folder and (which.isdecimal() or which in among):
        return folder, which
    return text, ""


def rows_of(
    text: str, *, task: str | None = None, seed: int | None = None
) -> tuple[str, list[Trial]]:
    """The finished rows of one trial number, in any state, by cell.

    Args:
        text: ``SWEEP:N``.
        task: Only cells of this task.
        seed: Only cells of this seed.

    Returns:
        The sweep's folder and the rows.

    Raises:
        ConfigError: It is not SWEEP:N, or there is no such row.
    """
    folder, number = split_row(text, among=())
    if not number:
        raise ConfigError(
            f"`ROW` must be SWEEP:N, a sweep's folder and a trial's number, but got {text!r}; "
            f"python -m raysearch leaderboard {text or 'results'} lists them"
        )
    trials = Store(folder).trials()
    own = [trial for trial in trials if trial.number == int(number)]
    if not own:
        numbers = sorted({trial.number for trial in trials})
        known = f"it has {numbers[0]} to {numbers[-1]}" if numbers else "it has none yet"
        raise ConfigError(f"`ROW` must be a trial of {shown(folder)}, but got {number}; {known}")
    found = [
        trial
        for trial in own
        if task in (None, trial.cell.task) and seed in (None, trial.cell.seed)
    ]
    if not found:
        cells = known_names([f"{trial.cell.task} seed {trial.cell.seed}" for trial in own])
        raise ConfigError(f"`--task` and `--seed` must name a cell of trial {number}; {cells}")
    return folder, sorted(found, key=lambda trial: trial.cell)
