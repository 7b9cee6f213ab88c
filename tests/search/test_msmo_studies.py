"""Do MSMO's studies ask what they say, of one base, with the paper's setting among their arms?"""

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from raysearch.config import read_config
from raysearch.methods.msmo.config import PAPER_BETA, MsmoConfig
from raysearch.search.point_samplers import finite_choices
from raysearch.search.space import SearchSpace, load_space

FOLDER = Path(__file__).parents[2] / "search_spaces" / "studies"
CELLS = {
    "msmo-baseline": (3, 12),
    "msmo-ablation": (7, 6),
    "msmo-codeswitch": (4, 6),
    "msmo-translation-free": (3, 12),
    "msmo-alignment-noise": (6, 6),
    "msmo-beta": (5, 8),
    "msmo-teachers": (3, 6),
    "msmo-clip": (12, 3),
}
"""Name of a study to its arms and the cells of each."""


def section(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["study"])


@pytest.fixture
def space(tmp_path: Path, request: pytest.FixtureRequest) -> SearchSpace:
    """The space alone: the file up to its section `study`, which comes last."""
    name = request.param
    text, found, _ = (FOLDER / f"{name}.yaml").read_text().partition("\nstudy:\n")
    assert found
    (tmp_path / f"{name}.yaml").write_text(text)
    return load_space(tmp_path / f"{name}.yaml")


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
    for target, beta in PAPER_BETA.items():
        config, values = space.paper_first(f"en-{target}")
        assert (config["consistency_weight"], values) == (beta, {})
        other = space.config_for({"consistency_weight": 0.25})
        assert {key for key in config if config[key] != other[key]} == {"consistency_weight"}
    (series,) = (finite_choices(item) for item in space.searched)
    ratios = {round(float(b) / float(a), 9) for a, b in itertools.pairwise(series)}
    assert len(ratios) == 1


def test_all_studies_have_one_base() -> None:
    settings = {
        name: yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["setting"] for name in CELLS
    }
    own = {
        "msmo-teachers": {"steps", "student_steps", "distill_steps", "distill_learning_rate"},
        "msmo-clip": {"pairs", "schedule", "critic_learning_rate"},
        "msmo-alignment-noise": {"code_switch"},
    }
    base = settings["msmo-codeswitch"]
    for name, setting in settings.items():
        differs = {key for key, value in setting.items() if value != base.get(key)}
        assert differs == own.get(name, set()), name


@pytest.mark.parametrize("name", CELLS)
def test_the_section_names_what_is_there(name: str) -> None:
    read = section(name)
    file = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    searched = set(file["search"])
    assert read["question"].endswith("?") and "\n" not in read["question"]
    assert read["metric"] == "test/f1"
    assert all(isinstance(limit, str) and limit.endswith(".") for limit in read["limits"])
    if read["reference"] != "paper":
        assert set(read["reference"]) <= searched
    drawn = {read[axis] for axis in ("x", "y", "lines") if axis in read}
    assert drawn <= {*searched, "task"}
    assert f"# python -m raysearch study {name}" in (FOLDER / f"{name}.yaml").read_text()
    paper = {key: value for key, value in read["paper"].items() if key != "seeds"}
    assert not set(paper) & searched
    read_config(MsmoConfig, {**file["setting"], **paper}, where=name)
