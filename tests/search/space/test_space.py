from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from raysearch.config import TrainingConfig
from raysearch.errors import ConfigError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.run import MetricGoal
from raysearch.search.space.file import parse_seconds
from raysearch.search.space.space import SearchSpace, load_space

Read = Callable[[str], SearchSpace]

HEAD = "method: toy\nobjective: {metric: dev/score}\nbudget: {trials: 6}\n"


def problems_of(read: Read, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return list(caught.value.problems)


def test_a_space_as_written(toy_space: SearchSpace) -> None:
    assert toy_space.goal == MetricGoal("dev/score", "maximize")
    assert (toy_space.trials, toy_space.time_seconds, toy_space.seeds) == (6, 120.0, 1)
    assert (toy_space.sampler, toy_space.pruner, toy_space.reduction) == ("tpe", "halving", 3)
    assert toy_space.setting == {"reports": 4, "gate": False}
    by_name = {item.name: item for item in toy_space.parameters}
    assert (by_name["width"].kind, by_name["width"].log) == ("float", True)
    assert (by_name["depth"].kind, by_name["depth"].low, by_name["depth"].high) == ("int", 1, 4)
    assert isinstance(by_name["depth"].low, int)
    assert by_name["shape"].choices == ("round", "square")
    names = [item.name for item in toy_space.parameters]
    assert names.index("shape") < names.index("tilt")


def test_every_problem_is_reported_at_once_with_its_line(read_space: Read) -> None:
    text = """\
method: toy
objective: {metric: test/score, direction: up, colour: red}
budget: {trials: 0, time: 30x, seeds: 1.5}
sampler: tpi
pruner: halving
pruner: none
reduction: 1
setting: {shap: round, width: -1, depth: 2}
search:
  depth: {low: 4, high: 4}
  tilt: {low: 0, high: 0.5}
  learning_rate: {low: 1e-3, high: 1e-5, log: true}
  weight_decay: {low: 0.0, high: 1e-3, log: true}
  widht: {low: 1, high: 2}
  shape: [round, sqare]
  gate: [true]
  weight: 0.5
  batch_size: {low: 2, high: 7.5}
  sampler: {low: 1, high: 2}
  clip_norm: {low: 0, high: 1, lag: true}
  epochs: {low: 0, high: 1, when: {colour: red}}
  layers: {low: 0, high: 6, when: {weight: 2}}
  max_length: {high: 128}
  encoder: {low: 1, high: 2}
  warmup_share: {low: a, high: .5}
  precision: {choices: [fp32, bf16], low: 1}
  reports: {low: 1, high: 4, log: 1}
  tags: [a, a]
rest: 1
"""
    problems = problems_of(read_space, text)

    lines = [int(problem.rsplit(":", 1)[1].rstrip(")")) for problem in problems]
    assert lines == sorted(lines)
    # One each, but line 2 and 3 three, line 8 two and line 10 two: also fixed by `setting`.
    expected = [2] * 3 + [3] * 3 + [4, 6, 7, 8, 8, 10, 10, *range(11, 30)]
    assert lines == expected
    said = "\n".join(problems)
    assert "unknown parameter `widht`; did you mean `width`?" in said
    assert "unknown setting `shap`; did you mean `shape`?" in said
    assert "`depth` must be fixed or searched, but line 8 fixes it" in said
    assert "`low` of `depth` must be < `high`, but got 4 and 4" in said
    assert "`tilt` must be a number in (0, 1], but got 0" in said
    assert "`low` of `weight_decay` must be > 0 on a log scale" in said
    assert "`when` of `layers`" in said
    assert all("space.yaml:" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("search: {width: {low: 1, high: 2}}\n", "`method` must be there"),
        ("method: [toy]\n", "`method` must be a name"),
        (HEAD + "search: []\n", "`search` must be a mapping"),
        (HEAD + "search: {}\n", "`search` must name at least one parameter"),
        (HEAD + "search:\n", "`search` must be a mapping"),
        ("method: toy\nobjective: {direction: maximize}\nbudget: {}\n", "must name `metric`"),
        (HEAD + "sampler: grid\nsearch: {width: {low: 1, high: 2}}\n", "finite choices"),
        (
            HEAD + "sampler: grid\nsearch: {batch_size: {low: 2, high: 200000}}\n",
            "at most 100000 points",
        ),
        (
            HEAD + "search:\n  shape: {choices: [round, odd], when: {gate: true}}\n"
            "  gate: {choices: [true, false], when: {shape: odd}}\n",
            "must not go round in a circle",
        ),
        (
            HEAD + "search:\n  shape: [round, odd]\n"
            "  tilt: {low: .1, high: .2, when: {shape: square}}\n",
            "'square' must be among the choices of `shape`",
        ),
        (
            HEAD + "search:\n  depth: {low: 1, high: 2}\n"
            "  tilt: {low: .1, high: .2, when: {depth: 1}}\n",
            "must name a choice, but `depth` has a range",
        ),
        (
            HEAD + "search:\n  tilt: {low: .1, high: .2, when: {shape: round}}\n",
            "must leave something to be searched",
        ),
        (HEAD + "search:\n  tilt: {low: .1, high: .2, when: round}\n", "other setting: value"),
        (HEAD + "search: {reports: {low: 1, high: .inf}}\n", "must be an integer"),
    ],
)
def test_single_problems(read_space: Read, text: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems_of(read_space, text))


def test_the_method_is_looked_up_by_name(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(HEAD.replace("toy", "carll") + "search: {top_k: {low: 0.1, high: 0.2}}\n")
    with pytest.raises(
        ConfigError, match=r"unknown method `carll`; did you mean `carl`\?.*s.yaml:1"
    ):
        load_space(path)

    path.write_text(HEAD.replace("toy", "carl") + "search: {top_k: {low: 0.1, high: 0.2}}\n")
    assert load_space(path).config_type.__name__ == "CarlConfig"


def test_conditions_on_settings_are_resolved(read_space: Read) -> None:
    search = """\
search:
  depth: {low: 1, high: 2}
  tilt: {low: 0.1, high: 0.2, when: {shape: square}}
  width: {low: 1, high: 2, when: {shape: round}}
  gate: {choices: [true, false], when: {shape: square}}
  weight: {low: 0, high: 1, when: {gate: true, shape: square}}
"""
    by_default = read_space(HEAD + search)
    assert [(item.name, dict(item.when)) for item in by_default.searched] == [
        ("depth", {}),
        ("gate", {}),
        ("tilt", {}),
        ("weight", {"gate": (True,)}),
    ]
    by_setting = read_space(HEAD + "setting: {shape: round}\n" + search)
    assert [item.name for item in by_setting.searched] == ["depth", "width"]
    by_override = by_default.with_overrides({"shape": "round"})
    assert [item.name for item in by_override.searched] == ["depth", "width"]


def test_a_condition_may_list_values(read_space: Read) -> None:
    space = read_space(
        HEAD + "search:\n  shape: [round, square, odd]\n"
        "  tilt: {low: .1, high: .2, when: {shape: [square, odd], gate: false}}\n"
    )
    tilt = {item.name: item for item in space.searched}["tilt"]

    assert tilt.when == {"shape": ("square", "odd")}
    assert tilt.matters({"shape": "odd"}) and not tilt.matters({"shape": "round"})
    assert not tilt.matters({})


def test_config_for_is_complete_and_plain(toy_space: SearchSpace) -> None:
    config = toy_space.config_for({"width": 2, "shape": "round"})

    assert config["width"] == 2.0 and config["shape"] == "round"
    assert config["reports"] == 4 and config["depth"] == 2
    assert config["tags"] == ["a"]
    names = {field.name for field in dataclasses.fields(toy_space.config_type)}
    assert config.keys() == names
    with pytest.raises(ConfigError, match="odd shape"):
        toy_space.config_for({"shape": "odd", "depth": 9})


def test_lists_are_choices_by_name(read_space: Read) -> None:
    space = read_space(HEAD + "search:\n  tags: [a, a+b, [b, c]]\n")

    assert space.parameters[0].choices == ("a", "a+b", "b+c")
    assert space.config_for({"tags": "b+c"})["tags"] == ["b", "c"]


def test_the_paper_keeps_literal_values_outside_of_ranges(toy_space: SearchSpace) -> None:
    config, contained = toy_space.paper_first()

    assert config["width"] == 9.0  # of the paper, outside of [0.1, 5]
    assert config["shape"] == "round"  # of the paper
    assert config["gate"] is False  # `setting` goes before the paper
    assert config["depth"] == 2  # the default, of which the paper says nothing
    # `tilt` does not matter to a round shape, whatever its default.
    assert contained == {"shape": "round", "depth": 2}


def test_what_the_paper_changes_beside_the_searched_settings(read_space: Read) -> None:
    free = read_space(HEAD + "search:\n  depth: [2, 3]\n  width: [1, 2]\n")
    # `width` is searched.
    assert free.paper_beside() == {"shape": ("round", "square"), "gate": (True, False)}
    assert free.with_overrides({}, sampler="grid").paper_beside() == {}


def test_the_arms_of_a_grid_differ_in_nothing_but_what_is_searched(read_space: Read) -> None:
    body = "search:\n  depth: [2, 3]\n  width: [1, 2]\n"
    free = read_space(HEAD + body)
    config, contained = free.paper_first()
    assert (config["shape"], config["width"]) == ("round", 9.0)  # both of the paper
    grid = free.with_overrides({}, sampler="grid")
    config, contained = grid.paper_first()
    assert config["shape"] == "square"  # as in every other arm
    assert config["width"] == 9.0 and contained == {"depth": 2}
    others = [grid.config_for({"depth": depth, "width": 1.0}) for depth in (2, 3)]
    for other in others:
        assert {n for n in config if config[n] != other[n]} <= {"depth", "width"}


def test_the_paper_may_make_a_searched_value_void(read_space: Read) -> None:
    space = read_space(
        HEAD + "search:\n  depth: {low: 1, high: 4}\n"
        "  tilt: {low: 0.05, high: 0.9, when: {shape: square}}\n"
    )

    assert [item.name for item in space.searched] == ["depth", "tilt"]  # square by default
    config, contained = space.paper_first()
    assert config["shape"] == "round"
    assert contained == {"depth": 2}


def test_options_of_tasks(read_space: Read) -> None:
    body = HEAD + "search: {width: {low: 1, high: 2}}\n"
    plain = read_space(body)
    assert (plain.mode, plain.aggregate, plain.warm_start) == ("joint", "mean", 0)
    # What is said as it would be anyway changes nothing.
    said = read_space(body + "mode: joint\naggregate: mean\nwarm_start: 0\n")
    assert said.digest == plain.digest
    joint = read_space(body + "aggregate: worst\n")
    assert joint.canonical["aggregate"] == "worst"
    each = read_space(body + "mode: per_task\nwarm_start: 2\n")
    assert (each.canonical["mode"], each.warm_start) == ("per_task", 2)
    assert "aggregate" not in each.canonical


def test_wrong_options_of_tasks_have_their_lines(read_space: Read) -> None:
    body = HEAD + "search: {width: {low: 1, high: 2}}\n"
    wrong = "mode: both\naggregate: median\nwarm_start: -1\n"
    said = problems_of(read_space, body + wrong)
    assert [problem.partition(" (")[0] for problem in said] == [
        "`mode` must be one of joint, per_task, but got 'both'",
        "`aggregate` must be one of mean, worst, but got 'median'",
        "`warm_start` must be an integer >= 0, but got -1",
    ]
    assert [problem.rsplit(":", 1)[1] for problem in said] == ["5)", "6)", "7)"]


@pytest.mark.parametrize(
    ("text", "sentence", "line"),
    [
        (
            "warm_start: 2\nsearch: {width: {low: 1, high: 2}}\n",
            "`warm_start` must be 0 unless `mode` is per_task, but got 2",
            4,
        ),
        (
            "mode: per_task\naggregate: worst\nsearch: {width: {low: 1, high: 2}}\n",
            "`aggregate` must be left out where `mode` is per_task, but got worst",
            5,
        ),
    ],
)
def test_options_of_tasks_that_cannot_go_together(
    read_space: Read, text: str, sentence: str, line: int
) -> None:
    (problem,) = problems_of(read_space, HEAD + text)
    assert problem.startswith(sentence)
    assert problem.endswith(f"space.yaml:{line})")


@pytest.mark.parametrize("mode", ["joint", "per_task"])
@pytest.mark.parametrize(
    ("method", "name", "choices"),
    [
        ("msmo", "pairs", "[en-es, 'en-es, en-fr']"),
        ("msmo", "corpus", "[sample_reviews, xabsa]"),
        ("carl", "corpora", "[sample, emobank]"),
        ("carl", "va_corpora", "[sample, emobank]"),
    ],
)
def test_what_a_configuration_is_scored_on_is_not_searched(
    tmp_path: Path, mode: str, method: str, name: str, choices: str
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        f"method: {method}\nobjective: {{metric: dev/f1}}\nbudget: {{trials: 6}}\nmode: {mode}\n"
        f"search:\n  {name}: {choices}\n  learning_rate: {{low: 1e-4, high: 1e-2}}\n"
    )
    with pytest.raises(ConfigError, match=f"`{name}` must be fixed, but is searched.*:6"):
        load_space(path)


def test_a_setting_that_changes_the_tasks_of_a_method_is_found_by_asking_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method of another package may not say which settings these are."""
    monkeypatch.setattr(MsmoConfig, "SCORED_ON", ())
    path = tmp_path / "space.yaml"
    path.write_text(
        "method: msmo\nobjective: {metric: dev/f1}\nbudget: {trials: 6}\n"
        "search:\n  pairs: [en-es, 'en-es, en-fr']\n  learning_rate: {low: 1e-4, high: 1e-2}\n"
    )
    with pytest.raises(ConfigError, match="`pairs` must be fixed, but is searched"):
        load_space(path)


def test_reports_are_not_searched_where_they_are_judged(tmp_path: Path) -> None:
    text = (
        "method: msmo\nobjective: {metric: dev/f1}\nbudget: {trials: 6}\npruner: PRUNER\n"
        "search:\n  reports: {low: 2, high: 8}\n"
    )
    path = tmp_path / "space.yaml"
    path.write_text(text.replace("PRUNER", "halving"))
    with pytest.raises(ConfigError, match="`reports` must be fixed where `pruner` is not none"):
        load_space(path)
    path.write_text(text.replace("PRUNER", "none"))
    assert load_space(path).searched[0].name == "reports"


def test_digest_is_of_content(read_space: Read) -> None:
    first = read_space(HEAD + "search: {width: {low: 1, high: 2}, depth: {low: 1, high: 2}}\n")
    assert not {"mode", "aggregate", "warm_start"} & first.canonical.keys()
    turned = read_space("search: {depth: {high: 2, low: 1}, width: {low: 1.0, high: 2.0}}\n" + HEAD)
    assert first.digest == turned.digest
    assert first.parameters == turned.parameters
    assert first.with_overrides({}, trials=99, time_seconds="2h").digest == first.digest
    for changed in (
        first.with_overrides({}, seeds=2),
        first.with_overrides({}, metric="dev/other"),
        first.with_overrides({}, sampler="random"),
        first.with_overrides({}, mode="per_task"),
        first.with_overrides({}, mode="per_task", warm_start=1),
        first.with_overrides({}, aggregate="worst"),
        first.with_overrides({"gate": "true"}),
        first.with_overrides({"width": "1.5"}),
    ):
        assert changed.digest != first.digest


def test_overrides(toy_space: SearchSpace) -> None:
    changed = toy_space.with_overrides(
        {"width": "1e-1", "gate": "true", "tags": "x,y", "weight": "null"},
        trials=9,
        time_seconds="1.5m",
        seeds=3,
        sampler="random",
        metric="dev/loss",
        direction="minimize",
    )

    assert changed.setting["width"] == 0.1 and changed.setting["gate"] is True
    assert changed.setting["tags"] == ("x", "y") and changed.setting["weight"] is None
    assert "width" not in [item.name for item in changed.parameters]
    assert (changed.trials, changed.time_seconds, changed.seeds) == (9, 90.0, 3)
    assert changed.goal == MetricGoal("dev/loss", "minimize")
    each = toy_space.with_overrides({}, mode="per_task", warm_start=3)
    assert (each.mode, each.warm_start) == ("per_task", 3)
    assert toy_space.with_overrides({}, aggregate="worst").aggregate == "worst"
    assert toy_space.with_overrides({}) == toy_space


def test_wrong_overrides_are_all_reported(toy_space: SearchSpace) -> None:
    with pytest.raises(ConfigError) as caught:
        toy_space.with_overrides(
            {"widht": "1", "depth": "x", "width": "11"},
            trials=0,
            time_seconds="soon",
            seeds=-1,
            sampler="grit",
            metric="test/score",
            direction="up",
            warm_start=-1,
        )

    said = caught.value.problems
    assert len(said) == 10
    assert "`--warm-start` must be an integer >= 0, but got -1" in said
    assert "unknown setting `widht`; did you mean `width`? (--set)" in said
    assert "`depth` must be an integer in [1, 9], but got 'x' (--set)" in said
    assert "`--trials` must be an integer in [1, 1000000], but got 0" in said
    with pytest.raises(ConfigError, match="finite choices"):
        toy_space.with_overrides({}, sampler="grid")
    with pytest.raises(ConfigError, match="`warm_start` must be 0 unless"):
        toy_space.with_overrides({}, warm_start=1)
    with pytest.raises(ConfigError, match="something to be searched"):
        toy_space.with_overrides({"width": "1", "depth": "1", "shape": "round"})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1.5 h", 5400),
        (45, 45),
        (0.5, 0.5),
        ("0s", None),
        (-3, None),
        ("1d", None),
        ("", None),
        (True, None),
        (None, None),
        (float("nan"), None),
    ],
)
def test_times(text: object, seconds: float | None) -> None:
    assert parse_seconds(text) == seconds


def test_a_config_class_without_a_paper_starts_from_defaults(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + "search: {batch_size: [16, 64]}\n")

    config, contained = load_space(path, TrainingConfig).paper_first()

    assert contained == {"batch_size": 64}
    assert config["batch_size"] == 64
