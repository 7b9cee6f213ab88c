"""Does the budget of a sweep reach the model of its sampler, before anything runs."""

from __future__ import annotations

import math

from raysearch.search.plan import SweepPlan
from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.samplers import MODELS, startup_trials
from raysearch.search.suggest.task_search import checked_config

__all__ = ["reach_note", "reach_notes"]


def reach_note(space: SearchSpace, task: str = "", *, at_once: int = 1) -> str:
    """One sentence where no configuration can be chosen by the sampler's model; else empty.

    Args:
        space: What is searched.
        task: One of its tasks in ``mode: per_task``; empty for all together.
        at_once: Configurations of the task that are asked before the first one ends.
    """
    if space.sampler not in MODELS or _modelled(space, space.trials, task, at_once) > 0:
        return ""
    enough = space.trials
    while _modelled(space, enough, task, at_once) <= 0:
        enough += 1
    each = " of each task" if space.mode == "per_task" else ""
    return (
        f"the model of the sampler `{space.sampler}` cannot choose any of {space.trials} "
        f"configurations{each}: all are drawn at random, as the first ones are, or run at the "
        f"same time; it can from --trials {enough} on"
    )


def reach_notes(plan: SweepPlan) -> tuple[str, ...]:
    """The same of a sweep with its slots; one sentence or none."""
    space, alone = plan.space, plan.space.mode == "per_task"
    # Early stopping runs the first cell of a configuration alone.
    cells = plan.cells_each if space.pruner == "none" else 1
    tracks = len(plan.tasks) if alone and not space.warm_start else 1
    at_once = math.ceil(plan.slots / (cells * tracks))
    note = reach_note(space, plan.tasks[0] if alone else "", at_once=at_once)
    return (note,) if note else ()


def _modelled(space: SearchSpace, trials: int, task: str, at_once: int) -> int:
    """How many of the configurations a model may choose at most."""
    config, params = space.paper_first(task)
    literal = checked_config(space, params)[0] != config  # no model learns from it then
    return trials - max(literal + startup_trials(trials), at_once)
