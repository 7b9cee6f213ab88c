"""Seals the trials of a study, to detect that one is no longer as it was written.

SQLite has no checksums of values: one changed bit in a page is another number. So every trial has
an attribute ``seal`` with digests of its content (number, state, values, parameters, reports and
the other attributes). It is written before each change, with the digests of the current and the
next content, so that a driver killed between the two writes leaves a valid seal either way.
Times are not sealed; no number follows from them.

Trials of older versions have no seal until they change; the study records how many may lack it
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
"""Sealed content, as JSON holds it."""


def content_of(trial: FrozenTrial) -> Content:
    """The content of the trial, in the types that any database returns."""
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
    """The trial with its seal, ready to be created."""
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
    """Whether the trial differs from its seal in its end only: another program ended it."""
    seals: Any = trial.user_attrs.get(SEAL)
    running = {**content_of(trial), **end_of(TrialState.RUNNING, None)}
    return trial.state.is_finished() and _is_seal(seals) and digest_of(running) in seals


def _is_seal(value: object) -> bool:
    return isinstance(value, list) and any(
        isinstance(digest, str) and digest.startswith(MARK) for digest in value
    )


def _plain(value: float) -> float:
    """The value as every database returns it: a double, and no negative zero."""
    return float(value) + 0.0
