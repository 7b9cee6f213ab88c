"""Searched settings that may decide nothing: where a method says so, and trials that would tell.

A sweep spends trials on every searched setting. One that has no effect where another setting has a
certain value needs a condition (``when``), or its range has to move.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from raysearch.errors import ConfigError
from raysearch.run import Scalar
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace

__all__ = ["Branch", "branches", "inert_notes", "points"]


@dataclass(frozen=True, kw_only=True)
class Branch:
    """The middle of a search space, with at most one choice other than the paper's.

    Attributes:
        where: The choice that is not the paper's and its value; empty in the first branch.
        params: A value of every setting that is active here.
        active: The searched settings of this branch but that choice.
    """

    where: Mapping[str, Scalar]
    params: Mapping[str, Scalar]
    active: tuple[Parameter, ...]


def branches(space: SearchSpace) -> Iterator[Branch]:
    """The paper's choices with every range at its middle, then every other choice by itself.

    Branches whose settings are incompatible are left out.
    """
    _, paper = space.paper_first()
    first = _branch(space, paper, {})
    found = [first]
    for item in first.active:
        if item.kind == "choice":
            others = (value for value in item.choices if value != first.params[item.name])
            found += [_branch(space, paper, {item.name: value}) for value in others]
    for branch in found:
        try:
            space.read(branch.params)
        except ConfigError:
            continue
        yield branch


def points(item: Parameter) -> tuple[Scalar, ...]:
    """The values of a setting that trials compare: its choices, or both ends and the middle."""
    if item.kind == "choice":
        return item.choices
    ends = (item.low, _middle(item), item.high)
    return tuple(dict.fromkeys(int(end) if item.kind == "int" else end for end in ends))


def inert_notes(space: SearchSpace) -> tuple[str, ...]:
    """One sentence for each setting that is searched where its method says that it has no effect.

    Each is trained for nothing there: `TrainingConfig.inert`.
    """
    active: dict[str, list[Branch]] = {}
    inert: dict[str, list[Branch]] = {}
    for branch in branches(space):
        nothing = space.read(branch.params).inert
        for item in branch.active:
            (inert if item.name in nothing else active).setdefault(item.name, []).append(branch)
    return tuple(
        f"`{name}` is searched, but has no effect {_place(found, active.get(name, []))}"
        for name, found in inert.items()
    )


def _branch(space: SearchSpace, paper: Mapping[str, Scalar], where: Mapping[str, Scalar]) -> Branch:
    params: dict[str, Scalar] = {}
    active = []
    for item in space.searched:
        if not item.matters(params):
            continue
        if item.name in where:
            params[item.name] = where[item.name]
            continue
        active.append(item)
        if item.kind == "choice":
            params[item.name] = paper.get(item.name, item.choices[0])
        else:
            params[item.name] = _middle(item)
    return Branch(where=where, params=params, active=tuple(active))


def _middle(item: Parameter) -> float:
    middle = math.sqrt(item.low * item.high) if item.log else (item.low + item.high) / 2
    return round(middle) if item.kind == "int" else middle


def _place(inert: list[Branch], active: list[Branch]) -> str:
    """Where a setting has no effect, in words."""
    if not active:
        return "with any of the other settings; give it under `setting`, or leave it out"
    named = [branch.where for branch in inert if branch.where]
    if not all(branch.where for branch in inert):  # with the paper's choices, too
        first = next(branch for branch in inert if not branch.where)
        named = [{name: first.params[name]} for branch in active for name in branch.where]
    told = dict.fromkeys(f"`{n}` is {value}" for where in named for n, value in where.items())
    return f"where {' or '.join(told)}; give it a condition (`when`)"
