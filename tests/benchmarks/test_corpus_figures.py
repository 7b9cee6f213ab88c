"""The figures of the public corpora are those of results/published/corpora.json."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = json.loads((ROOT / "results/published/corpora.json").read_text(encoding="utf-8"))


def script() -> ModuleType:
    path = ROOT / "benchmarks" / "corpus_figures.py"
    spec = importlib.util.spec_from_file_location("corpus_figures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FIGURES = script()


def leaves(found: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of nested lists and dictionaries, with its place."""
    if isinstance(found, dict | list):
        items = found.items() if isinstance(found, dict) else enumerate(found)
        for key, value in items:
            yield from leaves(value, f"{place}/{key}")
    else:
        yield place, found


def same(name: str, found: Any) -> None:
    assert dict(leaves(found)) == pytest.approx(dict(leaves(PUBLISHED[name])), rel=1e-3, abs=1e-6)


def test_what_needs_no_corpus() -> None:
    same("momentum", FIGURES.momentum())
    same("perturbation", FIGURES.perturbation())


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["sizes", "rated", "emotions", "shared_reviews", "absa"])
def test_what_is_counted_in_the_corpora(name: str, real_data: Path) -> None:
    same(name, getattr(FIGURES, name)(real_data))


def test_the_published_critic_spends_its_learning_rate_five_or_ten_updates_a_step() -> None:
    assert FIGURES.critic_frozen(260, 1000) == 26
    assert FIGURES.critic_frozen(265, 1000) == 27
    assert FIGURES.critic_frozen(10 * 26 + 5 * 474 + 10, 1000) == 501
