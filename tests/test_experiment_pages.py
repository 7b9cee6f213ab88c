"""docs/experiments/ is what the rows in results/reference answer, and says nothing of a machine."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from raysearch.api.answer import Experiment, experiments
from raysearch.leaderboard import Store

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NAMES = sorted(path.name for path in REFERENCE.iterdir())


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "experiment_pages", ROOT / "docs" / "experiments.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept() -> dict[str, Experiment]:
    found: dict[str, Experiment] = script().kept()
    return found


TABLES = {
    *(f"msmo-{part}{encoder}" for part in ("table", "multilingual") for encoder in ("", "-mbert")),
    *(f"carl-table-{task}" for task in ("va", "polarity", "transfer", "emotion")),
}
"""The tables of the papers are for their scale: no rows of them at the small one are kept."""


DEPTH = {"msmo-depth"}
"""Of a whole encoder: its rows take hours and are not there yet."""


def test_every_study_has_its_rows() -> None:
    assert set(NAMES) - DEPTH == set(experiments()) - TABLES - DEPTH


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_what_the_rows_answer(name: str, kept: dict[str, Experiment]) -> None:
    page = ROOT / "docs" / "experiments" / f"{name}.md"
    assert page.read_text() == kept[name].page(f"{name}.svg"), "run python docs/experiments.py"
    assert (page.with_suffix(".svg")).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_of_the_space_was_trained(name: str, kept: dict[str, Experiment]) -> None:
    card = json.loads((REFERENCE / name / "sweep.json").read_text())
    space = experiments()[name]
    assert card["space_digest"] == space.digest, "the space has changed: run the study again"
    assert card["space"] == f"search_spaces/studies/{name}.yaml"
    cells = {arm.numbers: len(arm.cells) for arm in kept[name].arms}
    assert min(cells.values()) == max(cells.values()), cells
    assert {t.provenance["dirty"] for t in Store(REFERENCE / name).trials()} == {"false"}


def test_the_list_of_pages_is_complete(kept: dict[str, Experiment]) -> None:
    assert (ROOT / "docs" / "experiments" / "README.md").read_text() == script().index(kept)
