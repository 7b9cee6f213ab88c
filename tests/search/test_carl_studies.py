"""Do CARL's studies ask what they say, with the paper's setting among their arms?"""

from pathlib import Path
from typing import Any

import pytest

from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.suggest.own_samplers import finite_choices

FOLDER = Path(__file__).parents[2] / "search_spaces" / "studies"
CELLS = {
    "carl-ablation": (6, 5),
    "carl-saliency": (24, 3),
    "carl-labels": (8, 5),
    "carl-normalisation": (11, 5),
    "carl-embedding": (5, 5),
    "carl-scale": (8, 5),
    "carl-warmup": (4, 5),
    "carl-depth": (11, 3),
    "carl-table-va": (20, 3),
    "carl-table-polarity": (20, 3),
    "carl-table-transfer": (20, 3),
    "carl-table-emotion": (20, 3),
}
"""Name of a study to its arms and the cells of each."""


@pytest.fixture
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return load_space(FOLDER / f"{request.param}.yaml")


def arms(space: SearchSpace) -> list[dict[str, Any]]:
    """Every combination that differs, with trial 0 where the grid does not hold it."""
    points: list[dict[str, Any]] = [{}]
    for item in space.searched:
        points = [
            {**point, item.name: value} if value is not None else point
            for point in points
            for value in (finite_choices(item) if item.matters(point) else [None])
        ]
    paper = space.paper_first()[1]
    return points if paper in points else [paper, *points]


@pytest.mark.parametrize("space", CELLS, indirect=True)
def test_the_grid_is_what_is_asked_for_and_every_arm_can_be(space: SearchSpace) -> None:
    name = Path(space.source).stem
    assert (space.sampler, space.pruner) == ("grid", "none")
    assert (space.trials, space.seeds) == CELLS[name]
    assert space.trials == len(arms(space))
    assert all(space.read(point).problems() == [] for point in arms(space))
    assert f"# python -m raysearch experiment {name}" in Path(space.source).read_text()


@pytest.mark.parametrize("space", [n for n in CELLS if n != "carl-scale"], indirect=True)
def test_trial_0_differs_from_the_arm_of_its_values_in_nothing(space: SearchSpace) -> None:
    config, values = space.paper_first()
    assert values in arms(space)
    assert config == space.config_for(values)


@pytest.mark.parametrize("space", ["carl-scale"], indirect=True)
def test_trial_0_of_the_series_is_trained_on_all_rows(space: SearchSpace) -> None:
    config, values = space.paper_first()
    assert values == {"variant": "carl"}
    other = space.config_for({"variant": "carl", "train_rows": 8515})
    assert {name for name in config if config[name] != other[name]} == {"train_rows"}
    assert config["train_rows"] == 0


@pytest.mark.parametrize("space", CELLS, indirect=True)
def test_the_section_asks_and_the_papers_scale_can_be(space: SearchSpace) -> None:
    question = space.question
    assert question is not None
    assert all(limit.endswith(".") for limit in question.limits)
    assert not set(question.paper) & {item.name for item in space.searched}
    assert set(question.paper) >= {"encoder", "layers", "max_length", "batch_size", "epochs"}
    compared = [{n: v for n, v in a.items() if n not in question.tuned} for a in arms(space)]
    distinct = [arm for number, arm in enumerate(compared) if arm not in compared[:number]]
    fits = [arm for arm in distinct if question.reference.items() <= arm.items()]
    assert len(fits) == (1 if question.reference else len(distinct))
