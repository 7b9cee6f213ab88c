"""Checks a cluster file for `ray up`, and lists the fields that the user still has to set.

The file is checked against Ray's own schema, without importing Ray. Its settings for sweeps are in
a section that Ray ignores::

    provider:
      raysearch:
        storage: s3://bucket/raysearch   # --storage: folder or URI that every node can write
        data: data                       # --data-dir: in the working tree, or a nodes' folder
        study: postgresql://...          # --study
        slots: 4                         # --slots, --cpus-per-worker, --gpus-per-worker
        gpus_per_worker: 1
        gpu_types: L4,A10G               # --gpu-types
        prices: {head: 0.10}             # see `raysearch.cluster.prices`
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from raysearch.cluster.capacity import capacity_problems
from raysearch.cluster.prices import (
    NodeType,
    check_prices,
    is_amount,
    of_gpu_types,
    price_table,
    read_gpu_types,
)
from raysearch.errors import ConfigError, shortened
from raysearch.storage.uri import expanded, is_uri
from raysearch.yaml_lines import LocatedValue, Problems, inside, read_located

__all__ = [
    "SETTINGS",
    "TREE",
    "UNSET",
    "Site",
    "check_manifest",
    "check_settings",
    "check_site",
    "is_count",
    "is_manifest",
    "read_site",
    "unset_fields",
]

UNSET = "SET-ME"
"""Placeholder in a value that only the user can fill in; our files are shipped with some."""
TREE = "~/raysearch"
"""Path of the working tree on every node."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A cluster's settings for its sweeps; empty where they are unset.

    Attributes:
        tree: The local working tree that is copied to the nodes.
        storage: Folder or URI that every node can write.
        data: Folder of the corpora: below the working tree, or one that every node has.
        options: Other options of `raysearch sweep` and their values, as defaults.
    """

    tree: Path
    storage: str = ""
    data: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def check_manifest(path: Path) -> tuple[str, ...]:
    """Check a cluster file.

    Returns:
        A sentence with its line for each field that is still unset, which `ray up` needs; a value
        repeated by an anchor is reported once.

    Raises:
        ConfigError: Violations of Ray's schema, node types that do not exist or want more nodes
            than the cluster may have, invalid prices, and invalid settings in
            `provider.raysearch`, with lines; slots of its that no nodes are ever started for.
    """
    fields, problems = read_located(path)
    root = LocatedValue(fields, 1)
    validator = jsonschema.Draft7Validator(_schema())
    for error in validator.iter_errors(root.plain):
        where = ".".join(str(part) for part in error.absolute_path) or "the file"
        line = _line(root, list(error.absolute_path))
        problems.add(f"`{where}` must fit Ray's cluster schema, but {error.message}", line)
    _check_readings(root, _as_ray_reads(path), "", problems)
    _check_nodes(fields, problems)
    check_prices(fields, problems)
    site = check_site(fields, problems)
    problems.raise_all()
    _check_room(fields, site, problems)
    problems.raise_all()
    return unset_fields(path, fields)


def unset_fields(path: Path, fields: Mapping[str, LocatedValue]) -> tuple[str, ...]:
    """A sentence with its line for each value that only the user can fill in."""
    unset: dict[str, str] = {}
    for where, node in _leaves(LocatedValue(fields, 1), ""):
        for word in str(node.value).split():
            if UNSET in word:
                text = f"`{where}` must be set to yours, but has {word} ({path}:{node.line})"
                unset.setdefault(word, text)
    return tuple(unset.values())


def is_manifest(path: Path) -> bool:
    """Whether a file is one for `ray up`, by its content; a wrong one is what it seems to be."""
    try:
        fields, _ = read_located(path)
    except ConfigError:
        return False
    return not {"cluster_name", "provider", "available_node_types"}.isdisjoint(fields)


def read_site(path: Path) -> Site:
    """Read `provider.raysearch` of a cluster file.

    Raises:
        ConfigError: Invalid fields, or a file that does not copy the working tree to the nodes,
            with lines.
    """
    fields, problems = read_located(path)
    found = check_site(fields, problems)
    tree = _tree(fields, problems)
    problems.raise_all()
    storage, data = found.pop("storage", ""), found.pop("data", "")
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in found.items()}
    return Site(tree=tree, storage=storage, data=data, options=options)


def check_site(fields: Mapping[str, LocatedValue], problems: Problems) -> dict[str, Any]:
    """The plain values of the given fields; collects those that break their rule."""
    section = inside(fields.get("provider"), "raysearch")
    return check_settings(section, "provider.raysearch.", problems)


def check_settings(
    section: Mapping[str, LocatedValue], where: str, problems: Problems
) -> dict[str, Any]:
    """The plain values of a section's settings for sweeps, named by `where` in the problems."""
    found = {name: section[name] for name in SETTINGS if name in section}
    for name, node in found.items():
        rule, holds = SETTINGS[name]
        if not holds(node.plain):
            problems.refuse(f"`{where}{name}` must be {rule}", node)
    return {name: node.plain for name, node in found.items()}


def _tree(fields: Mapping[str, LocatedValue], problems: Problems) -> Path:
    """The local tree; the launcher resolves a mount's folder from where it is started."""
    rule = f"`file_mounts` must bring the working tree to {TREE}"
    mount = inside(fields.get("file_mounts")).get(TREE)
    if mount is None:
        problems.add(rule, fields["file_mounts"].line if "file_mounts" in fields else 1)
        return Path()
    tree = expanded(str(mount.value))
    if not (tree / "raysearch" / "__init__.py").is_file():
        where = f"but {tree.absolute()} is not one; run this from the root of the tree"
        problems.add(f"{rule}, {where}", mount.line)
    return tree.resolve()


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _gpu_types(value: Any) -> bool:
    with suppress(ConfigError):
        return _text(value) and bool(read_gpu_types(value))
    return False


def _place(value: Any) -> bool:
    return _text(value) and (is_uri(value) or Path(value).is_absolute())


def _folder(value: Any) -> bool:
    return _text(value) and not is_uri(value) and not value.startswith("~")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number >= 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


SETTINGS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "storage": ("a full path or a URI (s3://…) that every node can write", _place),
    "data": ("a folder in the working tree, or a full path that every node has", _folder),
    "study": ("the URL of a database", _text),
    "slots": ("a whole number >= 1", is_count),
    "cpus_per_worker": ("a number >= 0", is_amount),
    "gpus_per_worker": ("a number >= 0", is_amount),
    "gpu_types": ("names of GPU types, each once, such as L4,A10G", _gpu_types),
}
"""Settings for sweeps: the rule in words, and whether a plain value keeps it."""


def _as_ray_reads(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError):  # reported already
        return None


def _check_readings(ours: LocatedValue, theirs: Any, where: str, problems: Problems) -> None:
    """Check that both readers agree: Ray uses YAML 1.1, where ``020`` is 16 and ``no`` is false."""
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


def _check_nodes(fields: Mapping[str, LocatedValue], problems: Problems) -> None:
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


def _check_room(
    fields: Mapping[str, LocatedValue], site: Mapping[str, Any], problems: Problems
) -> None:
    """Check the nodes against the file: their resources, the GPU types asked for, its slots."""
    table = price_table(fields, {}, "")
    section = inside(fields.get("provider"), "raysearch")
    if wanted := site.get("gpu_types"):
        try:
            table = of_gpu_types(table, read_gpu_types(wanted), setting="gpu_types")
        except ConfigError as error:
            problems.add(str(error), section["gpu_types"].line)
    types = inside(fields.get("available_node_types"))
    unknown = [node.name for node in table.worker_types() if node.most and not _has_cpus(node)]
    for name in unknown:
        problems.add(
            f"`available_node_types.{name}.resources` must say how many CPUs and GPUs a node has, "
            "for example {CPU: 4, GPU: 1}: a trial's worker takes both, and what is left out "
            "counts as 0",
            types[name].line,
        )
    if unknown or "slots" not in site:
        return
    gpus = site.get("gpus_per_worker", 0)
    takes = {"CPU": site.get("cpus_per_worker", 1), **({"GPU": gpus} if gpus else {})}
    for text in capacity_problems(takes, 1, site["slots"], table):
        problems.add(text, section["slots"].line)


def _has_cpus(node: NodeType) -> bool:
    return bool(node.resources and node.resources.get("CPU"))


def _leaves(node: LocatedValue, where: str) -> Iterator[tuple[str, LocatedValue]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from _leaves(child, f"{where}.{key}" if where else key)
    elif isinstance(node.value, list):
        for child in node.value:
            yield from _leaves(child, where)
    else:
        yield where, node


def _line(node: LocatedValue, parts: Sequence[Any]) -> int:
    """The line of the innermost node on the path that the file has."""
    for part in parts:
        there = isinstance(node.value, dict) and part in node.value
        there = there or (isinstance(node.value, list) and part < len(node.value))
        if not there:
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
