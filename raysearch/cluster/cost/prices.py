"""The price table of a cluster file, and the slots that its nodes hold.

``provider.raysearch`` of a cluster file, where Ray does not look::

    prices: {gpu_spot: 0.50, gpu_on_demand: 1.02, head: 0.11}    # money per node hour
    currency: USD
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysearch.errors import ConfigError, known_names
from raysearch.storage.uri import expanded
from raysearch.yaml_lines import LocatedValue, Problems, inside, read_located

__all__ = [
    "BOOTSTRAP",
    "NodeType",
    "PriceTable",
    "check_prices",
    "is_amount",
    "known_prices",
    "read_prices",
]

BOOTSTRAP = "~/ray_bootstrap_config.yaml"
"""Where `ray up` puts the cluster file at the head."""
_IDLE_MINUTES = 5.0
"""Ray's own ``idle_timeout_minutes``."""


@dataclass(frozen=True, kw_only=True)
class NodeType:
    """A node type of a cluster file.

    Attributes:
        name: Its name.
        most: Nodes of it that there may be at once.
        resources: What a node has for trials, as far as the file says.
        head: Whether it is the head's.
    """

    name: str
    most: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    head: bool = False


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """What nodes cost, and how long they stay when nobody needs them.

    Attributes:
        per_hour: Node type to money per node hour.
        currency: Name of the money; may be empty.
        types: The node types of the cluster, the head's among them; empty where the file has
            none.
        most: Workers that there may be at once, of all types.
        idle_seconds: Time without work after which a worker is ended.
    """

    per_hour: Mapping[str, float] = field(default_factory=dict)
    currency: str = ""
    types: tuple[NodeType, ...] = ()
    most: int = 0
    idle_seconds: float = 60 * _IDLE_MINUTES

    def price(self, node_type: str, *, head: bool = False) -> float:
        """Money per hour of a node; of a type without a price, the dearest of the table.

        A head that was not started from the file, as Ray on one machine, has the price of the
        file's head.
        """
        if head and node_type not in self.per_hour:
            node_type = next((item.name for item in self.types if item.head), "head")
        return self.per_hour.get(node_type, max(self.per_hour.values(), default=0.0))

    def head_price(self) -> float:
        """Money per hour of the head."""
        name = next((item.name for item in self.types if item.head), "head")
        return self.price(name, head=True)

    def worker_types(self) -> tuple[NodeType, ...]:
        """The node types that trials run on; in a file that names none, those with a price."""
        if self.types:
            return tuple(item for item in self.types if not item.head)
        return tuple(
            NodeType(name=name, most=self.most) for name in self.per_hour if name != "head"
        )

    def money(self, amount: float) -> str:
        """An amount with its currency: "0.84 USD"."""
        return f"{amount:,.2f} {self.currency}".rstrip()


def read_prices(path: Path) -> PriceTable:
    """The price table of a cluster file; without prices where the file has none.

    Raises:
        ConfigError: The file cannot be read, or its prices are none; with lines.
    """
    fields, problems = read_located(path)
    per_hour, currency = check_prices(fields, problems)
    problems.raise_all()
    idle = _plain(fields, "idle_timeout_minutes")
    limit = _plain(fields, "max_workers")
    most = limit if isinstance(limit, int) else 0
    types = tuple(_types(fields, most))
    return PriceTable(
        per_hour=per_hour,
        currency=currency,
        types=types,
        most=min(most, sum(item.most for item in types)) if types else most,
        idle_seconds=60 * (float(idle) if is_amount(idle) else _IDLE_MINUTES),
    )


def check_prices(
    fields: Mapping[str, LocatedValue], problems: Problems
) -> tuple[dict[str, float], str]:
    """The prices of a cluster file and their currency; what is wrong with them is noted.

    Every node type must have a price once one has, since what is not counted costs too.
    """
    own = inside(fields.get("provider"), "raysearch")
    prices = own.get("prices")
    named = own.get("currency")
    currency = "" if named is None or named.value is None else str(named.value)
    if prices is None:
        return {}, currency
    if not isinstance(prices.value, dict) or not prices.value:
        problems.refuse(
            "`prices` must map node types to money per hour, for example {head: 0.10}", prices
        )
        return {}, currency
    types = list(inside(fields.get("available_node_types")))
    found = {}
    for name, node in prices.value.items():
        if not is_amount(node.value):
            problems.refuse(f"the price of `{name}` must be money per hour, >= 0", node)
        elif types and name not in types:
            problems.add(
                f"`prices` must name node types of the file, but got {name!r}; "
                f"{known_names(types)}",
                node.line,
            )
        else:
            found[name] = float(node.value)
    for name in types:
        if name not in prices.value:
            problems.add(
                f"every node type must have a price, but `{name}` has none in `prices`",
                prices.line,
            )
    return found, currency


def is_amount(value: Any) -> bool:
    """Whether a value of a file is a finite number >= 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _plain(fields: Mapping[str, LocatedValue], name: str) -> Any:
    return fields[name].plain if name in fields else None


def _types(fields: Mapping[str, LocatedValue], most: int) -> Iterator[NodeType]:
    """The node types; as many workers as the cluster may have where a type does not say."""
    head = _plain(fields, "head_node_type")
    for name, node in inside(fields.get("available_node_types")).items():
        said = inside(node)
        own, resources = _plain(said, "max_workers"), _plain(said, "resources")
        yield NodeType(
            name=name,
            most=0 if name == head else own if isinstance(own, int) else most,
            resources=resources if isinstance(resources, dict) else {},
            head=name == head,
        )


def known_prices(path: Path | None) -> PriceTable | None:
    """The prices of a file that was named, else of the cluster file at this head, if there are any.

    Raises:
        ConfigError: A file was named and has no prices, or is wrong.
    """
    at_head = expanded(BOOTSTRAP)
    if path is None:
        found = read_prices(at_head) if at_head.is_file() else None
        return found if found is not None and found.per_hour else None
    found = read_prices(path)
    if not found.per_hour:
        raise ConfigError(
            f"`provider.raysearch.prices` must say what each node type costs an hour, but {path} "
            "has none; cluster.yaml shows how"
        )
    return found
