"""Two sides on the cells that both have, and the sentences that their numbers allow."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from raysearch.analysis.compare import contrast
from raysearch.findings.comparison import Contrast, Side
from raysearch.render.comparison import contrast_sentences
from raysearch.run import MetricGoal

UP = MetricGoal("dev/va_pearson")
DOWN = MetricGoal("dev/va_pearson", "minimize")
Make = Callable[..., Any]


def side(
    make: Make, label: str, values: dict[str, Sequence[float]], among: int = 0, **changes: Any
) -> Side:
    """A side with these values by task, seeds from 0."""
    trials = [
        make(1, value, task=task, seed=seed, **changes)
        for task, scores in values.items()
        for seed, value in enumerate(scores)
    ]
    return Side(label=label, cells={trial.cell: trial for trial in trials}, among=among)


def both(make: Make, first: dict[str, Any], second: dict[str, Any], goal: MetricGoal = UP) -> tuple:
    one, two = side(make, "a", first), side(make, "b", second)
    found = contrast(one, two, goal)
    assert found is not None
    return found, " ".join(contrast_sentences(found, one, two))


def test_only_shared_cells_count_and_tasks_weigh_the_same(make_trial: Make) -> None:
    found, said = both(
        make_trial, {"en": [0.6, 0.7, 0.8], "fr": [0.5]}, {"en": [0.5, 0.6], "fr": [0.1], "nl": [1]}
    )
    assert [task.task for task in found.tasks] == ["en", "fr"]
    assert found.tasks[0].differences == pytest.approx((0.1, 0.1))
    assert found.interval.value == pytest.approx((0.1 + 0.4) / 2)
    assert found.alone == (1, 1) and found.cells == 3 and found.ahead == 3
    assert "Left out, because the other side lacks the cell: 1 of A, 1 of B." in said


def test_no_shared_cell_is_no_comparison(make_trial: Make) -> None:
    one, two = side(make_trial, "a", {"en": [0.5]}), side(make_trial, "b", {"fr": [0.5]})
    assert contrast(one, two, UP) is None
    assert contrast(one, one, MetricGoal("dev/other")) is None


def test_one_cell_concludes_nothing_and_three_little(make_trial: Make) -> None:
    _, said = both(make_trial, {"en": [0.6]}, {"en": [0.5]})
    assert "on the one shared cell: one cell says nothing of other seeds" in said
    found, said = both(make_trial, {"en": [0.6, 0.8, 0.7]}, {"en": [0.5, 0.6, 0.59]})
    assert found.interval.low < 0 < found.interval.high  # 0.137 ± 4.30 · 0.055 / sqrt(3)
    assert "A and B are not distinguishable: A − B = +0.1367" in said
    assert "95 % interval -0.0001 to +0.2735, from 3 cells, so it is wide" in said
    assert "two equal methods are fully apart once in 10 tries" in said
    assert "dominates" not in said
    found, said = both(make_trial, {"en": [0.6, 0.8], "fr": [0.7]}, {"en": [0.5, 0.6], "fr": [0.6]})
    assert not found.interval.bounded
    assert "from +0.1000 to +0.2000 on 3 shared cells; A is better on 3 of them" in said
    assert "whether A is better cannot be concluded" in said


CLEAR = [0.60, 0.62, 0.61, 0.63, 0.605, 0.615]
LOWER = [0.50, 0.53, 0.50, 0.53, 0.500, 0.520]


@pytest.mark.parametrize(("goal", "better"), [(UP, "A"), (DOWN, "B")])
def test_a_clear_difference(make_trial: Make, goal: MetricGoal, better: str) -> None:
    found, said = both(make_trial, {"en": CLEAR}, {"en": LOWER}, goal)
    assert said.startswith(f"{better} is better: A − B = +0.1")
    other = "B" if better == "A" else "A"
    assert f"{better} almost stochastically dominates {other} on en (ε_min < 0.2 and "
    assert "the means apart by permutation at 95 %)" in said
    assert found.ahead == (6 if better == "A" else 0)
    assert "Settings" not in said or "No setting differs" in said


def test_the_same_difference_everywhere(make_trial: Make) -> None:
    _, said = both(make_trial, {"en": CLEAR}, {"en": CLEAR})
    assert said.startswith("A and B are equal in dev/va_pearson on all 6 shared cells.")
    _, said = both(make_trial, {"en": [0.75] * 4}, {"en": [0.5] * 4})
    assert said.startswith("A is better: A − B = +0.2500 in dev/va_pearson, the same on all 4")


def test_no_difference_is_not_called_equality(make_trial: Make) -> None:
    _, said = both(make_trial, {"en": CLEAR}, {"en": [*CLEAR[1:], CLEAR[0]]})
    assert said.startswith("A and B are not distinguishable")
    assert "That does not show that they are equal" in said
    assert "Neither almost stochastically dominates" in said


def test_one_seed_a_task_is_over_tasks(make_trial: Make) -> None:
    tasks = {f"t{index}": [value] for index, value in enumerate(CLEAR)}
    lower = {f"t{index}": [value] for index, value in enumerate(LOWER)}
    found, said = both(make_trial, tasks, lower)
    assert found.over_tasks and found.interval.bounded
    assert "over tasks like these" in said and "ε_min needs several seeds" in said


@pytest.mark.parametrize(("goal", "better"), [(UP, "A"), (DOWN, "B")])
def test_by_the_worst_task_the_lead_is_that_of_the_worst_task(
    make_trial: Make, goal: MetricGoal, better: str
) -> None:
    """A is 0.05 behind by the mean and its worst task 0.1 ahead; each may have another worst."""
    one = {"en": [0.40, 0.42], "fr": [0.40, 0.40]}
    two = {"en": [0.60, 0.62], "fr": [0.30, 0.30]}
    if goal.direction == "minimize":
        one, two = ({"en": values["fr"], "fr": values["en"]} for values in (one, two))
    first, second = side(make_trial, "a", one), side(make_trial, "b", two)
    by_mean = contrast(first, second, UP)
    assert by_mean is not None and by_mean.interval.value == pytest.approx(-0.05)
    found = contrast(first, second, goal, aggregate="worst")
    assert found is not None
    wanted = (0.40, 0.30) if goal.direction == "maximize" else (0.41, 0.61)
    assert found.values == pytest.approx(wanted)
    assert found.interval.value == pytest.approx(wanted[0] - wanted[1])
    said = " ".join(contrast_sentences(found, first, second))
    assert "in dev/va_pearson on the worst task of each" in said
    assert found.cells == 2 and not found.over_tasks


def test_bonferroni_is_over_tasks(make_trial: Make) -> None:
    found, said = both(make_trial, {"en": CLEAR, "fr": CLEAR}, {"en": LOWER, "fr": LOWER})
    assert found.tasks[0].over is not None and found.tasks[0].over.comparisons == 2
    assert "at 97.5 %, Bonferroni over 2 tasks" in said
    assert "says nothing of other tasks" in said


def test_what_the_numbers_were_selected_by_and_made_of_is_said(make_trial: Make) -> None:
    made = {"data_digest": "d1", "encoder_digest": "e1", "code": "c1"}
    one = side(make_trial, "a", {"en": CLEAR}, among=24, provenance=made)
    two = side(
        make_trial,
        "b",
        {"en": LOWER},
        among=6,
        provenance={**made, "data_digest": "d2", "code": "c2"},
        config={"encoder": "tiny", "layers": 0, "top_k": 0.9, "focal": True},
    )
    found = contrast(one, two, UP)
    assert isinstance(found, Contrast) and found.sources == ("data_digest", "code")
    said = " ".join(contrast_sentences(found, one, two))
    assert "A is the best of 24 configurations by these very numbers" in said
    assert "unequal numbers of configurations" in said
    assert "Warning: A and B are of different data" in said
    assert "Settings that differ: top_k." in said
