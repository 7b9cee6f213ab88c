"""What do the numbers of a table come from: sweep, method, corpora, encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raysearch.leaderboard.keys import column_values, distinct, group_rows

__all__ = ["Summary", "encoder_name", "made_by", "summarize"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What the numbers of a table come from.

    Attributes:
        sweeps: Names.
        methods: Names.
        tasks: Corpora or language pairs.
        encoders: Names, with the number of layers where it is not all.
        configurations: Trial numbers, each once.
        rows: Trials and cells.
        seconds: Sum over all rows.
    """

    sweeps: tuple[str, ...]
    methods: tuple[str, ...]
    tasks: tuple[str, ...]
    encoders: tuple[str, ...]
    configurations: int
    rows: int
    seconds: float


def encoder_name(config: Mapping[str, Any]) -> str:
    """The encoder of a configuration, with the number of layers where it is not all."""
    name, layers = config.get("encoder"), config.get("layers")
    if not layers:
        return str(name)
    return f"{name} (first {'layer' if layers == 1 else f'{layers} layers'})"


def made_by(provenance: Mapping[str, str], prefix: str = "") -> str:
    """Which sources made a row: a commit, else a version with the digest of its files.

    Args:
        provenance: The row's.
        prefix: Of the entries' names: ``read_`` for who read its test data.
    """
    commit, version, package = (
        provenance.get(prefix + name, "") for name in ("commit", "raysearch", "package")
    )
    if commit:
        changed = provenance.get(f"{prefix}dirty") == "true"
        return f"commit {commit[:10]}" + ("-dirty" if changed else "")
    if version:
        return f"raysearch {version}" + (f" (files {package[:10]})" if package else "")
    return "a version that is not recorded"


def summarize(table: pa.Table) -> Summary:
    """What the rows come from; every list in order of first appearance."""
    return Summary(
        sweeps=distinct(table, "sweep"),
        methods=distinct(table, "method"),
        tasks=distinct(table, "task"),
        encoders=_encoders(table),
        configurations=group_rows(table, ("sweep", "trial"))[1],
        rows=table.num_rows,
        seconds=float(np.nansum(column_values(table, "seconds"))) if table.num_rows else 0.0,
    )


def _encoders(table: pa.Table) -> tuple[str, ...]:
    if "config/encoder" not in table.column_names:
        return ()
    names = table.column("config/encoder").to_pylist()
    layers = (
        table.column("config/layers").to_pylist()
        if "config/layers" in table.column_names
        else [0] * len(names)
    )
    pairs = dict.fromkeys(zip(names, layers, strict=True))
    return tuple(encoder_name({"encoder": name, "layers": kept}) for name, kept in pairs)
