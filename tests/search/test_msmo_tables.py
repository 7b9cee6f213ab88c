"""The tables of MSMO's paper as experiments: a file for each and backbone, each row a valid arm."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.errors import ConfigError
from raysearch.methods.msmo.config import PAPER_BETA, backbone
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.search.suggest.own_samplers import finite_choices

FOLDER = Path(__file__).parents[2] / "search_spaces" / "studies"
MAIN = {
    "supervised", "zero_shot", "translate_train", "bilingual", "acs", "acs multi",
    "cl_sentiment", "cl_token", "cl_token multi", "msmo", "msmo multi",
}  # fmt: skip
SHARED = {"translate_train", "acs", "acs single", "msmo", "msmo single"}
TABLES = {
    "msmo-table": MAIN,
    "msmo-table-mbert": MAIN,
    "msmo-multilingual": SHARED,
    "msmo-multilingual-mbert": SHARED,
}
"""Experiment to the rows of its table: a variant, and what a student learns from."""


def arms(space: SearchSpace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for values in itertools.product(*(finite_choices(item) for item in space.searched)):
        kept: dict[str, Any] = {}
        for item, value in zip(space.searched, values, strict=True):
            if item.matters(kept):
                kept[item.name] = value
        if kept not in found:
            found.append(kept)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_a_table_is_an_arm_at_either_scale(name: str) -> None:
    space = load_space(FOLDER / f"{name}.yaml")
    asked = space.question
    assert asked is not None and asked.goal.name == "test/f1"
    rows = arms(space)
    said = {" ".join(str(v) for v in arm.values() if v != "none") for arm in rows}
    assert said == TABLES[name] and space.trials == len(rows) == len(said)
    scaled = replace(space, setting={**space.setting, **asked.paper})
    for arm in rows:
        assert space.read(arm).layers == 1 and scaled.read(arm).layers == 0
        assert space.read(arm).problems() == scaled.read(arm).problems() == []
    assert f"# python -m raysearch experiment {name}\n" in Path(space.source).read_text()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_its_backbones_values_of_the_paper(name: str) -> None:
    space = load_space(FOLDER / f"{name}.yaml")
    assert space.question is not None
    full = {**space.setting, **space.question.paper}
    kind = backbone(full["encoder"])
    assert kind == ("mbert" if name.endswith("mbert") else "xlm-r")
    wanted = {"xlm-r": (8, 2500, 2e-5), "mbert": (16, 2000, 5e-5)}[kind]
    assert (full["batch_size"], full["steps"], full["learning_rate"]) == wanted
    assert full["critic_learning_rate"] == full["head_learning_rate"] == full["learning_rate"]
    betas = PAPER_BETA[kind].values()
    assert full["consistency_weight"] == pytest.approx(sum(betas) / 4)
    assert space.question.paper_seeds == 5
    assert full["sampling"] == "literal"


def test_a_sweep_does_not_rank_by_development_data_of_two_languages(tmp_path: Path) -> None:
    """`supervised` is selected on the target's; in a table it is compared by test scores."""
    text = (
        "method: msmo\nobjective: {metric: dev/f1, direction: maximize}\n"
        "budget: {trials: 2, seeds: 1}\nsampler: grid\npruner: none\n"
        "search:\n  variant: [acs, supervised]\n"
    )
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="`variant` must be fixed, but is searched: it says on"):
        load_space(file)
    file.write_text(text.replace("supervised", "bilingual"))
    assert load_space(file).trials == 2
