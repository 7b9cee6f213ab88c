"""Do MSMO's studies ask what they say, of one base, with the paper's setting among their arms?"""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.methods.msmo.config import PAPER_BETA
from raysearch.run import MetricGoal
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.suggest.own_samplers import finite_choices

FOLDER = Path(__file__).parents[2] / "search_spaces" / "studies"
CELLS = {
    "msmo-baseline": (3, 12),
    "msmo-ablation": (7, 6),
    "msmo-codeswitch": (5, 6),
    "msmo-translation-free": (3, 12),
    "msmo-alignment-noise": (6, 6),
    "msmo-beta": (4, 12),
    "msmo-teachers": (3, 6),
    "msmo-clip": (12, 3),
    "msmo-depth": (6, 8),
}
"""Name of a study to its arms and the cells of each."""


@pytest.fixture
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return load_space(FOLDER / f"{request.param}.yaml")


def arms(space: SearchSpace) -> list[dict[str, Any]]:
    """Every combination that differs, with trial 0 where the grid does not hold it."""
    grid = [
        {item.name: value for item, value in zip(space.searched, values, strict=True)}
        for values in itertools.product(*(finite_choices(item) for item in space.searched))
    ]
    found = []
    for point in grid:
        kept: dict[str, Any] = {}
        for item in space.searched:
            if item.matters(kept):
                kept[item.name] = point[item.name]
        if kept not in found:
            found.append(kept)
    paper = space.paper_first("" if space.mode == "joint" else "en-es")[1]
    return found if paper in found else [paper, *found]


@pytest.mark.parametrize("space", CELLS, indirect=True)
def test_the_grid_is_what_is_asked_for_and_every_arm_can_be(space: SearchSpace) -> None:
    name = Path(space.source).stem
    assert (space.sampler, space.pruner) == ("grid", "none")
    wanted, cells = CELLS[name]
    assert space.trials == wanted == len(arms(space))
    pairs = space.config_for({})["pairs"]
    assert len(pairs) * space.seeds == cells
    assert all(space.read(point).problems() == [] for point in arms(space))


@pytest.mark.parametrize("space", [n for n in CELLS if n != "msmo-beta"], indirect=True)
def test_trial_0_differs_from_the_arm_of_its_values_in_nothing(space: SearchSpace) -> None:
    """Else the paper's setting would be an arm of its own, equal to another but for luck."""
    config, values = space.paper_first()
    assert values in arms(space)
    assert config == space.config_for(values)


@pytest.mark.parametrize("space", ["msmo-beta"], indirect=True)
def test_every_pair_has_its_own_beta_of_the_paper(space: SearchSpace) -> None:
    assert space.mode == "per_task"
    for target, beta in PAPER_BETA["xlm-r"].items():
        config, values = space.paper_first(f"en-{target}")
        assert (config["consistency_weight"], values) == (beta, {})
        other = space.config_for({"consistency_weight": 0.25})
        assert {key for key in config if config[key] != other[key]} == {"consistency_weight"}
    (series,) = (finite_choices(item) for item in space.searched)
    ratios = {round(float(b) / float(a), 9) for a, b in itertools.pairwise(series)}
    assert len(ratios) == 1


def test_all_studies_of_one_layer_have_one_base() -> None:
    names = [name for name in CELLS if name != "msmo-depth"]
    settings = {name: load_space(FOLDER / f"{name}.yaml").setting for name in names}
    own = {
        "msmo-teachers": {"student_steps", "distill_steps", "distill_learning_rate"},
        "msmo-clip": {"pairs", "schedule", "critic_learning_rate"},
        "msmo-alignment-noise": {"code_switch"},
    }
    base = settings["msmo-codeswitch"]
    for name, setting in settings.items():
        differs = {key for key, value in setting.items() if value != base.get(key)}
        assert differs == own.get(name, set()), name


@pytest.mark.parametrize("space", CELLS, indirect=True)
def test_the_answer_is_given_on_test_and_the_papers_scale_can_be(space: SearchSpace) -> None:
    asked = space.question
    assert asked is not None
    assert asked.goal == MetricGoal("test/f1", "maximize")
    assert all(limit.endswith(".") for limit in asked.limits)
    matching = [p for p in arms(space) if asked.reference.items() <= p.items()]
    assert not asked.reference or len(matching) == 1
    assert not set(asked.paper) & {item.name for item in space.parameters}
    scaled = replace(space, setting={**space.setting, **asked.paper})
    assert all(scaled.read(point).layers == 0 for point in arms(space))
    command = f"# python -m raysearch experiment {Path(space.source).stem}\n"
    assert command in Path(space.source).read_text()
