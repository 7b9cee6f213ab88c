"""JSON of others that is nested too deeply is a ValueError; JSON for others has no NaN."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from raysearch.cluster.node_watch import read_spent
from raysearch.errors import StoreError
from raysearch.json_text import plain_json, read_json
from raysearch.seal import unseal
from raysearch.sources import SOURCES, sources_of

DEEP = "[" * 2000 + "]" * 2000


def test_values_and_nonsense() -> None:
    assert read_json(b'{"a": [1]}') == {"a": [1]}
    for text in (DEEP, "", "{", "9" * 5000):
        with pytest.raises(ValueError):
            read_json(text)


def test_a_number_that_is_not_finite_is_null() -> None:
    value = {"b": [math.nan, (1.5, -math.inf)], "a": {"x": np.float64("inf"), "t": "é\n"}}
    text = plain_json(value, sort_keys=True)
    assert text == '{"a": {"t": "\\u00e9\\n", "x": null}, "b": [null, [1.5, null]]}'
    assert plain_json([1], indent=1) == "[\n 1\n]"


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
