import random

import pyarrow as pa
import pytest

from raysearch.api.leaderboard import board_of
from raysearch.leaderboard.card import SweepCard
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.run import MetricGoal, RunState

GOAL = MetricGoal("dev/va_pearson")
NAMES = [
    "top_k",
    "relative_epsilon",
    "pgd_steps",
    "momentum",
    "contrastive_weight",
    "temperature",
    "label_temperature",
    "label_geometry",
    "learning_rate",
    "focal_gamma",
    "focal_alpha",
]


def _table(trials):
    rows = [trial_rows(trial) for trial in trials]
    schema = unify([row.schema for row in rows])
    return pa.concat_tables([conform(row, schema) for row in rows])


@pytest.fixture
def sweep(make_trial):
    """Thirty trials that differ in eleven settings: complete over 3 seeds, pruned, one failed."""
    generator = random.Random(1)
    trials = []
    for number in range(30):
        config = {name: round(generator.random(), 6) for name in NAMES}
        config["label_geometry"] = generator.choice(["gauss", "cos_centred", "cos_uncentred"])
        config["pgd_steps"] = generator.randint(1, 5)
        config["momentum"] = 1 - 10 ** (-2 - 2 * generator.random())
        score = 0.5 + 0.1 * config["top_k"]
        state = RunState.PRUNED if number % 3 == 1 else RunState.COMPLETE
        for seed in range(1 if state is RunState.PRUNED else 3):
            noisy = score + generator.gauss(0, 0.004)
            trials.append(make_trial(number, noisy, seed=seed, config=config, state=state))
    reason = "embedding collapse: mean cosine 0.998 > 0.99 at step 120"
    trials.append(make_trial(30, None, state=RunState.FAILED, reason=reason))
    return _table(trials)


def test_small_board_in_full(make_trial, draw):
    trials = [
        make_trial(0, 0.50, config={"top_k": 0.1}),
        make_trial(0, 0.52, seed=1, config={"top_k": 0.1}),
        make_trial(1, 0.61, config={"top_k": 0.25}),
        make_trial(1, 0.61, seed=1, config={"top_k": 0.25}, seconds=120.0),
        make_trial(2, 0.40, config={"top_k": 0.05}, state=RunState.PRUNED),
    ]
    board = board_of(_table(trials), SweepCard(goal=GOAL, cells=2))
    assert draw(board) == [
        "carl-emobank  carl on emobank with package:minilm (first 6 layers)",
        "dev/va_pearson, higher is better: mean ± sd (cells)",
        "3 trials: 2 complete, 1 pruned · 2m12s of training",
        "",
        "  rank  trial         dev/va_pearson   time  top_k",
        "     1      1    0.6100 ± 0.0000 (2)  2m03s   0.25",
        "     2      0    0.5100 ± 0.0141 (2)   6.0s    0.1",
        "pruned      2  0.4000          (1/2)   3.0s   0.05",
    ]


def test_one_cell_each_needs_no_spread(make_trial, draw):
    trials = [make_trial(n, 0.5 + n / 10, config={"top_k": n}) for n in range(2)]
    assert draw(board_of(_table(trials), SweepCard(goal=MetricGoal("dev/va_pearson", "minimize"))))[
        1:
    ] == [
        "dev/va_pearson, lower is better",
        "2 trials: 2 complete · 6.0s of training",
        "",
        "rank  trial  dev/va_pearson  time  top_k",
        "   1      0          0.5000  3.0s      0",
        "   2      1          0.6000  3.0s      1",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 160, 250])
def test_no_line_is_too_long_and_no_row_is_broken(sweep, draw, width):
    lines = draw(board_of(sweep, SweepCard(goal=GOAL, cells=3)), width)
    assert max(map(len, lines)) <= width
    places = {*map(str, range(1, 31)), "pruned", "failed"}
    words = [line.split() for line in lines]
    rows = [word for word in words if word and word[0] in places and word[1].isdigit()]
    assert len(rows) == 31


@pytest.mark.parametrize("width", [60, 80, 160, 250])
def test_every_setting_that_differs_is_a_column_or_is_named_below(sweep, draw, width):
    text = "\n".join(draw(board_of(sweep, SweepCard(goal=GOAL, cells=3)), width))
    head = text.split("rank")[0].split("\n", 4)[-1] + text.split("\n   1")[0]
    for name in NAMES:
        below = f"{name}=" in text
        column = all(part in head for part in name.split("_"))
        assert below or column, name
    assert ("more settings differ" in text) == (width < 160)


def test_at_80_columns_the_setting_that_matters_stays(sweep, draw):
    text = "\n".join(draw(board_of(sweep, SweepCard(goal=GOAL, cells=3)), 80))
    assert "top_k=" not in text
    assert "top_k" in text


def test_top_says_what_is_left_out_and_failures_are_told_all_the_same(sweep, draw):
    text = "\n".join(draw(board_of(sweep, SweepCard(goal=GOAL, cells=3), top=5), 160))
    assert "26 more: --top 0 shows all" in text
    assert "31 trials: 20 complete, 10 pruned, 1 failed" in text
    assert "trial 30 failed: embedding collapse: mean cosine 0.998 > 0.99 at step 120" in text


def test_many_failures_are_shortened(make_trial, draw):
    trials = [make_trial(n, None, state=RunState.FAILED, reason="no memory") for n in range(6)]
    trials += [
        make_trial(10 + n, None, state=RunState.FAILED, reason=f"reason {n}") for n in range(4)
    ]
    lines = draw(board_of(_table(trials), SweepCard(goal=GOAL)))
    assert "trial 0, 1, 2 and 3 more failed: no memory" in lines
    assert lines[-1] == "and 2 more reasons: --format csv shows them"


def test_who_lacks_the_metric_is_not_ranked_and_said(make_trial, draw):
    trials = [make_trial(0, 0.4), make_trial(0, 0.5, seed=1), make_trial(1, 0.9)]
    trials.append(make_trial(1, None, seed=1))
    lines = draw(board_of(_table(trials), SweepCard(goal=GOAL, cells=2)))
    assert "trial 1 is not ranked: dev/va_pearson is lacking in 1 of its cells" in lines
    assert any(line.startswith("partial") and "(1/2)" in line for line in lines)


def test_ascii_where_the_stream_has_no_more(sweep, draw):
    lines = draw(board_of(sweep, SweepCard(goal=GOAL, cells=3)), encoding="ascii")
    assert any("+- 0.00" in line for line in lines)


def test_several_methods_and_unknown_encoder(make_trial, draw):
    trials = [make_trial(0), make_trial(1, method="msmo")]
    table = _table(trials).drop_columns(["config/encoder"])
    lines = draw(board_of(table, SweepCard(goal=GOAL)))
    assert lines[0] == "carl-emobank  carl, msmo on emobank with an encoder that is not recorded"
    assert any("method" in line for line in lines)


def test_unranked_rows_only(make_trial, draw):
    lines = draw(
        board_of(_table([make_trial(0, 0.3, state=RunState.PRUNED)]), SweepCard(goal=GOAL))
    )
    assert lines[-1] == "pruned      0          0.3000  3.0s"
