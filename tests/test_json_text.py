"""JSON of others: what is nested too deeply is a ValueError, in every reader of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from raysearch.cluster.cost.node_watch import read_spent
from raysearch.errors import StoreError
from raysearch.json_text import read_json
from raysearch.seal import unseal
from raysearch.sources import SOURCES, sources_of

DEEP = "[" * 2000 + "]" * 2000


def test_values_and_nonsense() -> None:
    assert read_json(b'{"a": [1]}') == {"a": [1]}
    for text in (DEEP, "", "{", "9" * 5000):
        with pytest.raises(ValueError):
            read_json(text)


def test_readers_of_files(tmp_path: Path) -> None:
    assert sources_of({SOURCES: DEEP}) == {}
    (tmp_path / "cost.json").write_text(DEEP)
    with pytest.raises(StoreError, match="nested too deeply"):
        read_spent(tmp_path, "USD")
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        unseal({"seal": "", "deep": deep})
