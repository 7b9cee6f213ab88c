"""Which configurations give the same trial: what runs is compared, not what was proposed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.search.space import SearchSpace

__all__ = ["trial_key"]

_DIGITS = 6


def trial_key(space: SearchSpace, config: Mapping[str, Any]) -> str:
    """What two configs have in common exactly if nothing is learnt from running both.

    That is every setting after validation, but for those that have no effect beside the others
    (`raysearch.config.TrainingConfig.inert`), and with six digits of what is searched in a range
    of floats: a model that has reached the end of a range comes back to it with other last
    digits. Tasks and seeds are not in it.

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
            counts[item.name] = f"{counts[item.name]:.{_DIGITS}g}"
    return json.dumps(counts, sort_keys=True)
