"""What holds of every search space that comes with the package."""

from pathlib import Path

import pytest

from raysearch.config import rules
from raysearch.search.space.effect import inert_notes
from raysearch.search.space.space import load_space

SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.stem)
def test_the_papers_value_lies_inside_of_its_range(file: Path) -> None:
    """A sampler that is to find better ones on both sides needs room there."""
    space = load_space(file)
    bounds = rules(space.config_type)
    outside = []
    for task in ("", "en-es", "en-fr", "en-nl", "en-ru"):
        config, _ = space.paper_first(task)
        for item in space.searched:
            value = config[item.name]
            if item.kind == "choice":
                inside = value in item.choices
            else:
                above = item.low < value or value == item.low == bounds[item.name].low
                inside = above and value < item.high
            if not inside:
                outside.append(f"{item.name} {value}")
    assert not outside


@pytest.mark.parametrize("variant", ["finetune", "supcon", "simcse", "frozen"])
def test_a_baseline_is_tuned_as_carl_is(variant: str) -> None:
    """The same budget, encoder, rows, steps and reports, and nothing searched that it ignores."""
    spaces = {path.stem: load_space(path) for path in SPACES}
    carl = spaces["carl-emobank"]
    space = spaces["carl-emobank-baseline"].with_overrides({"variant": variant})
    assert (space.trials, space.seeds, space.sampler, space.pruner) == (
        *(carl.trials, carl.seeds, carl.sampler, carl.pruner),
    )
    assert carl.setting.items() <= space.setting.items()
    assert not {item.name for item in space.searched} & space.read({}).inert
    assert space.paper_first()[0]["variant"] == variant


@pytest.mark.parametrize("file", SPACES, ids=lambda file: file.stem)
def test_nothing_is_searched_where_it_has_no_effect(file: Path) -> None:
    assert inert_notes(load_space(file)) == ()
