"""Searched settings: a range or a choice, optionally under a condition.

In a file a range is ``{low: 1e-5, high: 1e-3, log: true}``, a choice ``[gauss, cos_centred]``
or, with a condition, ``{choices: [gauss, cos_centred], when: {other: value}}``; a condition may
list several values. The type in the method's config decides whether a range is of integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raysearch.config import Rule, as_scalar, check_value
from raysearch.errors import quoted
from raysearch.run import Scalar
from raysearch.yaml_lines import LocatedValue, Problems

__all__ = ["Parameter", "read_parameter", "read_value"]

_KEYS = ("low", "high", "log", "choices", "when")


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
        when: Parent's name to the values for which this parameter is active.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[Scalar, ...] = ()
    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def contains(self, value: Scalar) -> bool:
        """Whether the value lies in the range or among the choices."""
        if self.kind == "choice":
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high

    def matters(self, params: Mapping[str, Scalar]) -> bool:
        """Whether the parameter is active, given the values of the parameters before it."""
        return all(
            parent in params and params[parent] in values for parent, values in self.when.items()
        )

    def canonical(self) -> dict[str, Any]:
        """The parameter as plain JSON, for digests and comparisons."""
        if self.kind == "choice":
            return {"choices": list(self.choices), "when": self._conditions()}
        span = {"kind": self.kind, "low": self.low, "high": self.high, "log": self.log}
        return {**span, "when": self._conditions()}

    def _conditions(self) -> dict[str, list[Scalar]]:
        return {parent: list(values) for parent, values in self.when.items()}


def read_parameter(
    name: str, node: LocatedValue, rule: Rule, problems: Problems
) -> Parameter | None:
    """Read a parameter from a file; the space checks conditions.

    Args:
        name: Field of the method's config.
        node: Its value in the file.
        rule: The field's rule, which every value of the range must satisfy.
        problems: Collects what is wrong.

    Returns:
        The parameter, or None when a problem was added.
    """
    body = {"choices": node} if isinstance(node.value, list) else node.value
    if not isinstance(body, dict):
        problems.add(
            f"`{name}` must be {{low: …, high: …}} or a list of choices, but got "
            f"{quoted(node.plain)}; a fixed value belongs under `setting`",
            node.line,
        )
        return None
    problems.check_keys(f"key of `{name}`", body, _KEYS)
    when = _when(name, body.get("when"), problems)
    if not {*body} <= {*_KEYS} or when is None:
        return None
    if "choices" in body:
        return _choice(name, body, rule, when, problems)
    return _range(name, node.line, body, rule, when, problems)


def _when(
    name: str, node: LocatedValue | None, problems: Problems
) -> dict[str, tuple[Scalar, ...]] | None:
    if node is None:
        return {}
    plain = node.plain
    if isinstance(plain, dict) and plain:
        lists = {
            up: wanted if isinstance(wanted, list) else [wanted] for up, wanted in plain.items()
        }
        nested = any(
            isinstance(value, list | dict) for wanted in lists.values() for value in wanted
        )
        if all(lists.values()) and not nested:
            return {up: tuple(wanted) for up, wanted in lists.items()}
    problems.refuse(f"`when` of `{name}` must be {{other setting: value or list of values}}", node)
    return None


def _choice(
    name: str,
    body: Mapping[str, LocatedValue],
    rule: Rule,
    when: Mapping[str, tuple[Scalar, ...]],
    problems: Problems,
) -> Parameter | None:
    node, before = body["choices"], len(problems)
    if len(body) > 1 + ("when" in body):
        problems.add(f"`{name}` must have either `choices` or a range, but got both", node.line)
        return None
    if not isinstance(node.value, list) or len(node.value) < 2:
        problems.add(
            f"`{name}` must have at least two choices, but got {quoted(node.plain)}; "
            "a fixed value belongs under `setting`",
            node.line,
        )
        return None
    values = [read_value(name, item, rule, problems) for item in node.value]
    if len(problems) > before:
        return None
    repeated = [value for at, value in enumerate(values) if value in values[:at]]
    if repeated:
        problems.add(
            f"choices of `{name}` must differ, but {quoted(repeated[0])} repeats", node.line
        )
        return None
    return Parameter(name=name, kind="choice", choices=tuple(values), when=when)


def _range(
    name: str,
    line: int,
    body: Mapping[str, LocatedValue],
    rule: Rule,
    when: Mapping[str, tuple[Scalar, ...]],
    problems: Problems,
) -> Parameter | None:
    before, log = len(problems), body.get("log", LocatedValue(False, line))
    missing = [key for key in ("low", "high") if key not in body]
    if missing:
        problems.add(f"the range of `{name}` must have `{'` and `'.join(missing)}`", line)
    elif not isinstance(log.value, bool):
        problems.refuse(f"`log` of `{name}` must be true or false", log)
    elif rule.kind not in ("int", "float"):
        must = rule.describe()
        problems.add(f"`{name}` must be {must}: give a list of choices, not a range", line)
    if len(problems) > before:
        return None
    low, high = (read_value(name, body[key], rule, problems) for key in ("low", "high"))
    if len(problems) > before:
        return None
    if low is None or high is None:
        problems.add(f"the ends of the range of `{name}` must be numbers", line)
    elif low >= high:
        problems.add(
            f"`low` of `{name}` must be < `high`, but got {quoted(low)} and {quoted(high)}", line
        )
    elif log.value and low <= 0:
        problems.add(f"`low` of `{name}` must be > 0 on a log scale, but got {quoted(low)}", line)
    else:
        kind: Literal["int", "float"] = "int" if rule.kind == "int" else "float"
        return Parameter(name=name, kind=kind, low=low, high=high, log=log.value, when=when)
    return None


def read_value(name: str, node: LocatedValue, rule: Rule, problems: Problems) -> Any:
    """A value as a scalar of its rule's kind; unchanged if a problem was noted."""
    value, must = check_value(rule, node.plain)
    if must:
        problems.refuse(f"`{name}` must be {must}", node)
    return as_scalar(value)
