"""Which configurations give the same trial: what runs is compared, not what was proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace
from raysearch.search.suggest.point_samplers import share_of

__all__ = ["trial_key"]

_DIGITS = 6


def trial_key(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """What two configs have in common exactly if nothing is learnt from running both.

    That is every setting after validation, but for those that have no effect beside the others
    (`raysearch.config.TrainingConfig.inert`), and to a millionth of its range of what is searched
    in a range of floats: a model that has reached the end of a range comes back to it with other
    last digits. Tasks and seeds are not in it.

    Args:
        space: What is searched.
        config: Every setting, or what there is of a config that cannot be run.
    """
    try:
        inert = read_config(space.config_type, config, where=space.source).inert
    except ConfigError:
        inert = frozenset()
    counts = {name: value for name, value in config.items() if name not in inert}
    for item in space.parameters:
        if item.kind == "float" and isinstance(counts.get(item.name), float):
            counts[item.name] = _place(item, counts[item.name])
    return json.dumps(counts, sort_keys=True)


def _place(item: Parameter, value: float) -> float | str:
    """Where in its range a value lies, to a millionth, on the scale that is searched."""
    if item.log and value <= 0:  # the paper's own value may lie outside
        return value
    share = round(share_of(item, value), _DIGITS) + 0.0 if item.high > item.low else 0.0  # no -0.0
    return f"{share:.{_DIGITS}f}"
