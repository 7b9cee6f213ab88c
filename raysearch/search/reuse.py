"""What is already paid for, and which proposals take it over.

A trial is made of stages, and a stage that an earlier trial had with the same settings costs
nothing (`raysearch.methods.stage`). A sampler knows nothing of that: every proposal of a
continuous setting is new, so only settings that come after everything expensive would ever
share it. With ``reuse: p`` a share p of the proposals takes over the searched values of a
*prefix*, which is a stage with all that it starts from, or all that a stage starts from, of one
of the best complete configurations; the sampler chooses the rest. Prefixes are drawn in
proportion to the optimizer steps that they save.

The trade-off: such a proposal is cheaper, and it learns nothing new about the settings that it
took over. On the synthetic objectives of ``benchmarks/stage_sampler.py`` (results/published),
within the steps of 20 cold trials the median regret of TPE fell to about half at 0.75; after as
many configurations it was mostly no better, and 30 to 45 % worse where the cheap
stages decide. So it pays where steps are what is short and stages are shared, and costs where
configurations are counted. It is off by default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raysearch.errors import ConfigError
from raysearch.methods import get_method
from raysearch.methods.stage import Stage
from raysearch.run import Scalar
from raysearch.search.space.space import SearchSpace

__all__ = ["PaidStages", "Prefix", "StagePlan"]

_STREAM = 1
"""Keeps the draws in here apart from those of the samplers, which have the same seed."""


@dataclass(frozen=True)
class StagePlan:
    """The stages of a configuration and what their results depend on.

    Attributes:
        steps: Stage to its own optimizer steps, parents before children.
        closure: Stage to itself and all that it starts from.
        fields: Stage to the config fields that its result depends on, over its closure.
    """

    steps: Mapping[str, int]
    closure: Mapping[str, frozenset[str]]
    fields: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, stages: Sequence[Stage]) -> StagePlan:
        """The plan of a method's outline."""
        closure: dict[str, frozenset[str]] = {}
        fields: dict[str, frozenset[str]] = {}
        before: tuple[str, ...] = ()
        for stage in stages:
            parents = before if stage.parents is None else stage.parents
            closure[stage.name] = frozenset({stage.name}).union(*(closure[p] for p in parents))
            fields[stage.name] = frozenset(stage.fields).union(*(fields[p] for p in parents))
            before = (stage.name,)
        return cls({stage.name: stage.steps for stage in stages}, closure, fields)

    def same(self, stage: str, other: StagePlan) -> bool:
        """Whether another plan has a stage that depends on the same settings."""
        return (
            other.closure.get(stage) == self.closure[stage]
            and other.fields[stage] == self.fields[stage]
        )


@dataclass(frozen=True)
class Prefix:
    """A part of a configuration that another one may take over.

    Attributes:
        params: The searched values that make it, with those that its stages hang on.
        steps: Optimizer steps that it saves.
    """

    params: Mapping[str, Scalar]
    steps: int


class PaidStages:
    """The prefixes of the configurations of one space.

    Args:
        space: What is searched; its method says of which stages a config is made.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._searched = {item.name: item for item in space.searched}
        self._outline = get_method(space.method).outline
        self._known: dict[tuple[tuple[str, Scalar], ...], tuple[Prefix, ...]] = {}

    def choose(
        self, good: Sequence[Mapping[str, Scalar]], seed: int, place: int, attempt: int = 0
    ) -> Mapping[str, Scalar]:
        """What the next proposal takes over; empty when the sampler is to choose all of it.

        Args:
            good: Parameters of the configurations to take from.
            seed: Seed of the sampler.
            place: Place of the proposal in its search; with `seed` it decides the draw.
            attempt: Counts up when what was proposed is known already.
        """
        entropy = (seed, place, _STREAM, *((attempt,) if attempt else ()))
        generator = np.random.default_rng(np.random.SeedSequence(entropy))
        if generator.random() >= self._space.reuse:
            return {}
        found = [prefix for params in good for prefix in self.prefixes(params)]
        if not found:
            return {}
        steps = np.array([prefix.steps for prefix in found], dtype=np.float64)
        return found[int(generator.choice(len(found), p=steps / steps.sum()))].params

    def prefixes(self, params: Mapping[str, Scalar]) -> tuple[Prefix, ...]:
        """The parts of a configuration that are worth taking over.

        Not among them: those whose stages depend on nothing that is searched, which every
        configuration shares as it is; and the whole, of which nothing is left to choose.
        """
        key = tuple(params.items())
        if key not in self._known:
            self._known[key] = self._prefixes(params)
        return self._known[key]

    def _prefixes(self, params: Mapping[str, Scalar]) -> tuple[Prefix, ...]:
        plan = self._plan(params)
        if plan is None:
            return ()
        needs = self._needs(plan, params)
        found = {}
        for stage, closure in plan.closure.items():
            for part in (closure, closure - {stage}):
                names = frozenset().union(*(needs[name] for name in part))
                kept = [name for name in plan.steps if needs[name] and needs[name] <= names]
                steps = sum(plan.steps[name] for name in kept)
                if steps and names != params.keys():
                    values = {name: value for name, value in params.items() if name in names}
                    found[names] = Prefix(values, steps)
        return tuple(found.values())

    def _needs(self, plan: StagePlan, params: Mapping[str, Scalar]) -> dict[str, frozenset[str]]:
        """Stage to the parameters that must stay for it to stay."""
        others = {name: self._plans_of_other_choices(params, name) for name in params}
        needs = {}
        for stage, fields in plan.fields.items():
            names = {name for name in self._searched if name in fields}
            # A choice may decide which stages there are, not only how one runs.
            for name, plans in others.items():
                if not all(plan.same(stage, other) for other in plans):
                    names.add(name)
            needs[stage] = frozenset(self._with_conditions(names) & params.keys())
        return needs

    def _plans_of_other_choices(self, params: Mapping[str, Scalar], name: str) -> list[StagePlan]:
        choices = self._searched[name].choices
        plans = (self._plan({**params, name: value}) for value in choices if value != params[name])
        return [plan for plan in plans if plan is not None]

    def _plan(self, params: Mapping[str, Scalar]) -> StagePlan | None:
        """The stages of a configuration; None when its values cannot go together."""
        try:
            config = self._space.read(params)
        except ConfigError:
            return None
        return StagePlan.of(self._outline(config))

    def _with_conditions(self, names: set[str]) -> set[str]:
        """The names and the searched parents that decide whether they matter."""
        found, new = set(names), set(names)
        while new:
            new = {parent for name in new for parent in self._searched[name].when} - found
            found |= new
        return found
