"""A part of a trial whose result other trials may share: its name, settings and parents.

Does not need torch, so that stages of two configs can be compared before anything trains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Stage", "parents_of"]


@dataclass(frozen=True)
class Stage:
    """A part of a trial whose result depends only on the named settings.

    Attributes:
        name: For example ``pretrain``; unique within a trial.
        fields: Names of the config fields that its result depends on, beside those of its
            parents; with data, encoder, seed and code version they make its key. Those that
            its reports depend on are among them when `reports` is True.
        steps: Optimizer steps; 0 for a stage that only computes.
        parents: Names of the earlier stages whose results it starts from; None for the previous
            stage, () for none.
        data: Names of the method's provenance entries that identify its data; None for all
            whose name contains ``digest``.
        reports: Whether the trial's reports also happen in it; a stage that only prepares
            (a teacher, an alignment without a tagger) has none. One that has them descends
            from every earlier one that has.
        selects: Whether development data is also read in it, after as many even parts of its steps
            as a trial has reports, to choose its result; these are no reports of the trial, and
            the same stage of another trial may have them as its own. Not with `reports`.
        shared: Whether its result is kept for other trials although no stage follows it.
        scheduled: Where it lies in a learning-rate schedule that spans several stages: steps of
            that schedule before it, and in all. None for a schedule of its own.
    """

    name: str
    fields: tuple[str, ...]
    steps: int
    parents: tuple[str, ...] | None = None
    data: tuple[str, ...] | None = None
    reports: bool = True
    selects: bool = False
    shared: bool = False
    scheduled: tuple[int, int] | None = None


def parents_of(stages: Sequence[Stage], index: int) -> tuple[int, ...]:
    """Indices of the stages whose results a stage starts from, in the order of its `parents`.

    Args:
        stages: A trial's stages, parents before children.
        index: The child.
    """
    named = stages[index].parents
    if named is None:
        return (index - 1,) if index else ()
    places = {stage.name: place for place, stage in enumerate(stages[:index])}
    return tuple(places[name] for name in named)
