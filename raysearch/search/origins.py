"""Where does a configuration of a sweep come from: the paper, another task, a draw, a model."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PROPOSED", "Origin"]

PROPOSED = "proposed"
"""Key of the origin in a configuration's intent and in the provenance of its rows."""


class Origin(StrEnum):
    """Who proposed a configuration.

    PAPER is the paper's own setting, WARM_START one of the best of an earlier task. DRAWN is
    without regard to what the others gave: `random`, and the start-up of the samplers with a
    model. LAID_OUT is a point of `grid` or `qmc`, MODELLED one that a model of the finished
    trials chose (of `cmaes` its numbers; see `raysearch.search.suggest.samplers`). OTHER comes
    from a sampler that is not this package's.
    """

    PAPER = "paper"
    WARM_START = "warm start"
    DRAWN = "drawn"
    LAID_OUT = "laid out"
    MODELLED = "modelled"
    OTHER = "other"
