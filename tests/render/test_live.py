import random
import time

import pyarrow as pa
import pytest

from raysearch.events import Event, EventKind, SweepHeader
from raysearch.leaderboard import rank
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.render.live import LiveState
from raysearch.run import MetricGoal, Report, RunSpec, RunState

GOAL = MetricGoal("dev/va_pearson")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_state(clock):
    def build(**changes):
        seconds = changes.pop("seconds", None)
        goal = changes.pop("goal", GOAL)
        card = {"name": "carl-emobank", "method": "carl", "trials": 10, "cells": 1}
        card |= {"metric": goal.name, "direction": goal.direction, **changes}
        header = SweepHeader(card=card, headline="", root="", seconds=seconds)
        return LiveState(header, clock)

    return build


def _spec(trial):
    return RunSpec(
        sweep=trial.sweep,
        number=trial.number,
        cell=trial.cell,
        method=trial.method,
        config=trial.config,
        folder="",
    )


def _start(state, trial):
    run = _spec(trial)
    state.event(Event(kind=EventKind.STARTED, run_id=run.id, run=run))


def _progress(state, run_id, step, total):
    state.event(Event(kind=EventKind.PROGRESS, run_id=run_id, step=step, total=total))


def _report(state, run_id, rung, value):
    report = Report(rung=rung, step=rung, seconds=1.0, metrics={"dev/va_pearson": value})
    state.event(Event(kind=EventKind.REPORT, run_id=run_id, report=report))


def _finish(state, trial, *, earlier=False):
    state.event(Event(kind=EventKind.TRIAL, run_id=trial.id, record=trial, earlier=earlier))


def test_before_anything_ran(make_state, draw):
    assert draw(make_state()) == [
        "carl-emobank  carl",
        "dev/va_pearson, higher is better",
        "──────────────── 0/10 trials · 0.0s gone",
        "0 running",
    ]


def test_running_trial_shows_progress_and_curve(make_state, make_trial, clock, draw):
    state, trial = make_state(), make_trial(3)
    _start(state, trial)
    clock.now = 12.0
    _progress(state, trial.id, 30, 60)
    for rung, value in enumerate([0.1, 0.2, 0.3], 1):
        _report(state, trial.id, rung, value)
    assert draw(state) == [
        "carl-emobank  carl on emobank with package:minilm (first 6 layers)",
        "dev/va_pearson, higher is better",
        "──────────────── 0/10 trials · 12s gone",
        "1 running",
        "",
        "trial 3  emobank s0  ━━━━━━━━────────  50%  ▁▅█  0.3000  12s",
    ]
    ascii_lines = draw(state, encoding="ascii")
    assert ascii_lines[-1] == "trial 3  emobank s0  ########........  50%  _+@  0.3000  12s"


def test_finished_trials_are_ranked_as_the_leaderboard_ranks_them(make_state, make_trial, draw):
    trials = [
        make_trial(n, (n * 7 % 10) / 10, seed=seed, config={"top_k": n / 10})
        for n in range(8)
        for seed in range(2)
    ]
    trials[3] = make_trial(1, None, seed=1, state=RunState.FAILED, reason="NaN")
    state = make_state(cells=2)
    for trial in trials:
        _start(state, trial)
        _finish(state, trial)
    schema = unify([trial_rows(trial).schema for trial in trials])
    table = pa.concat_tables([conform(trial_rows(trial), schema) for trial in trials])
    expected = [item.trial for item in rank(table, GOAL, cells=2)]
    lines = draw(state)
    assert "7 complete, 1 failed, 0 running" in lines
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("rank")) + 1
    shown = [int(line.split()[1]) for line in lines[start : start + 8]]
    assert shown == expected


def test_same_record_twice_counts_once(make_state, make_trial, draw):
    state = make_state()
    for _ in range(2):
        _finish(state, make_trial(0))
    assert any("1/10 trials" in line for line in draw(state))


def test_news_of_a_run_that_does_not_run_is_dropped(make_state, draw):
    state = make_state()
    _progress(state, "00000-x-s0", 1, 2)
    _report(state, "00000-x-s0", 1, 0.5)
    assert "0 running" in draw(state)


def test_time_left_by_hand(make_state, make_trial, clock):
    """Two of ten configurations in 20 s, half of a third: 7.5 left at 8 s each."""
    state = make_state()
    assert state.seconds_left() is None
    clock.now = 5.0  # Ray starts; no trial is slow because of it
    for number in range(2):
        _start(state, make_trial(number))
        clock.now += 10.0
        _finish(state, make_trial(number))
    third = make_trial(2)
    _start(state, third)
    _progress(state, third.id, 1, 2)
    assert state.seconds_left() == pytest.approx(7.5 * 20 / 2.5)


def test_trials_of_an_earlier_run_say_nothing_on_the_pace(make_state, make_trial, clock):
    state = make_state()
    for number in range(6):
        _finish(state, make_trial(number), earlier=True)
    assert state.seconds_left() is None
    _start(state, make_trial(6))
    clock.now = 10.0
    _finish(state, make_trial(6))
    assert state.seconds_left() == pytest.approx(3 * 10.0)


def test_time_limit_bounds_what_is_left(make_state, make_trial, clock):
    state = make_state(trials=0, seconds=60.0)
    clock.now = 20.0
    assert state.seconds_left() == pytest.approx(40.0)
    clock.now = 70.0
    assert state.seconds_left() == 0.0
    state = make_state(trials=2, seconds=1000.0)
    _start(state, make_trial(0))
    clock.now += 10.0
    _finish(state, make_trial(0))
    assert state.seconds_left() == pytest.approx(10.0)


def test_pruned_configuration_needs_no_more_cells(make_state, make_trial, draw):
    state = make_state(cells=3)
    _finish(state, make_trial(0, state=RunState.PRUNED))
    _finish(state, make_trial(1))
    text = "\n".join(draw(state))
    assert "1/10 trials" in text
    assert "1 partial, 1 pruned, 0 running" in text


def test_cells_that_are_let_go_of_run_no_more(make_state, make_trial, draw):
    state = make_state(cells=3)
    for number, seed in [(0, 0), (0, 1), (1, 0)]:
        _start(state, make_trial(number, seed=seed))
    _finish(state, make_trial(0, None, seed=1, state=RunState.FAILED, reason="no memory"))
    assert "1 running" in "\n".join(draw(state))


def test_lines_for_a_pipe(make_state, make_trial):
    state = make_state()
    trial = make_trial(0, 0.61)
    _finish(state, trial)
    assert state.line(trial) == (
        "1/10 trials · trial 0 emobank seed 0 complete · dev/va_pearson 0.6100 · 3.0s · "
        "best 0.6100 (trial 0)"
    )
    failed = make_trial(1, None, state=RunState.FAILED, reason="loss is NaN")
    _finish(state, failed)
    assert state.line(failed, "ascii") == (
        "2/10 trials | trial 1 emobank seed 0 failed | dev/va_pearson - | 3.0s | loss is NaN | "
        "best 0.6100 (trial 0)"
    )


def test_best_in_lines_is_the_first_of_the_ranking(make_state, make_trial):
    generator = random.Random(5)
    for direction in ("maximize", "minimize"):
        state = make_state(cells=2, goal=MetricGoal("dev/va_pearson", direction))
        trials = [
            make_trial(n, generator.randint(0, 3) / 4, seed=seed)
            for n in range(12)
            for seed in range(2)
        ]
        generator.shuffle(trials)
        for trial in trials:
            _finish(state, trial)
            first = state._rank()[:1]
            ending = f"(trial {first[0].trial})" if first[0].rank else "3.0s"
            assert state.line(trial).endswith(ending)


def test_cost_of_a_trial_does_not_grow(make_state, make_trial):
    """Told of 2,000 trials, a line each: CPU time of the last 200 near that of the first."""
    state = make_state(trials=2000)
    trials = [make_trial(number, number / 2000) for number in range(2000)]
    times = []
    for start in range(0, 2000, 200):
        began = time.process_time()
        for trial in trials[start : start + 200]:
            _finish(state, trial)
            state.line(trial)
        times.append(time.process_time() - began)
    assert min(times[-3:]) < 2 * max(times[1:4])


def test_many_slots_and_a_low_terminal_leave_room_for_the_best(make_state, make_trial, draw):
    state = make_state(trials=100)
    for number in range(30):
        _finish(state, make_trial(number, number / 100))
    for number in range(30, 60):
        _start(state, make_trial(number))
    lines = draw(state, height=24)
    assert len(lines) <= 24
    assert "and 22 more" in lines
    assert any("0.2900" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_line_is_too_long(make_state, make_trial, draw, width):
    state = make_state(cells=3)
    for number in range(8):
        config = {"label_temperature": number / 10, "contrastive_weight": 0.1 * number}
        for seed in range(3):
            _finish(state, make_trial(number, 0.5, seed=seed, config=config))
        _start(state, make_trial(number + 10))
    state.event(Event(kind=EventKind.MESSAGE, text="slot 1 was lost and has been replaced"))
    assert max(map(len, draw(state, width))) <= width


PAIRS = ("en-es", "en-fr", "en-nl", "en-ru")


def _pairs_state(make_state, trials, mode, **more):
    alone = mode == "per_task"
    return make_state(
        name="msmo",
        method="msmo",
        goal=MetricGoal("dev/f1"),
        trials=16,
        cells=3 if alone else 12,
        mode=mode,
        tasks=list(PAIRS),
        **more,
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 40), (160, 50)])
@pytest.mark.parametrize(
    ("mode", "aggregate"), [("per_task", "mean"), ("joint", "mean"), ("joint", "worst")]
)
def test_a_sweep_over_pairs_fits_and_shows_the_best_of_each(
    make_state, make_pairs, draw, mode, aggregate, width, height
):
    trials = make_pairs(mode)
    state = _pairs_state(make_state, trials, mode, aggregate=aggregate)
    for trial in trials[:-4]:
        _finish(state, trial)
    for trial in trials[-4:]:
        _start(state, trial)
    lines = draw(state, width, height)
    assert len(lines) <= height and max(map(len, lines)) <= width
    running = [line for line in lines if line.startswith("trial ")]
    assert len(running) == 4 and all("en-ru s" in line or "en-nl s" in line for line in running)
    if mode == "per_task":
        assert all(sum(line.startswith(f"{pair} ") for line in lines) == 1 for pair in PAIRS)
    else:
        [best] = [line for line in lines if line.startswith("best: ")]
        assert all(pair in best for pair in PAIRS)
    assert any("ranked by the worst pair" in line for line in lines) == (aggregate == "worst")


def test_lines_of_a_sweep_per_pair_name_the_best_of_the_pair(make_state, make_pairs):
    trials = make_pairs("per_task")
    state = _pairs_state(make_state, trials, "per_task")
    for trial in trials:
        _finish(state, trial)
    first = {ranking[0].tasks: ranking[0].trial for ranking in _by_task(state)}
    for pair in PAIRS:
        last = [trial for trial in trials if trial.cell.task == pair][-1]
        assert f"best of {pair} " in state.line(last)
        assert state.line(last).endswith(f"(trial {first[pair]})")


def test_lines_of_a_joint_sweep_name_the_best_by_the_worst_pair(make_state, make_pairs):
    trials = make_pairs("joint")
    state = _pairs_state(make_state, trials, "joint", aggregate="worst")
    for trial in trials:
        _finish(state, trial)
    first = state._rank()[0]
    assert state.line(trials[-1]).endswith(f"best {first.score:.4f} (trial {first.trial})")


def _by_task(state):
    state._rank()
    return state._by_task.values()
