"""What searching bought: curves of configurations, and tuned against default on test."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch.analysis.selection import efforts, tuned
from raysearch.leaderboard import Store, SweepCard
from raysearch.render.comparison import effort_sentences, tuned_sentence
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/va_pearson")
CARD = SweepCard(goal=GOAL, cells=2)
DEV = {0: 0.50, 1: 0.40, 2: 0.60, 3: 0.70}
TEST = {0: 0.45, 2: 0.55, 3: 0.40}


@pytest.fixture
def stores(tmp_path: Path, make_trial: Callable[..., Any]) -> tuple[Store, Store]:
    """Four configurations of two seeds and one that was stopped early; three read on test."""
    rows, readings = Store(tmp_path / "carl"), Store(tmp_path / "carl" / "test")
    for number, score in DEV.items():
        for seed in range(2):
            trial = make_trial(number, score + 0.02 * seed - 0.01, seed=seed)
            rows.append(trial)
            if number in TEST:
                value = TEST[number] + 0.01 * seed
                readings.append(replace(trial, metrics={"test/va_pearson": value}, curve=()))
    rows.append(make_trial(4, 0.3, state=RunState.PRUNED))
    rows.append(make_trial(5, None, state=RunState.FAILED, reason="collapsed"))
    return rows, readings


def test_the_curve_is_of_what_was_drawn(stores: tuple[Store, Store]) -> None:
    [effort] = efforts(stores[0].table(), CARD)
    assert (effort.configurations, effort.stopped, effort.left_out, effort.default) == (4, 1, 1, 0)
    # 0.4, 0.6, 0.7 and, stopped on the first of two cells, the worst that was reached, 0.4: the
    # best of two of them without replacement.
    assert effort.short == 1
    pairs = [0.6, 0.7, 0.4, 0.7, 0.6, 0.7]
    assert effort.points[2]["unbiased"] == pytest.approx(sum(pairs) / 6)
    assert effort.points[4]["unbiased"] == pytest.approx(0.7)
    said = " ".join(effort_sentences([effort], [effort], GOAL, ("tpe", "random")))
    assert "tpe proposed by what came before" in said
    assert "was not drawn and does not count" in said
    assert "2 configurations were stopped before all of their cells had run" in said
    assert "last value" not in said


def test_a_stopped_configuration_of_one_cell_counts_with_its_last_value(
    tmp_path: Path, make_trial: Callable[..., Any]
) -> None:
    store = Store(tmp_path / "carl")
    for number, score in enumerate([0.5, 0.4, 0.6]):
        store.append(make_trial(number, score))
    store.append(make_trial(3, 0.3, state=RunState.PRUNED))
    [effort] = efforts(store.table(), SweepCard(goal=GOAL, cells=1))
    assert (effort.configurations, effort.stopped, effort.short) == (3, 1, 0)
    assert effort.points[2]["unbiased"] == pytest.approx((0.6 + 0.4 + 0.6) / 3)
    said = " ".join(effort_sentences([effort], [effort], GOAL, ("random", "random")))
    assert "2 configurations stopped early count with their last value" in said


def test_the_first_pair_of_a_stopped_one_is_not_ahead_of_means(
    tmp_path: Path, make_trial: Callable[..., Any]
) -> None:
    """The easy pair alone gives 0.555; over both no configuration reached more than 0.45."""
    store = Store(tmp_path / "pairs")
    for number, (easy, hard) in enumerate([(0.5, 0.3), (0.6, 0.3), (0.52, 0.3)]):
        store.append(make_trial(number, easy, task="en-es"))
        store.append(make_trial(number, hard, task="en-nl"))
    store.append(make_trial(3, 0.555, task="en-es", state=RunState.PRUNED))
    [effort] = efforts(store.table(), SweepCard(goal=GOAL, cells=2, tasks=("en-es", "en-nl")))
    assert (effort.configurations, effort.short) == (3, 1)
    # 0.45 and 0.41 were reached; the stopped one counts as 0.41.
    assert effort.points[1]["unbiased"] == pytest.approx((0.45 + 0.41 + 0.41) / 3)
    assert effort.points[3]["unbiased"] == pytest.approx(0.45)


def test_by_the_worst_pair_overtuning_is_that_of_the_worst_pair(
    tmp_path: Path, make_trial: Callable[..., Any]
) -> None:
    """On test the mean falls from 0.45 to 0.40 while the worst pair rises from 0.30 to 0.36."""
    rows, readings = Store(tmp_path / "pairs"), Store(tmp_path / "pairs" / "test")
    dev = {0: {"en-es": 0.6, "en-nl": 0.3}, 1: {"en-es": 0.5, "en-nl": 0.42}}
    test = {0: {"en-es": 0.6, "en-nl": 0.3}, 1: {"en-es": 0.44, "en-nl": 0.36}}
    for number, task, seed in itertools.product(dev, dev[0], range(2)):
        trial = make_trial(number, dev[number][task], task=task, seed=seed)
        rows.append(trial)
        metrics = {"test/va_pearson": test[number][task] + 0.01 * seed}
        readings.append(replace(trial, metrics=metrics, curve=()))
    card = SweepCard(goal=GOAL, cells=4, tasks=("en-es", "en-nl"), aggregate="worst")
    [found] = tuned(rows.table(), readings.table(), card)
    assert (found.default, found.chosen) == (0, 1)
    assert found.found is not None and found.interval is not None
    assert found.found.dev_gain == pytest.approx(0.12)
    assert found.found.test_gain == pytest.approx(0.06) == pytest.approx(found.interval.value)
    assert "not overtuned" in tuned_sentence(found, GOAL, "pairs", "")
    [by_mean] = tuned(rows.table(), readings.table(), replace(card, aggregate="mean"))
    assert by_mean.found is not None and by_mean.found.test_gain == pytest.approx(-0.05)


def test_tuned_is_worse_on_test_than_the_default(stores: tuple[Store, Store]) -> None:
    [found] = tuned(stores[0].table(), stores[1].table(), CARD)
    assert (found.default, found.chosen, found.incumbents) == (0, 3, (0, 2, 3))
    assert found.found is not None and found.found.worse_than_first
    assert found.found.value == pytest.approx(0.15)
    assert found.found.relative == pytest.approx(1.5)
    said = tuned_sentence(found, GOAL, "carl", "")
    assert "gained +0.2000 on dev and -0.0500 on test over the default (trial 0)" in said
    assert "overtuned: the tuned one is worse on test than the default" in said


def test_without_readings_the_command_is_said(stores: tuple[Store, Store]) -> None:
    rows, readings = stores
    [found] = tuned(rows.table(), readings.table().slice(0, 0), CARD)
    assert found.found is None
    assert tuned_sentence(found, GOAL, "carl", "evaluate it").endswith("are read: evaluate it")


def test_a_search_per_task_has_a_curve_per_task(
    tmp_path: Path, make_trial: Callable[..., Any]
) -> None:
    store = Store(tmp_path / "pairs")
    for number, task in enumerate(["en", "en", "en", "fr", "fr"]):
        store.append(make_trial(number, 0.1 * number, task=task))
    card = SweepCard(goal=GOAL, cells=1, mode="per_task", tasks=("en", "fr"))
    found = efforts(store.table(), card)
    assert [(effort.task, effort.configurations) for effort in found] == [("en", 2), ("fr", 1)]
    named = tuned(store.table(), store.table().slice(0, 0), card)
    assert [(item.task, item.default, item.chosen) for item in named] == [
        ("en", 0, 2),
        ("fr", 3, 4),
    ]
