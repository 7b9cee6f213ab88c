"""Reads a Slurm file: partitions, what a job asks of them, and the settings for sweeps.

::

    partitions:                      # a job takes the first, unless `partition` names another
      - {name: gpu, nodes: 1, cpus: 8, gpus: 1, memory: 32G, time: 4h, price: 0.50}
    jobs: 2                          # jobs that work on a sweep at once, each of so many nodes
    notice: 5m                       # before a job's end, for checkpoints
    sbatch: [--account=mine]         # further options of sbatch
    setup: [module load python]      # what a job's shell does first
    slots: 2                         # and `data`, `study`, …, as in a cluster file
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysearch.cluster.prices import NodeType, PriceTable, is_amount
from raysearch.cluster.remote.manifest import SETTINGS, check_settings, is_count, unset_fields
from raysearch.errors import ConfigError, known_names
from raysearch.scalars import parse_seconds
from raysearch.yaml_lines import LocatedValue, Problems, read_located

__all__ = ["Partition", "SlurmSite", "check_slurm_file", "is_slurm_file", "read_slurm_site"]

_NOTICE = 300.0
_LEAST_NOTICE = 60.0
"""Slurm's own signals come up to a minute early or late."""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What a job asks of a partition.

    Attributes:
        name: Its name.
        nodes: Nodes of a job.
        cpus: CPUs of each node.
        gpus: GPUs of each node.
        memory: Of each node, in Slurm's words; empty for the partition's default.
        seconds: Time limit of a job.
        price: Money per node hour; None if it is not said.
    """

    name: str
    nodes: int = 1
    cpus: int = 1
    gpus: int = 0
    memory: str = ""
    seconds: float
    price: float | None = None


@dataclass(frozen=True, kw_only=True)
class SlurmSite:
    """A Slurm file's content.

    Attributes:
        partitions: All of them.
        partition: That which jobs are sent to.
        jobs: Jobs that work on a sweep at once.
        notice: Seconds before the end of a job at which it begins to save.
        sbatch: Further options of ``sbatch``.
        setup: Lines of shell that a job begins with.
        currency: Of the prices; may be empty.
        options: Options of `raysearch sweep`, as fields of `SweepOptions`, that serve as defaults.
    """

    partitions: tuple[Partition, ...]
    partition: Partition
    jobs: int = 1
    notice: float
    sbatch: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    currency: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def slots(self, *, cpus: float, gpus: float, workers: int) -> int:
        """Trials that all jobs hold at once, at least 1, by what a trial's worker takes."""
        node = self.partition
        fits = [node.cpus / cpus if cpus else math.inf, node.gpus / gpus if gpus else math.inf]
        each = int(min(fits) + 1e-9)
        return max(1, each * node.nodes * self.jobs // workers)

    def price_table(self) -> PriceTable:
        """A table with a node type for each partition, for estimates; there is no head apart."""
        priced = {item.name: item.price for item in self.partitions if item.price is not None}
        return PriceTable(
            per_hour={**priced, "head": 0.0} if priced else {},
            currency=self.currency,
            types=tuple(
                NodeType(
                    name=item.name,
                    most=item.nodes * self.jobs,
                    resources={"CPU": item.cpus, "GPU": item.gpus},
                )
                for item in self.partitions
            ),
            most=max(item.nodes for item in self.partitions) * self.jobs,
            idle_seconds=0.0,
        )


def is_slurm_file(path: str | Path) -> bool:
    """Whether a file is a Slurm file, by its content: it has `partitions`."""
    try:
        return "partitions" in read_located(Path(path))[0]
    except ConfigError:
        return False


def check_slurm_file(path: Path) -> tuple[str, ...]:
    """A sentence for each field that is still to be set.

    Raises:
        ConfigError: Everything wrong with the file, with lines.
    """
    read_slurm_site(path)
    return unset_fields(path, read_located(path)[0])


def read_slurm_site(path: Path) -> SlurmSite:
    """Read a Slurm file.

    Raises:
        ConfigError: Everything wrong with it, with lines.
    """
    fields, problems = read_located(path)
    problems.check_keys("key", fields, [*_RULES, "partitions", *_SETTINGS])
    found = _checked(fields, _RULES, "", problems)
    options = check_settings({n: fields[n] for n in _SETTINGS if n in fields}, "", problems)
    partitions = _partitions(fields.get("partitions"), problems)
    notice: float = found.get("notice", _NOTICE)
    by_name = {item.name: item for item in partitions}
    chosen = found.get("partition", next(iter(by_name), ""))
    if partitions and chosen not in by_name:
        line = fields["partition"].line
        problems.add(
            f"`partition` must be one of `partitions`, but got {chosen!r}; "
            f"{known_names(list(by_name))}",
            line,
        )
    for item in partitions:
        if notice >= item.seconds:
            problems.add(
                f"`notice` must be shorter than a job, but {item.name} has only "
                f"{item.seconds:g} s and the notice {notice:g} s",
                fields.get("notice", fields["partitions"]).line,
            )
    problems.raise_all()
    return SlurmSite(
        partitions=partitions,
        partition=by_name[chosen],
        jobs=found.get("jobs", 1),
        notice=notice,
        sbatch=tuple(found.get("sbatch", ())),
        setup=tuple(found.get("setup", ())),
        currency=found.get("currency", ""),
        options=options,
    )


def _partitions(node: LocatedValue | None, problems: Problems) -> tuple[Partition, ...]:
    if node is None or not isinstance(node.value, list) or not node.value:
        line = 1 if node is None else node.line
        problems.add("`partitions` must be a list of one or more partitions", line)
        return ()
    found = []
    for item in node.value:
        fields = problems.mapping("partitions", item)
        problems.check_keys("key of a partition", fields, list(_OF_PARTITION))
        values = _checked(fields, _OF_PARTITION, "partitions.", problems)
        if missing := [name for name in ("name", "time") if name not in fields]:
            problems.add(f"a partition must have {' and '.join(missing)}", item.line)
        if {"name", "time"} <= values.keys():
            found.append(Partition(seconds=values.pop("time"), **values))
    return tuple(found)


_Rule = tuple[str, Callable[[Any], Any]]
"""A rule in words, and what reads the plain value; None if that breaks the rule."""


def _checked(
    fields: Mapping[str, LocatedValue], rules: Mapping[str, _Rule], where: str, problems: Problems
) -> dict[str, Any]:
    """The values of the fields that keep their rule; collects the others."""
    found = {}
    for name, (rule, read) in rules.items():
        if name in fields:
            value = read(fields[name].plain)
            if value is None:
                problems.refuse(f"`{where}{name}` must be {rule}", fields[name])
            else:
                found[name] = value
    return found


def _text(value: Any) -> str | None:
    """A text that is one word: it becomes an option of sbatch."""
    return value if isinstance(value, str) and value and not value.isspace() else None


def _word(value: Any) -> str | None:
    text = _text(str(value) if isinstance(value, int) else value)
    return text if text and len(text.split()) == 1 and not text.startswith("-") else None


def _count(value: Any) -> int | None:
    return value if is_count(value) else None


def _number(value: Any) -> int | None:
    return value if value == 0 or is_count(value) else None


def _amount(value: Any) -> float | None:
    return float(value) if is_amount(value) else None


def _notice(value: Any) -> float | None:
    seconds = parse_seconds(value)
    return seconds if seconds is not None and seconds >= _LEAST_NOTICE else None


def _lines(value: Any) -> list[str] | None:
    fits = isinstance(value, list) and all(_text(item) and "\n" not in item for item in value)
    return value if fits else None


def _options(value: Any) -> list[str] | None:
    found = _lines(value)
    return found if found is not None and all(item.startswith("-") for item in found) else None


_SETTINGS = tuple(name for name in SETTINGS if name not in ("storage", "gpu_types"))
"""Settings for sweeps; the storage is the shared folder that the command runs in."""
_DURATION = "like 30m or 4h"
_RULES: Mapping[str, _Rule] = {
    "partition": ("the name of a partition", _word),
    "jobs": ("a whole number >= 1", _count),
    "notice": (f"at least {_LEAST_NOTICE:g} s, {_DURATION}", _notice),
    "sbatch": ("a list of options of sbatch, such as --account=mine", _options),
    "setup": ("a list of lines for the shell", _lines),
    "currency": ("the name of a currency", _word),
}
_OF_PARTITION: Mapping[str, _Rule] = {
    "name": ("a partition's name", _word),
    "nodes": ("a whole number >= 1", _count),
    "cpus": ("a whole number >= 1", _count),
    "gpus": ("a whole number >= 0", _number),
    "memory": ("Slurm's words for a node's memory, such as 32G", _word),
    "time": (_DURATION, parse_seconds),
    "price": ("money per node hour, >= 0", _amount),
}
