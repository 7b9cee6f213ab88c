"""Reads a YAML file into values that know their lines.

So a checker can name ``file:line`` for everything it finds. Values are those of YAML 1.2
(`raysearch.scalars`), not of 1.1 as in PyYAML; a duplicate key is a problem instead of a silent
loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from raysearch.errors import ConfigError, quoted, shortened, unknown_name
from raysearch.scalars import read_scalar

__all__ = ["LocatedValue", "Problems", "inside", "read_located"]

_PLAIN = "plain"
"""Tag of a scalar that has neither quotes nor a tag of its own."""
_TYPES = {"null": NoneType, "bool": bool, "int": int, "float": float}
"""Requirement on a value with such a tag."""
DEEPEST = 50
"""Deepest nesting of a file, so that recursive walks stay within Python's stack."""
MOST_VALUES = 100_000
"""Most values of a file, with aliases counted each time they occur."""


@dataclass(frozen=True)
class LocatedValue:
    """A value of a YAML file.

    Attributes:
        value: None, a bool, int, float or str, a ``list`` of `LocatedValue`, or a ``dict`` of
            `LocatedValue` by key.
        line: Line that it starts on, from 1; of a mapping's value the line of its key.
    """

    value: Any
    line: int

    @property
    def plain(self) -> Any:
        """The value without lines, all the way down."""
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        return self.value


class Problems:
    """Everything wrong with one file, raised together in order of lines.

    Args:
        source: Name of the file in the messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[tuple[int, str]] = []

    def add(self, text: str, line: int) -> None:
        """Add a problem: a sentence without its end, and its line."""
        self._found.append((line, f"{text} ({self.source}:{line})"))

    def refuse(self, rule: str, node: LocatedValue) -> None:
        """Add a value that breaks a rule, such as "`slots` must be a whole number"."""
        self.add(f"{rule}, but got {quoted(node.plain)}", node.line)

    def mapping(self, name: str, node: LocatedValue | None) -> dict[str, LocatedValue]:
        """The mapping under a name; empty if missing, a problem if it is not a mapping."""
        if node is not None and not isinstance(node.value, dict):
            self.refuse(f"`{name}` must be a mapping of names", node)
        return inside(node)

    def check_keys(
        self, what: str, mapping: Mapping[str, LocatedValue], known: Sequence[str]
    ) -> None:
        """Add every unknown key, in the words of `unknown_name`."""
        for key, node in mapping.items():
            if key not in known:
                self.add(unknown_name(what, key, known), node.line)

    def __len__(self) -> int:
        return len(self._found)

    def raise_all(self) -> None:
        """Raise the problems, if there are any.

        Raises:
            ConfigError: One sentence per problem.
        """
        if self._found:
            ordered = sorted(self._found, key=lambda found: found[0])
            raise ConfigError([text for _, text in ordered])


def inside(node: LocatedValue | None, *keys: str) -> dict[str, LocatedValue]:
    """The mapping at a path of keys below a value; empty if there is none."""
    for key in keys:
        node = inside(node).get(key)
    return node.value if node is not None and isinstance(node.value, dict) else {}


def read_located(path: Path) -> tuple[dict[str, LocatedValue], Problems]:
    """Read a file whose top level is a mapping.

    Returns:
        The mapping, and the problems found so far, for the caller to add to.

    Raises:
        ConfigError: The file cannot be read, is empty, is not YAML, or is not a mapping.
    """
    problems = Problems(str(path))
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} must be UTF-8 text, but byte {error.start} is not") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = str(error.problem).removeprefix("but ")  # of "expected a single document"
        raise ConfigError(f"must be YAML, but {what} ({path}:{line})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"must be YAML, but {error} ({path})".replace("\n", " ")) from error
    if node is None:
        raise ConfigError(f"must name at least `method`, but the file is empty ({path})")
    root = _located(node, node.start_mark.line + 1, problems, ())
    if not isinstance(root.value, dict):
        raise ConfigError(f"must be a mapping of keys to values ({path}:{root.line})")
    return root.value, problems


class _Loader(yaml.SafeLoader):
    """Composes a tree that is safe to walk: neither too deep nor, with its aliases, too large.

    Plain scalars have the tag `_PLAIN`.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._extent: dict[yaml.Node, tuple[int, int]] = {}
        """Number of values and levels of each complete node."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of an untagged node; plain scalars are parsed later."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node and what is below it.

        Raises:
            MarkedYAMLError: The file is nested too deeply, or has too many values.
        """
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        self._check(1, 1, event)
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        if node is not None:
            if not isinstance(event, yaml.AliasEvent):
                self._extent[node] = self._measured(node)
            # An alias inside of its own anchor is reported later, with the other problems.
            self._check(*self._extent.get(node, (1, 1)), event)
        return node

    def _measured(self, node: yaml.Node) -> tuple[int, int]:
        below: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            below = node.value
        elif isinstance(node, yaml.MappingNode):
            below = [part for entry in node.value for part in entry]
        extents = [self._extent.get(part, (1, 1)) for part in below]
        values = sum(extent[0] for extent in extents)
        return 1 + values, 1 + max((extent[1] for extent in extents), default=0)

    def _check(self, values: int, levels: int, event: yaml.Event) -> None:
        problem = ""
        if self._level + levels > DEEPEST:
            problem = f"it is more than {DEEPEST} levels deep"
        elif values > MOST_VALUES:
            problem = (
                f"it holds more than {MOST_VALUES} values, those that aliases repeat counted "
                "each time"
            )
        if problem:
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _located(
    node: yaml.Node, line: int, problems: Problems, above: tuple[yaml.Node, ...]
) -> LocatedValue:
    if any(node is parent for parent in above):
        problems.add("an alias must not stand inside of what it repeats", line)
        return LocatedValue(None, line)
    above = (*above, node)
    if isinstance(node, yaml.SequenceNode):
        items = [_located(item, item.start_mark.line + 1, problems, above) for item in node.value]
        return LocatedValue(items, line)
    if isinstance(node, yaml.MappingNode):
        return LocatedValue(_mapping(node, problems, above), line)
    assert isinstance(node, yaml.ScalarNode), "YAML has no other nodes"
    return LocatedValue(_scalar(node, line, problems), line)


def _mapping(
    node: yaml.MappingNode, problems: Problems, above: tuple[yaml.Node, ...]
) -> dict[str, LocatedValue]:
    entries: dict[str, LocatedValue] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            problems.add("a key must be a name", line)
        elif key.value in entries:
            first = entries[key.value].line
            problems.add(f"`{key.value}` must stand once, but it stands on line {first} too", line)
        else:
            entries[key.value] = _located(value, line, problems, above)
    return entries


def _scalar(node: yaml.ScalarNode, line: int, problems: Problems) -> Any:
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    if tag not in (_PLAIN, *_TYPES):
        if node.tag.startswith("!") or tag == "binary":
            problems.add(f"tags such as `{node.tag}` must not be used", line)
        return node.value
    try:
        value = read_scalar(node.value)
        if tag == "float" and type(value) is int:
            value = float(value)
        if tag in _TYPES and type(value) is not _TYPES[tag]:
            raise ValueError
    except (ValueError, OverflowError):
        problems.add(f"`{shortened(node.value)}` must be a value that YAML can read", line)
        return None
    return value
