"""Builds validated configs from mappings: YAML, the command line, or a stored row.

A config is a frozen dataclass whose fields are made by `setting`, with the default and its rule
together. `read_config` collects every problem before it raises, so that a user can fix a file
at once.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from raysearch.errors import ConfigError, quoted, unknown_name
from raysearch.run import Scalar
from raysearch.scalars import NULL, read_scalar

__all__ = [
    "SEED",
    "Rule",
    "TrainingConfig",
    "as_scalar",
    "check_value",
    "checked_settings",
    "flatten",
    "plain_config",
    "read_config",
    "rules",
    "said_value",
    "setting",
    "settings_of",
]

T = TypeVar("T")
LARGEST = 2**53
"""Largest integer of a setting: the study and Parquet can represent all up to it."""


@dataclass(frozen=True)
class Rule:
    """The constraint on a field's value.

    Attributes:
        kind: ``int``, ``float``, ``bool``, ``str`` or ``list`` (a tuple of strings).
        low: Lowest allowed value, or None.
        high: Highest allowed value, or None.
        low_open: Whether `low` itself is excluded.
        choices: Allowed strings; empty when any is.
        optional: Whether None is allowed.
    """

    kind: Literal["int", "float", "bool", "str", "list"]
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False

    def describe(self) -> str:
        """The rule in words, to follow "must be": "a float in (0, 1]"."""
        if self.choices:
            what = "one of " + ", ".join(self.choices)
        elif self.kind == "list":
            what = "a list of names"
        elif self.low is not None and self.high is not None:
            bracket = "(" if self.low_open else "["
            what = f"{_an(self.kind)} in {bracket}{_bound(self.low)}, {_bound(self.high)}]"
        elif self.low is not None:
            what = f"{_an(self.kind)} {'>' if self.low_open else '>='} {_bound(self.low)}"
        else:
            what = _an(self.kind)
        return what + (" or null" if self.optional else "")


_TYPES: dict[Any, Any] = {
    int: "int", float: "float", bool: "bool", str: "str", tuple[str, ...]: "list"
}  # fmt: skip
_KINDS = {
    hint: (kind, hint != type_) for type_, kind in _TYPES.items() for hint in (type_, type_ | None)
}
"""Annotation of a field to its kind, and whether None is allowed."""
SEED = Rule(kind="int", low=0, high=2**32 - 1)
"""A seed, in the range that every library accepts."""


def setting(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    choices: Sequence[str] = (),
    part: str | None = "",
) -> Any:
    """A config field with its default and its rule; the field's docstring describes it.

    Args:
        default: Its default.
        low: See `Rule`, as for `high`, `low_open` and `choices`.
        high: Highest allowed value.
        low_open: Whether `low` is excluded.
        choices: Allowed strings.
        part: The part of a trial that depends on it, by a name of the method's own; its stages
            select their settings by part (`settings_of`). "" is the part that every stage has,
            None says that no result depends on the field.
    """
    bounds = {"low": low, "high": high, "low_open": low_open, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata={"rule": bounds, "part": part})


def settings_of(config_type: type, *parts: str) -> tuple[str, ...]:
    """Names of the settings of some parts of a trial, in order of definition; see `setting`.

    Raises:
        KeyError: No setting names such a part.
    """
    found = {item.name: item.metadata["part"] for item in dataclasses.fields(config_type)}
    if unknown := {*parts} - {*found.values()}:
        raise KeyError(f"no setting of {config_type.__name__} is of the part {unknown.pop()!r}")
    return tuple(name for name, part in found.items() if part in parts)


def rules(config_type: type) -> Mapping[str, Rule]:
    """The rule of every field of a config class, in order of definition."""
    return _rules_of(config_type)


@functools.cache  # a sweep reads a config for every trial that it knows, and hints take 1 ms
def _rules_of(config_type: type) -> Mapping[str, Rule]:
    hints = typing.get_type_hints(config_type)
    found = {}
    for item in dataclasses.fields(config_type):
        kind, optional = _KINDS[hints[item.name]]
        found[item.name] = Rule(kind=kind, optional=optional, **item.metadata["rule"])
    return types.MappingProxyType(found)


def check_value(rule: Rule, value: Any) -> tuple[Any, str]:
    """Convert a value to its field's type.

    Returns:
        The value and an empty string, or the original value and what it must be.
    """
    if value is None:
        return (None, "") if rule.optional else (value, rule.describe())
    try:
        converted = _converted(rule.kind, value)
    except (TypeError, ValueError, OverflowError):
        return value, rule.describe()
    if rule.kind == "int" and rule.high is None and abs(converted) > LARGEST:
        return value, f"{rule.describe()}, and at most {LARGEST}"
    chosen = converted if rule.kind == "list" else (converted,)
    allowed = not rule.choices or all(item in rule.choices for item in chosen)
    if rule.kind in ("int", "float"):
        low = -math.inf if rule.low is None else rule.low
        high = math.inf if rule.high is None else rule.high
        allowed = allowed and low <= converted <= high and abs(converted) != math.inf
        allowed = allowed and not (rule.low_open and converted == low)
    return (converted, "") if allowed else (value, rule.describe())


def checked_settings(
    config_type: type, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Convert values to their fields' types.

    Returns:
        Field name to value, for valid values; and name to a sentence, without its end, for
        every other name and value.
    """
    known = rules(config_type)
    clean, wrong = {}, {}
    for name, value in values.items():
        if name not in known:
            wrong[name] = unknown_name("setting", name, list(known))
            continue
        converted, must = check_value(known[name], value)
        if must:
            wrong[name] = f"`{name}` must be {must}, but got {quoted(value)}"
        else:
            clean[name] = converted
    return clean, wrong


def read_config(config_type: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """A validated config from a mapping; fields not named keep their defaults.

    Args:
        config_type: A frozen dataclass whose fields were made by `setting`. If it has a method
            ``problems() -> list[str]``, its sentences on combinations of fields are included.
        values: Field name to value.
        where: File, command-line option or row of the values; ends each message.

    Raises:
        ConfigError: With one sentence for every unknown name and every bad value.
    """
    clean, wrong = checked_settings(config_type, values)
    problems = list(wrong.values())
    if not problems:
        config = config_type(**clean)
        problems = config.problems() if isinstance(config, TrainingConfig) else []
    if problems:
        raise ConfigError([f"{text} ({where})" for text in problems])
    return config


def said_value(text: str) -> str | None:
    """A command line's value: ``null`` or ``~`` is None, and the empty string an empty list."""
    return None if text and text in NULL else text


def as_scalar(value: Any) -> Scalar:
    """A config value as a scalar for rows, parameters and records: lists are joined by ``+``."""
    return "+".join(value) if isinstance(value, list | tuple) else value


def flatten(config: Any) -> dict[str, Scalar]:
    """Every field of a config as a scalar; see `as_scalar`."""
    return {item.name: as_scalar(getattr(config, item.name)) for item in dataclasses.fields(config)}


def plain_config(config: Any) -> dict[str, Any]:
    """Every field of a config as JSON scalars and lists."""
    plain = dataclasses.asdict(config)
    return {name: list(item) if isinstance(item, tuple) else item for name, item in plain.items()}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of the loop, shared by every method; a method's config extends this class."""

    PAPER: ClassVar[Mapping[str, Any]] = types.MappingProxyType({})
    """The paper's own values by field name; the first trial of every sweep."""
    ORACLE: ClassVar[str] = ""
    """Role that no selection may see and that `evaluate --oracle` reads; empty if there is none."""
    SCORED_ON: ClassVar[tuple[str, ...]] = ()
    """Settings that say on which data a trial is scored, or which tasks there are: not searched."""

    encoder: str = setting("package:minilm")
    """Hub name, local folder, ``package:minilm``, ``package:me5``, or ``tiny`` (random: tests)."""
    layers: int = setting(0, low=0)
    """Number of the encoder's first layers to keep; 0 keeps all."""
    max_length: int = setting(128, low=4, high=512)
    """Longest sentence in pieces, specials included; longer ones are cut."""
    batch_size: int = setting(64, low=2)
    """Sentences in a batch, over all workers together."""
    learning_rate: float = setting(2e-5, low=0, low_open=True)
    """Peak learning rate of AdamW on the encoder."""
    head_learning_rate: float = setting(1e-3, low=0, low_open=True)
    """Peak learning rate of AdamW on the parts that start from random weights."""
    weight_decay: float = setting(0.01, low=0)
    """Decoupled weight decay; biases and normalisation weights have none."""
    warmup_share: float = setting(0.06, low=0, high=1)
    """Share of the steps in which the learning rate rises linearly; it then falls linearly to 0."""
    clip_norm: float = setting(1.0, low=0)
    """Largest gradient norm of a step; 0 does not clip."""
    freeze_embeddings: bool = setting(False)
    """Whether the word embeddings stay as they are; gradients still reach their outputs."""
    precision: str = setting("fp32", choices=("fp32", "bf16", "auto"))
    """Number format of the forward passes: fp32, bf16 by autocast, or auto: by the device."""
    reports: int = setting(4, low=1, high=1000, part="reports")
    """Development evaluations of a trial, evenly spaced; the rungs of early stopping."""
    checkpoint_seconds: float = setting(60.0, low=0, part=None)
    """At most so much training is redone after a crash; 0 writes a checkpoint at every report."""

    @classmethod
    def paper(
        cls, task: str = "", setting: Mapping[str, Any] = types.MappingProxyType({})
    ) -> Mapping[str, Any]:
        """The paper's own values.

        Args:
            task: The task; over all tasks when it is empty.
            setting: Values that are given, such as the encoder: the paper's may depend on them.
        """
        return cls.PAPER

    @property
    def selected_on(self) -> str:
        """Which development data ``dev/`` metrics are of; the same where trials are ranked."""
        return ""

    @property
    def inert(self) -> frozenset[str]:
        """Fields that affect no number, given the values of the others.

        Configs that differ only in these have the same result, and a sweep runs one of them.
        """
        return frozenset({"checkpoint_seconds"})

    def problems(self) -> list[str]:
        """Sentences on invalid combinations of fields; empty when there are none."""
        return []


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _an(kind: str) -> str:
    names = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a string"}
    return names.get(kind, kind)


def _converted(kind: str, value: Any) -> Any:
    """A value converted to its field's type, also from text.

    Raises:
        TypeError, ValueError, OverflowError: It cannot be converted.
    """
    if kind == "list":
        if isinstance(value, str):
            value = [part.strip() for part in value.replace("+", ",").split(",") if part.strip()]
        return tuple(_converted("str", item) for item in value)
    if kind == "str":
        if not isinstance(value, str) or not value:
            raise TypeError
        return value
    if isinstance(value, str):
        value = read_scalar(value.strip())
    # A bool is an int to Python, but neither may pass for the other.
    if isinstance(value, str) or isinstance(value, bool) != (kind == "bool"):
        raise TypeError
    if kind == "int" and int(value) != value:
        raise ValueError
    return {"int": int, "float": float, "bool": bool}[kind](value)
