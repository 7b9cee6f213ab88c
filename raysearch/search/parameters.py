"""What may a searched setting be: a range or a choice, perhaps under a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raysearch.trial import Scalar

__all__ = ["Parameter"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One searched setting.

    Attributes:
        name: Field of the method's config.
        kind: ``float`` and ``int`` have `low` and `high`, ``choice`` has `choices`.
        low: Lowest value, included.
        high: Highest value, included.
        log: Whether the range is searched on a logarithmic scale; then `low` > 0.
        choices: At least two different values.
        when: Parent's name to the value that it must have for this parameter to matter.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    when: Mapping[str, Scalar] = field(default_factory=dict)

    def contains(self, value: Scalar) -> bool:
        """Whether the value lies in the range or among the choices."""
        if self.kind == "choice":
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high
