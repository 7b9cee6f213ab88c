"""Configs: one sentence for every problem, values brought into their types."""

from dataclasses import dataclass

import pytest

from raysearch.config import (
    Rule,
    TrainingConfig,
    check_value,
    flatten,
    read_config,
    rules,
    said_value,
    setting,
    settings_of,
)
from raysearch.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Toy(TrainingConfig):
    share: float = setting(0.1, low=0, high=1, low_open=True)
    kind: str = setting("one", choices=("one", "two"))
    names: tuple[str, ...] = setting(("a", "b"))
    alpha: float | None = setting(None, low=0, high=1, part="head")

    def problems(self) -> list[str]:
        return (
            ["`share` must not be 0.5 with kind two"]
            if self.share == 0.5 and self.kind == "two"
            else []
        )


def test_all_problems_are_said_at_once() -> None:
    values = {
        "share": 0,
        "kind": "three",
        "layers": 1.5,
        "learning_rat": 1,
        "alpha": 2,
        "epochs": True,
    }
    with pytest.raises(ConfigError) as caught:
        read_config(Toy, values, where="toy.yaml")
    text = str(caught.value)
    assert len(caught.value.problems) == 6
    assert "`share` must be a number in (0, 1], but got 0 (toy.yaml)" in text
    assert "did you mean `learning_rate`?" in text
    assert "`kind` must be one of one, two, but got 'three'" in text
    assert "`layers` must be an integer >= 0, but got 1.5" in text


def test_fields_taken_together() -> None:
    with pytest.raises(ConfigError, match="must not be 0.5"):
        read_config(Toy, {"share": 0.5, "kind": "two"}, where="--set")


@pytest.mark.parametrize("value", ["nan", "inf", float("nan")])
def test_numbers_must_be_finite(value: object) -> None:
    with pytest.raises(ConfigError):
        read_config(Toy, {"epochs": value}, where="x")


def test_text_from_the_command_line_becomes_values() -> None:
    config = read_config(
        Toy,
        {"share": "1e-3", "names": "x,y", "freeze_embeddings": "true", "layers": "2"},
        where="--set",
    )
    assert (config.share, config.names, config.freeze_embeddings, config.layers) == (
        0.001,
        ("x", "y"),
        True,
        2,
    )


def test_a_list_that_a_command_line_empties() -> None:
    """As in ``--set class_corpora=``."""
    assert check_value(Rule(kind="list"), said_value("")) == ((), "")
    assert check_value(Rule(kind="float", optional=True), said_value("null")) == (None, "")
    assert said_value("~") is None
    assert check_value(Rule(kind="list"), said_value("null"))[1] == "a list of names"


def test_flat_and_back() -> None:
    config = read_config(Toy, {"names": ["x", "y"], "alpha": 0.25}, where="x")
    assert flatten(config)["names"] == "x+y"
    assert read_config(Toy, flatten(config), where="row") == config
    assert read_config(Toy, flatten(Toy()), where="row") == Toy()


def test_rules_follow_the_annotations() -> None:
    assert rules(Toy)["alpha"].optional
    assert rules(Toy)["names"].kind == "list"
    assert rules(Toy)["share"].describe() == "a number in (0, 1]"


def test_settings_by_the_part_that_depends_on_them() -> None:
    assert settings_of(Toy, "head") == ("alpha",)
    named = settings_of(Toy, "", "head", "reports")
    assert {*rules(Toy)} - {*named} == {"checkpoint_seconds"}  # no result depends on it
    assert named[:2] == ("encoder", "layers") and "share" in named and "reports" in named
    with pytest.raises(KeyError, match="no setting of Toy is of the part 'haed'"):
        settings_of(Toy, "haed")
