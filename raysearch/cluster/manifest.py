"""Is a cluster file one that `ray up` will take, and which fields has the user still to set.

The file is held against Ray's own schema, which comes with Ray; Ray itself is not imported.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from raysearch.cluster.manifest_site import check_site
from raysearch.cluster.prices import check_prices
from raysearch.errors import ConfigError, shortened
from raysearch.marked_yaml import Marked, Problems, read_marked

__all__ = ["UNSET", "check_manifest"]

UNSET = "SET-ME"
"""What stands in a word that only the user can fill in; our files are shipped with some."""


def check_manifest(path: Path) -> tuple[str, ...]:
    """Check a cluster file.

    Returns:
        A sentence with its line for each field that is still unset, without which `ray up`
        cannot work; a value that an anchor repeats is said once.

    Raises:
        ConfigError: Everything against Ray's schema, node types that do not exist or that
            want more nodes than the cluster may have, prices that are none, and what
            `provider.raysearch` says of sweeps and cannot be, with lines.
    """
    fields, problems = read_marked(path)
    root = Marked(fields, 1)
    validator = jsonschema.Draft7Validator(_schema())
    for error in validator.iter_errors(root.plain):
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        line = _line(root, list(error.absolute_path))
        problems.add(f"`{where}` must fit Ray's cluster schema, but {error.message}", line)
    _check_readings(root, _as_ray_reads(path), "", problems)
    _check_nodes(fields, problems)
    check_prices(fields, problems)
    check_site(fields, problems)
    problems.raise_all()
    unset: dict[str, str] = {}
    for where, node in _leaves(root, ""):
        for word in str(node.value).split():
            if UNSET in word:
                text = f"`{where}` must be set to yours, but has {word} ({path}:{node.line})"
                unset.setdefault(word, text)
    return tuple(unset.values())


def _as_ray_reads(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):  # what is wrong with it has been said
        return None


def _check_readings(ours: Marked, theirs: Any, where: str, problems: Problems) -> None:
    """Ray reads the file by YAML 1.1, where ``020`` is 16 and ``no`` is false: both must agree."""
    if isinstance(theirs, dict) and isinstance(ours.value, dict):
        for key, child in ours.value.items():
            _check_readings(child, theirs.get(key), f"{where}.{key}" if where else key, problems)
    elif isinstance(theirs, list) and isinstance(ours.value, list):
        for child, other in zip(ours.value, theirs, strict=False):
            _check_readings(child, other, where, problems)
    elif isinstance(theirs, bool | int | float) and repr(theirs) != repr(ours.value):
        problems.add(
            f"`{where}` must be the same for Ray, which reads YAML 1.1, but is "
            f"{shortened(repr(theirs))} for it and {shortened(repr(ours.value))} by YAML 1.2; "
            "write a number without a 0 first, and true or false",
            ours.line,
        )


def _check_nodes(fields: Mapping[str, Marked], problems: Problems) -> None:
    types = fields.get("available_node_types")
    head = fields.get("head_node_type")
    if types is None or not isinstance(types.value, dict):
        return
    if head is None or head.value not in types.value:
        got = "nothing" if head is None else repr(head.value)
        line = types.line if head is None else head.line
        problems.add(f"`head_node_type` must be one of the node types, but got {got}", line)
    limit = fields.get("max_workers")
    wanted = [node.plain.get("min_workers", 0) for node in types.value.values() if node.value]
    if limit is not None and isinstance(limit.value, int) and sum(wanted) > limit.value:
        problems.add(
            f"`max_workers` must be at least the sum of min_workers, {sum(wanted)}, but got "
            f"{limit.value}",
            limit.line,
        )


def _leaves(node: Marked, where: str) -> Iterator[tuple[str, Marked]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _leaves(child, f"{where}.{key}" if where else key)
    elif isinstance(node.value, list):
        for child in node.value:
            yield from _leaves(child, where)
    else:
        yield where, node


def _line(node: Marked, parts: Sequence[Any]) -> int:
    """The line of the innermost place on the way that the file has."""
    for part in parts:
        inside = isinstance(node.value, dict) and part in node.value
        inside = inside or (isinstance(node.value, list) and part < len(node.value))
        if not inside:
            break
        node = node.value[part]
    return node.line


def _schema() -> dict[str, Any]:
    found = importlib.util.find_spec("ray")
    if found is None or found.origin is None:
        raise ConfigError("Ray must be installed to check a cluster file: pip install -e .")
    text = (Path(found.origin).parent / "autoscaler" / "ray-schema.json").read_text()
    schema: dict[str, Any] = json.loads(text)
    return schema
