"""Seals on the trials of a study, which tell whether one is still as it was written.

SQLite checks no value: one changed bit in a page is another number. So every trial has an
attribute ``seal``: digests of all that makes it (number, state, values, parameters, reports and
the other attributes). It is written before each change, with the digest of what is there and of
what will be, so that a driver killed between the two writes leaves a trial that is sealed either
way. What says when a trial ran is not in it; no number follows from that.

Trials of older versions have no seal until they change; the study says how many may be so
(`raysearch.search.study.identity`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from raysearch.seal import MARK, digest_of

__all__ = ["SEAL", "Content", "content_of", "end_of", "ended_by_another", "is_intact", "sealed"]

SEAL = "seal"
"""Attribute of a trial."""

Content = dict[str, Any]
"""What the seal is of, as JSON holds it."""


def content_of(trial: FrozenTrial) -> Content:
    """All that makes the trial, of the types that any database gives back."""
    params = {
        name: _plain(trial.distributions[name].to_internal_repr(value))
        for name, value in trial.params.items()
    }
    return {
        "number": trial.number,
        **end_of(trial.state, trial.values),
        "params": params,
        "distributions": {
            name: json.loads(distribution_to_json(item))
            for name, item in trial.distributions.items()
        },
        "reports": {str(rung): _plain(v) for rung, v in trial.intermediate_values.items()},
        "attributes": {name: v for name, v in trial.user_attrs.items() if name != SEAL},
        "system": dict(trial.system_attrs),
    }


def end_of(state: TrialState, values: Sequence[float] | None) -> Content:
    """The part of a trial's content that its end changes."""
    return {"state": state.name, "values": None if values is None else [*map(_plain, values)]}


def sealed(template: FrozenTrial) -> FrozenTrial:
    """The trial with its seal, to be created so."""
    found = copy.copy(template)
    found.user_attrs = {**template.user_attrs, SEAL: [digest_of(content_of(template))]}
    return found


def is_intact(trial: FrozenTrial) -> bool:
    """Whether the trial is as it was written; True where it has no seal."""
    seals = trial.user_attrs.get(SEAL)
    if seals is None:
        return not any(_is_seal(value) for value in trial.user_attrs.values())
    return _is_seal(seals) and digest_of(content_of(trial)) in seals


def ended_by_another(trial: FrozenTrial) -> bool:
    """Whether nothing but its end makes the trial another than it was written: somebody told it."""
    seals: Any = trial.user_attrs.get(SEAL)
    running = {**content_of(trial), **end_of(TrialState.RUNNING, None)}
    return trial.state.is_finished() and _is_seal(seals) and digest_of(running) in seals


def _is_seal(value: object) -> bool:
    return isinstance(value, list) and any(
        isinstance(digest, str) and digest.startswith(MARK) for digest in value
    )


def _plain(value: float) -> float:
    """As every database gives it back: a double, and no negative zero."""
    return float(value) + 0.0
