"""Compares two configurations or sweeps: differences, intervals and tests."""

from __future__ import annotations

from shlex import quote

from raysearch.analysis.compare import contrast
from raysearch.analysis.selection import efforts, tuned
from raysearch.api.messages import QUIET, Messages
from raysearch.api.trials import Selection, select, shared_goal
from raysearch.errors import ConfigError, known_names
from raysearch.findings.comparison import ExpectedBest, Tuned
from raysearch.leaderboard.first_trial import beside_search
from raysearch.leaderboard.openings import readings_of
from raysearch.leaderboard.origins import origins
from raysearch.objective import Aggregate
from raysearch.render.comparison import (
    Comparison,
    contrast_sentences,
    effort_sentences,
    tuned_sentence,
)
from raysearch.run import MetricGoal
from raysearch.storage.uri import redacted

__all__ = ["compare"]


def compare(
    first: str,
    second: str,
    *,
    metric: str | None = None,
    task: str | None = None,
    level: float = 0.95,
    messages: Messages = QUIET,
) -> Comparison:
    """Compare two configurations cell by cell, and the searches that found them.

    Args:
        first: A: ``SWEEP`` for its best, ``SWEEP:N``, ``SWEEP:best`` or ``SWEEP:default``.
        second: B, likewise.
        metric: What to compare by, with ``:min`` where lower is better; ``test/…`` takes the
            readings of `evaluate`. None for A's own goal, and its test metric where both have it.
        task: Only cells of this corpus or pair.
        level: Of intervals, in [0.5, 1).
        messages: Where to note rows of mixed origin.

    Raises:
        ConfigError: A side names no trial, the two share no cell, or the level is out of range.
        StoreError: A side is of no sweep, or has no complete trial.
    """
    if not 0.5 <= level < 1:
        raise ConfigError(f"`--level` must be from 0.5 to below 1, but got {level}")
    goal = shared_goal((first, second), metric)
    one, two = sides = [select(text, goal=goal, task=task) for text in (first, second)]
    for side in sides:
        searched = {item.name for item in side.card.ranges}
        for sentence in (*origins(side.table).sentences, *beside_search(side.table, searched)):
            messages.note(f"{redacted(side.folder)}: {sentence}")
    rules = {side.card.aggregate for side in sides}
    rule: Aggregate = rules.pop() if len(rules) == 1 else "mean"
    contrasts = []
    for wanted, needed in _goals(goal, explicit=metric is not None):
        shown = [side.of(wanted) for side in sides]
        found = contrast(shown[0], shown[1], wanted, aggregate=rule, level=level)
        if found is None and needed:
            raise ConfigError(_nothing_shared(one, two, wanted))
        if found is not None:
            contrasts.append((found, contrast_sentences(found, *shown)))
    curves, notes, tuning = _searches(one, two, goal)
    return Comparison(
        first=one.side,
        second=two.side,
        contrasts=contrasts,
        efforts=(curves[0], curves[1]),
        effort_notes=notes,
        tuning=tuning,
    )


def _goals(goal: MetricGoal, *, explicit: bool) -> list[tuple[MetricGoal, bool]]:
    """The metrics to compare by, and whether each is required."""
    if explicit:
        return [(goal, True)]
    return [
        (goal, True),
        (MetricGoal(f"test/{goal.name.partition('/')[2]}", goal.direction), False),
    ]


def _nothing_shared(first: Selection, second: Selection, goal: MetricGoal) -> str:
    test = goal.name.startswith("test/")
    for name, side in (("A", first), ("B", second)):
        if not any(goal.name in trial.metrics for trial in side.of(goal).cells.values()):
            numbers = " ".join(f"--trial {number}" for number in side.side.numbers)
            known = {known for trial in side.side.cells.values() for known in trial.metrics}
            cure = (
                f"python -m raysearch evaluate {quote(redacted(side.folder))} {numbers} reads them"
                if test
                else known_names([n for n in known if n.count("/") == 1])
            )
            return (
                f"`{goal.name}` must be a metric of {name}'s rows, but {side.side.label} has none "
                f"such; {cure}"
            )
    one, two = (
        ", ".join(f"{cell.task} seed {cell.seed}" for cell in sorted(side.side.cells)[:6])
        for side in (first, second)
    )
    return (
        f"A and B must share a cell (task and seed) to be compared, but A has {one} and B has {two}"
    )


def _searches(
    first: Selection, second: Selection, goal: MetricGoal
) -> tuple[list[list[ExpectedBest]], list[str], list[tuple[Tuned, str]]]:
    """Gain of the searches, if both sides are the best of their sweeps.

    Returns:
        The curves of A and of B, what they say, and whether tuning overshot.
    """
    curves: list[list[ExpectedBest]] = []
    tuning: dict[str, Tuned] = {}
    for side in (first, second):
        if not side.searched or goal.name.startswith("test/"):
            curves.append([])
            continue
        curves.append(efforts(side.table, side.card))
        readings = readings_of(side.folder).table()
        for item in tuned(side.table, readings, side.card):
            command = (
                f"python -m raysearch evaluate {quote(redacted(side.folder))} "
                f"--trial {item.default} --trial {item.chosen}"
            )
            tuning[tuned_sentence(item, goal, side.side.label, command)] = item
    notes: list[str] = []
    if all(curves):
        notes = effort_sentences(curves[0], curves[1], goal, (first.sampler, second.sampler))
    return curves, notes, [(item, sentence) for sentence, item in tuning.items()]
