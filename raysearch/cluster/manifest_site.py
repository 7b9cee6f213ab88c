"""What does a cluster file say about the sweeps that run there: `provider.raysearch`.

Ray lets a provider have keys of its own and does not look at them::

    provider:
      raysearch:
        storage: s3://bucket/raysearch   # --storage: folder or URI that every node can write
        data: data                       # --data-dir: in the working tree, or a nodes' folder
        study: postgresql://...          # --study
        slots: 4                         # --slots, --cpus-per-worker, --gpus-per-worker
        gpus_per_worker: 1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysearch.errors import quoted
from raysearch.marked_yaml import Marked, Problems, read_marked
from raysearch.storage.place import expanded, is_uri

__all__ = ["TREE", "Site", "check_site", "read_site"]

TREE = "~/raysearch"
"""Where the working tree lies on every node."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a cluster says of its sweeps; empty where it says nothing.

    Attributes:
        tree: The working tree here that goes to the nodes.
        storage: Folder or URI that every node can write.
        data: Folder of the corpora: below the working tree, or one that every node has.
        options: Other options of `raysearch sweep` and their values, as its defaults there.
    """

    tree: Path
    storage: str = ""
    data: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _place(value: Any) -> bool:
    return _text(value) and (is_uri(value) or Path(value).is_absolute())


def _folder(value: Any) -> bool:
    return _text(value) and not is_uri(value) and not value.startswith("~")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "storage": ("a full path or a URI (s3://…) that every node can write", _place),
    "data": ("a folder in the working tree, or a full path that every node has", _folder),
    "study": ("the URL of a database", _text),
    "slots": ("a whole number >= 1", _count),
    "cpus_per_worker": ("a number >= 0", _number),
    "gpus_per_worker": ("a number >= 0", _number),
}


def read_site(path: Path) -> Site:
    """Read `provider.raysearch` of a cluster file.

    Raises:
        ConfigError: Every field that breaks its rule, and a file that does not bring the working
            tree to the nodes, with lines.
    """
    fields, problems = read_marked(path)
    found = check_site(fields, problems)
    tree = _tree(fields, problems)
    problems.raise_all()
    storage, data = found.pop("storage", ""), found.pop("data", "")
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in found.items()}
    return Site(tree=tree, storage=storage, data=data, options=options)


def check_site(fields: Mapping[str, Marked], problems: Problems) -> dict[str, Any]:
    """Note every field that breaks its rule; gives the plain values of those that are there."""
    section = _below(_below(fields, "provider"), "raysearch")
    found = {name: section[name].plain for name in _RULES if name in section}
    for name, value in found.items():
        rule, holds = _RULES[name]
        if not holds(value):
            text = f"`provider.raysearch.{name}` must be {rule}, but got {quoted(value)}"
            problems.add(text, section[name].line)
    return found


def _below(fields: Mapping[str, Marked], name: str) -> dict[str, Marked]:
    value = fields[name].value if name in fields else None
    return value if isinstance(value, dict) else {}


def _tree(fields: Mapping[str, Marked], problems: Problems) -> Path:
    """The launcher takes a mount's folder from where it is started, so `.` is the tree here."""
    rule = f"`file_mounts` must bring the working tree to {TREE}"
    mount = _below(fields, "file_mounts").get(TREE)
    if mount is None:
        problems.add(rule, fields["file_mounts"].line if "file_mounts" in fields else 1)
        return Path()
    tree = expanded(str(mount.value))
    if not (tree / "raysearch" / "__init__.py").is_file():
        where = f"but {tree.absolute()} is not one; run this from the root of the tree"
        problems.add(f"{rule}, {where}", mount.line)
    return tree.resolve()
