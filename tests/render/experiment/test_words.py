"""What a study says of its arms: only what its numbers carry, and each arm by a name of its own."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from raysearch.analysis.experiment import answer, arms_of, tuned_arms
from raysearch.findings.experiment import Answer, Course
from raysearch.render.experiment.figures import draw
from raysearch.render.experiment.page import StudyBoard, answer_record, markdown_table
from raysearch.render.experiment.plot import svg
from raysearch.render.experiment.words import answer_sentences, course_sentence, names_of
from raysearch.run import Cell, MetricGoal, Report, Run, RunState, Scalar
from raysearch.statistics.intervals import Interval

GOAL = MetricGoal("test/f1")
NOISE = (0.004, -0.003, 0.001, -0.002, 0.003, -0.001)


def row(number: int, seed: int, value: float, **config: Scalar) -> Run:
    return Run(
        sweep="s",
        number=number,
        cell=Cell("en-es", seed),
        method="msmo",
        state=RunState.COMPLETE,
        config=config,
        metrics={"test/f1": value, "dev/loss": 1 - value, "dev/flat": 0.5},
        curve=(
            Report(rung=1, step=10, seconds=1.0, metrics={"dev/x": value / 2}),
            Report(rung=2, step=20, seconds=2.0, metrics={"dev/x": value}),
        ),
    )


def answered(offsets: dict[str, float], seeds: int = 6, beside: tuple[str, ...] = ()) -> Answer:
    trials = [
        row(n, seed, 0.5 + offset + NOISE[(seed + n) % 6], variant=name)
        for n, (name, offset) in enumerate(offsets.items())
        for seed in range(seeds)
    ]
    arms = arms_of(trials, lambda config: dict(config), lambda settings: True)
    first = next(iter(offsets))
    return answer(arms, GOAL, reference={"variant": first}, beside=beside, self_naming=["variant"])


def test_better_worse_and_not_told_apart_are_kept_apart() -> None:
    [first, joint, effect, highest, units] = answer_sentences(
        answered({"msmo": 0.0, "acs": 0.1, "none": -0.1, "same": 0.0})
    )
    assert first.startswith("Against msmo (test/f1 0.5003 ± 0.0028), difference with its 95 %")
    assert "better: acs (+0.1000, +0.0" in first and "worse: none (-0.1000, -0.1" in first
    assert "not distinguishable: same (+0.0000" in first
    assert "2 of the 2 that differ still do" in joint
    assert effect.startswith("variant matters: means from 0.4003 (variant none) to 0.6003 (acs)")
    assert highest.startswith("The highest mean is that of acs, 0.6003") and "picked" in highest
    assert units == "Intervals are over 6 seeds on en-es alone."


def test_what_was_tuned_stands_in_the_table_with_the_number_of_tries() -> None:
    settings = [{"variant": "x", "k": 1}, {"variant": "x", "k": 2}, {"variant": "y"}]
    trials = [
        row(n, seed, 0.5 + n / 10 + NOISE[(seed + n) % 6], **each)
        for n, each in enumerate(settings)
        for seed in range(6)
    ]
    arms = arms_of(trials, lambda config: dict(config), lambda settings: True)
    chosen = tuned_arms(arms, ["k"], MetricGoal("dev/loss", "minimize"))
    found = answer(chosen, GOAL, reference={"variant": "y"}, self_naming=["variant"])
    said = " ".join(answer_sentences(found))
    assert (
        "k was chosen on dev for each arm that has it, from 2 configurations; test was read for "
        "the chosen alone."
    ) in said
    assert "Arms differ in more than the question" not in said
    head, _, first, second = markdown_table(found)
    assert head == "| arm | test/f1 | difference | 95 % interval | cells | tuned |"
    assert first.startswith("| x |") and first.endswith("| 6 | k 2 of 2 |")
    assert second.startswith("| **y** |") and second.endswith("| **–** |")
    record = answer_record(found, name="s", question="Is it?", sentences=[])
    assert [(arm["tuned"], arm["tried"]) for arm in record["arms"]] == [({"k": 2}, 2), ({}, 1)]


def test_what_has_no_test_of_its_own_and_what_is_there_twice_is_said() -> None:
    trials = [
        row(n, seed, 0.5 + n % 3 / 10 + NOISE[(seed + n % 3) % 6], **settings)
        for n, settings in enumerate([{"a": 1, "b": 1}, {"a": 1, "b": 2}, {"a": 2}, {"a": 3}])
        for seed in range(6)
    ]
    arms = arms_of(trials, lambda config: dict(config), lambda settings: True)
    found = answer(arms, GOAL, reference={"a": 2})
    said = " ".join(answer_sentences(found))
    assert (
        "a was not varied with all else held, so that it has no test of its own; the 3 "
        "configurations taken together differ: p = 0.0001 at most, F test over 6 cells."
    ) in said
    assert "a 3 is b 1 once more, number for number, and is counted once." in said
    assert "These are 2 comparisons" in said and "picked from 3" in said
    record = answer_record(found, name="s", question="Is it?", sentences=[])
    assert record["overall"]["untested"] == ["a"] and record["overall"]["blocks"] == 6
    assert [arm["same_as"] for arm in record["arms"]] == [None, None, None, "b 1"]


def test_few_cells_say_that_they_are_few() -> None:
    said = " ".join(answer_sentences(answered({"msmo": 0.0, "acs": 0.1}, seeds=1)))
    assert "without an interval, because so few cells carry none: acs (+0.09" in said
    assert "Whether variant matters cannot be said from one cell" in said
    assert "better" not in said


def test_a_placebo_is_shown_for_what_it_is() -> None:
    said = answer_sentences(answered({"a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0}))
    assert any(
        sentence.startswith("variant is not distinguishable from noise") for sentence in said
    )
    assert not any("taken together" in sentence for sentence in said)


def test_further_metrics_say_higher_or_lower_and_not_better() -> None:
    found = answered({"msmo": 0.0, "acs": 0.1}, beside=("dev/loss", "dev/flat"))
    said = answer_sentences(found)
    assert any(s.startswith("In dev/loss, against msmo, lower: acs (-0.1000, -0.1") for s in said)
    assert "In dev/flat no arm is distinguishable from msmo." in said
    assert not any("dev/loss" in sentence for sentence in answer_sentences(found, series=True))


def test_an_arm_that_failed_is_named_with_its_reason() -> None:
    said = answer_sentences(answered({"a": 0.0, "b": 0.1}), {"c, 1 of 5 cells": "no memory"})
    assert said[-1] == "Did not run to the end: c, 1 of 5 cells: no memory"


def test_a_setting_that_follows_from_the_others_is_not_named() -> None:
    configs: list[dict[str, Scalar]] = [
        {"kind": "absolute", "epsilon": 1e-9, "top_k": 0.1},
        {"kind": "absolute", "epsilon": 1e-7, "top_k": 0.1},
        {"kind": "relative", "rho": 1.0, "top_k": 0.1},
        {"kind": "relative", "rho": 5.0, "top_k": 0.3},
    ]
    trials = [row(n, 0, 0.5, **config) for n, config in enumerate(configs)]
    arms = arms_of(trials, lambda config: dict(config), lambda settings: True)
    found = answer(arms, GOAL, reference={"epsilon": 1e-9})
    name = names_of(found)
    assert [name(arm) for arm in arms] == [
        "epsilon 1e-09",
        "epsilon 1e-07",
        "rho 1, top_k 0.1",
        "rho 5, top_k 0.3",
    ]


def test_the_record_has_no_number_that_json_lacks() -> None:
    record = answer_record(
        answered({"a": 0.0, "b": 0.1}, seeds=1), name="s", question="Why?", sentences=[]
    )
    assert record["arms"][0]["sd"] is None
    assert record["arms"][1]["difference"]["low"] is None


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_board_fits_its_terminal(width: int) -> None:
    found = answered({"msmo": 0.0, "no_translation": 0.1})
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(StudyBoard("s: Why?", found, answer_sentences(found)))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert any("reference" in line for line in lines)
    assert any("in a wider terminal" in line for line in lines) == (width == 60)


@pytest.mark.parametrize(
    ("kind", "axes"),
    [("bars", {}), ("lines", {"x": ["variant"]}), ("curves", {"y": "dev/x"})],
)
def test_a_figure_names_its_arms_and_is_the_same_twice(kind: str, axes: dict[str, str]) -> None:
    found = answered({"msmo": 0.0, "acs": 0.1})
    first, second = (svg(draw(kind, found, **axes)) for _ in range(2))
    assert first == second
    assert "msmo" in first and "acs" in first
    assert "dev/x" in first if kind == "curves" else "test/f1" in first


def course(low: float, high: float) -> Course:
    change = Interval(value=(low + high) / 2, low=low, high=high, level=0.95, count=5)
    return Course(metric="dev/x", steps=(12, 72), first=0.5, last=0.6, change=change)


def test_a_change_within_noise_is_none() -> None:
    sure = course_sentence(course(0.05, 0.15))
    assert sure.startswith("dev/x is 0.5000 at the first report (step 12) and 0.6000 at the last")
    assert sure.endswith("a change of +0.1000, +0.0500 to +0.1500.")
    assert course_sentence(course(-0.05, 0.25)).endswith(
        ", which is not distinguishable from zero."
    )


def test_what_arms_differ_in_beside_the_question_is_said() -> None:
    trials = [row(0, seed, 0.5, variant="carl", gap=4e-4) for seed in range(3)]
    trials += [row(1, seed, 0.6, variant="frozen", gap=0.01) for seed in range(3)]
    arms = arms_of(trials, lambda config: {"variant": config["variant"]}, lambda _: True)
    found = answer(arms, GOAL, reference={"variant": "carl"}, self_naming=("variant",))
    assert (
        "Arms differ in more than the question: gap is 0.0004 in carl; 0.01 in frozen. What they "
        "differ by may be due to it." in answer_sentences(found)
    )


def test_an_arm_that_moves_no_weight_is_said_to_be_the_start() -> None:
    trials = []
    for number, (variant, share) in enumerate(
        {"carl": 0.004, "no_ptd": 0.2, "frozen": 0.0}.items()
    ):
        for seed in range(3):
            one = row(number, seed, 0.5 + 0.1 * number, variant=variant)
            metrics = {**one.metrics, "dev/encoder_moved": share}
            trials.append(replace(one, metrics=metrics))
    arms = arms_of(trials, lambda config: {"variant": config["variant"]}, lambda _: True)
    found = answer(
        arms, GOAL, reference={"variant": "frozen"}, self_naming=("variant",), moved="encoder_moved"
    )
    [sentence] = [text for text in answer_sentences(found) if "moved" in text]
    assert sentence.startswith("The embeddings of carl moved by less than 5 % of their spread: the")
