"""The price table of a cluster file, and the slots that its nodes can hold.

``provider.raysearch`` of a cluster file, a section that Ray ignores::

    prices: {gpu_spot: 0.50, gpu_on_demand: 1.02, head: 0.11}    # money per node hour
    currency: USD
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from raysearch.cluster.gpus import ACCELERATOR
from raysearch.errors import ConfigError, known_names, quoted
from raysearch.storage.uri import expanded
from raysearch.yaml_lines import LocatedValue, Problems, inside, read_located

__all__ = [
    "NodeType",
    "PriceTable",
    "check_prices",
    "is_amount",
    "known_prices",
    "of_gpu_types",
    "price_table",
    "read_gpu_types",
    "read_prices",
    "table_of_head",
]

BOOTSTRAP = "~/ray_bootstrap_config.yaml"
"""Where `ray up` puts the cluster file on the head."""
_IDLE_MINUTES = 5.0
"""Ray's own ``idle_timeout_minutes``."""
_GPU_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class NodeType:
    """A node type of a cluster file.

    Attributes:
        name: Its name.
        most: Largest number of such nodes at once.
        resources: A node's resources for trials, as far as the file has them; None where it has no
            node types.
        gpu: Ray's name for the type of its GPUs; empty where the file's labels do not say.
        machine: What the provider calls it, with ``(spot)``; empty where the file does not say.
        head: Whether it is the head's.
    """

    name: str
    most: int = 0
    resources: Mapping[str, float] | None = None
    gpu: str = ""
    machine: str = ""
    head: bool = False


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Prices of nodes, and how long idle ones stay up.

    Attributes:
        per_hour: Node type to money per node hour.
        currency: Name of the currency; may be empty.
        types: The cluster's node types including the head's; empty where the file has none.
        most: Largest number of workers at once, of all types.
        idle_seconds: Idle time after which a worker is ended.
    """

    per_hour: Mapping[str, float] = field(default_factory=dict)
    currency: str = ""
    types: tuple[NodeType, ...] = ()
    most: int = 0
    idle_seconds: float = 60 * _IDLE_MINUTES

    def price(self, node_type: str, *, head: bool = False) -> float:
        """Money per hour of a node; for a type without a price, the highest in the table.

        A head that was not started from the file, such as Ray on one machine, has the price of
        the file's head.
        """
        if head and node_type not in self.per_hour:
            node_type = next((item.name for item in self.types if item.head), "head")
        return self.per_hour.get(node_type, max(self.per_hour.values(), default=0.0))

    def head_price(self) -> float:
        """Money per hour of the head."""
        name = next((item.name for item in self.types if item.head), "head")
        return self.price(name, head=True)

    def worker_types(self) -> tuple[NodeType, ...]:
        """The node types that run trials; if the file names none, those with a price."""
        if self.types:
            return tuple(item for item in self.types if not item.head)
        return tuple(
            NodeType(name=name, most=self.most) for name in self.per_hour if name != "head"
        )

    def money(self, amount: float) -> str:
        """An amount with its currency: "0.84 USD"."""
        return f"{amount:,.2f} {self.currency}".rstrip()


def read_prices(path: Path) -> PriceTable:
    """The price table of a cluster file; empty if the file has no prices.

    Raises:
        ConfigError: The file cannot be read, or has invalid prices; with lines.
    """
    fields, problems = read_located(path)
    per_hour, currency = check_prices(fields, problems)
    problems.raise_all()
    return price_table(fields, per_hour, currency)


def price_table(
    fields: Mapping[str, LocatedValue], per_hour: Mapping[str, float], currency: str
) -> PriceTable:
    """The node types of a cluster file with these prices.

    Args:
        fields: Of the file.
        per_hour: From `check_prices`.
        currency: From there, too.
    """
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
    """The prices of a cluster file and their currency; problems are collected.

    If one node type has a price every type must, since nodes that are not counted cost money too.
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


def read_gpu_types(text: str) -> tuple[str, ...]:
    """Types of GPUs, each once, as Ray names them.

    Raises:
        ConfigError: A name is empty, has other signs, or comes twice.
    """
    names = tuple(name.strip() for name in text.split(","))
    if len(set(names)) == len(names) and all(map(_GPU_TYPE.fullmatch, names)):
        return names
    raise ConfigError(
        "`--gpu-types` must be names of GPU types, each once, such as L4,A10G, but got "
        f"{quoted(text)}"
    )


def of_gpu_types(
    table: PriceTable, wanted: Sequence[str], *, setting: str = "--gpu-types"
) -> PriceTable:
    """The table with the head and the node types that have one of these types of GPUs.

    Args:
        table: Of a cluster; returned as it is where nothing is wanted, or it has no node types.
        wanted: Ray's names of the types.
        setting: What the user calls them.

    Raises:
        ConfigError: No node type has one of them.
    """
    if not wanted or not table.types:
        return table
    there = {item.gpu for item in table.types}
    if absent := [name for name in wanted if name not in there]:
        has = ", ".join(sorted(there - {""})) or "none that their labels name"
        raise ConfigError(
            f"`{setting}` must be GPUs of the cluster's node types, but none has "
            f"{' or '.join(absent)}; they have {has}; a node type names its own by "
            f"`labels: {{{ACCELERATOR}: {absent[0]}}}`"
        )
    types = tuple(item for item in table.types if item.head or item.gpu in wanted)
    return replace(table, types=types, most=min(table.most, sum(item.most for item in types)))


def is_amount(value: Any) -> bool:
    """Whether a value is a finite number >= 0."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < math.inf


def _plain(fields: Mapping[str, LocatedValue], name: str) -> Any:
    return fields[name].plain if name in fields else None


def _types(fields: Mapping[str, LocatedValue], most: int) -> Iterator[NodeType]:
    """The node types; one without a maximum may have as many workers as the cluster."""
    head = _plain(fields, "head_node_type")
    for name, node in inside(fields.get("available_node_types")).items():
        said = inside(node)
        own, resources = _plain(said, "max_workers"), _plain(said, "resources")
        labels = _plain(said, "labels")
        yield NodeType(
            name=name,
            most=0 if name == head else own if isinstance(own, int) else most,
            resources=resources if isinstance(resources, dict) else {},
            gpu=str(labels.get(ACCELERATOR, "")) if isinstance(labels, dict) else "",
            machine=_machine(inside(said.get("node_config"))),
            head=name == head,
        )


def _machine(config: Mapping[str, LocatedValue]) -> str:
    """As AWS names it."""
    market = inside(config.get("InstanceMarketOptions"))
    spot = " (spot)" if _plain(market, "MarketType") == "spot" else ""
    kind = _plain(config, "InstanceType")
    return f"{kind}{spot}" if kind else ""


def table_of_head() -> PriceTable | None:
    """Node types and prices of the cluster whose head this machine is; None where it is none.

    Raises:
        ConfigError: The cluster file on the head is wrong.
    """
    at_head = expanded(BOOTSTRAP)
    return read_prices(at_head) if at_head.is_file() else None


def known_prices(path: Path | None) -> PriceTable | None:
    """The prices of the given file, or of the cluster file on this head; None without any.

    Raises:
        ConfigError: The given file has no prices, or is wrong.
    """
    if path is None:
        found = table_of_head()
        return found if found is not None and found.per_hour else None
    found = read_prices(path)
    if not found.per_hour:
        raise ConfigError(
            f"`provider.raysearch.prices` must say what each node type costs an hour, but {path} "
            "has none; cluster.yaml shows how"
        )
    return found
