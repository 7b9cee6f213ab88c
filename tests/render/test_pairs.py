"""What a sweep over several pairs looks like, at 60, 80 and 160 columns."""

from dataclasses import replace

import pyarrow as pa
import pytest
from rich.cells import cell_len

from raysearch.analysis.selection import regrets
from raysearch.api.leaderboard import board_of
from raysearch.leaderboard import SweepCard
from raysearch.leaderboard.schema import conform, trial_rows, unify
from raysearch.render.readings import RegretTable, read_words, readings_table, worst_words
from raysearch.run import Cell, MetricGoal

GOAL = MetricGoal("dev/f1")
PAIRS = ("en-es", "en-fr", "en-nl", "en-ru")
JOINT = SweepCard(goal=GOAL, cells=12, tasks=PAIRS)
WORST = SweepCard(goal=GOAL, cells=12, tasks=PAIRS, aggregate="worst")
ALONE = SweepCard(goal=GOAL, cells=3, tasks=PAIRS, mode="per_task")
PAPER = {pair: {"consistency_weight": 0.0015, "unknown": 1} for pair in PAIRS}


def _table(trials):
    rows = [trial_rows(trial) for trial in trials]
    schema = unify([row.schema for row in rows])
    return pa.concat_tables([conform(row, schema) for row in rows])


@pytest.fixture
def small(make_trial):
    """Two configurations on two pairs with one seed each; trial 1 is better at its worst."""
    scores = [(0, "en-es", 0.70), (0, "en-fr", 0.40), (1, "en-es", 0.52), (1, "en-fr", 0.50)]
    return _table(
        make_trial(
            number,
            cell=Cell(pair, 0),
            method="msmo",
            metrics={"dev/f1": value},
            config={"top_k": 0.1 * (number + 1)},
        )
        for number, pair, value in scores
    )


def test_a_mean_of_every_pair_in_full(small, draw):
    card = SweepCard(goal=GOAL, cells=2, tasks=("en-es", "en-fr"))
    assert draw(board_of(small, card))[1:] == [
        "dev/f1, higher is better: mean ± sd (cells)",
        "2 trials: 2 complete · 12s of training",
        "",
        "rank  trial               dev/f1   en-es   en-fr  top_k  time",
        "   1      0  0.5500 ± 0.2121 (2)  0.7000  0.4000    0.1  6.0s",
        "   2      1  0.5100 ± 0.0141 (2)  0.5200  0.5000    0.2  6.0s",
    ]


def test_the_worst_pair_ranks_and_it_says_so(small, draw):
    card = SweepCard(goal=GOAL, cells=2, tasks=("en-es", "en-fr"), aggregate="worst")
    lines = draw(board_of(small, card))
    assert lines[1] == "dev/f1, higher is better, ranked by the worst pair: mean ± sd (cells)"
    assert lines[4].split()[:4] == ["rank", "trial", "worst", "dev/f1"]
    assert lines[5].split()[:3] == ["1", "1", "0.5000"]


def test_a_section_a_pair_in_full(small, draw):
    card = SweepCard(goal=GOAL, cells=1, tasks=("en-fr", "en-es"), mode="per_task")
    assert draw(board_of(small, card, "pair"))[4:] == [
        " pair  rank  trial  dev/f1  time  top_k",
        "en-fr     1      1  0.5000  3.0s    0.2",
        "          2      0  0.4000  3.0s    0.1",
        "",
        "en-es     1      0  0.7000  3.0s    0.1",
        "          2      1  0.5200  3.0s    0.2",
    ]


def test_a_pair_without_room_is_named(make_pairs, draw):
    lines = draw(board_of(_table(make_pairs("joint")), WORST, top=5), 60)
    assert max(map(len, lines)) <= 60
    assert "no room for en-nl, en-ru: --by pair shows every pair" in lines


def test_top_is_of_every_pair(make_pairs, draw):
    text = "\n".join(draw(board_of(_table(make_pairs("per_task")), ALONE, "pair", top=2), 160))
    assert [text.count(f"\n{pair} ") for pair in PAIRS] == [1] * 4
    assert "ranked within each pair" in text
    assert "56 more: --top 0 shows all" in text
    assert "64 trials: 55 complete, 9 pruned" in text


def test_equal_settings_of_pairs_stand_in_one_row(make_pairs, draw):
    lines = draw(board_of(_table(make_pairs("per_task")), ALONE, top=3), 160)
    [first] = [line.split() for line in lines if line.split()[:1] == ["1"]]
    assert first[1] == "0" and first[5] == "(12)" and "–" not in first
    assert any("(3/12)" in line and "–" in line for line in lines)
    assert any("every pair was searched by itself" in line for line in lines)


def test_parameters_by_pair(make_pairs, draw):
    board = board_of(_table(make_pairs("per_task")), ALONE, "parameter", papers=PAPER)
    lines = draw(board, 80)
    assert list(PAIRS) in [line.split() for line in lines]
    at = next(i for i, line in enumerate(lines) if line.startswith("consistency_weight"))
    assert lines[at + 1].split() == ["paper", *["0.0015"] * 4]
    assert len(lines[at].split()) == 1 + 2 * 4
    assert not any(line.startswith("schedule") for line in lines)
    assert next(line for line in lines if line.startswith("complete")).split()[2:] == [
        "14", "13", "14", "14"
    ]  # fmt: skip


def test_too_few_trials_for_a_correlation_is_said(small, draw):
    card = SweepCard(goal=GOAL, cells=2, tasks=("en-es", "en-fr"))
    assert draw(board_of(small, card, "parameter"))[3:] == [
        "                  en-es    en-fr",
        "best trial            0        1",
        "dev/f1           0.7000   0.5000",
        "complete trials       2        2",
        "top_k               0.1      0.2",
        "",
        "no pair has the 8 complete trials that a rank correlation needs",
    ]


def test_a_long_value_pushes_no_column_out_of_sight(make_trial, draw):
    folder = "/home/somebody/" + "deep/" * 20
    trials = [
        make_trial(n, cell=Cell(pair, 0), config={"encoder": f"{folder}{name}", "top_k": 0.1 * n})
        for n, (pair, name) in enumerate([("en-es", "first"), ("en-fr", "第二")], 1)
    ]
    card = SweepCard(goal=MetricGoal("dev/va_pearson"), cells=2, tasks=("en-es", "en-fr"))
    board = board_of(_table(trials), card, "parameter")
    for width in (40, 80):
        lines = draw(board, width)
        assert max(map(cell_len, lines)) <= width
        ends = [line.split()[-1] for line in lines if line.startswith("encoder")]
        assert [end[-8:] for end in ends] == ["ep/first", "/deep/第二"]
        assert all(end.startswith("...") for end in ends)
        assert [line.split()[-1] for line in lines if line.startswith("top_k")] == ["0.1", "0.2"]
    ends = [line for line in draw(board, 400) if line.startswith("encoder")]
    assert ends[0].split()[1:] == [f"{folder}first", f"{folder}第二"]


def test_more_pairs_than_fit_go_below(make_pairs, draw):
    lines = draw(board_of(_table(make_pairs("joint")), JOINT, "parameter"), 50)
    assert sum(line.startswith("best trial") for line in lines) == 2
    assert "  paper" not in lines


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("mode", "card"), [("joint", JOINT), ("joint", WORST), ("per_task", ALONE)]
)
def test_no_line_is_too_long(make_pairs, draw, width, encoding, mode, card):
    trials = make_pairs(mode)
    table = _table(trials)
    judged = [t for t in trials if t.state == "complete" and t.number % 5]
    readings = _table(
        make_read(trial, "target_dev/f1", trial.metrics["dev/f1"] - 0.05) for trial in judged
    )
    first = [t for t in trials if t.number % 16 == 0]
    shown = [
        board_of(table, card, top=5),
        board_of(table, card, "pair", top=3),
        board_of(table, card, "parameter", papers=PAPER),
        RegretTable(GOAL, "target_dev", regrets(table, readings, card, "target_dev"), "results/m"),
        readings_table([make_read(t, "test/f1", 0.5) for t in first], first="f1"),
    ]
    for value in shown:
        lines = draw(value, width, encoding=encoding)
        assert max(map(len, lines)) <= width
        assert "…" not in "\n".join(lines) and "?" not in "\n".join(lines)
        assert all(any(pair in line for line in lines) for pair in PAIRS)


def make_read(trial, metric, value):
    return replace(trial, metrics={metric: value})


def test_regret_in_full(make_trial, draw):
    scores = {(0, "en-es"): (0.6, 0.3), (1, "en-es"): (0.5, 0.35), (2, "en-fr"): (0.5, 0.2)}
    cells = [make_trial(n, cell=Cell(pair, 0)) for n, pair in scores]
    table = _table(make_read(t, "dev/f1", scores[t.number, t.cell.task][0]) for t in cells)
    read = _table(
        make_read(t, "target_dev/f1", scores[t.number, t.cell.task][1]) for t in cells[:2]
    )
    card = SweepCard(goal=GOAL, cells=1, tasks=("en-es", "en-fr"), mode="per_task")
    rows = regrets(table, read, card, "target_dev")
    assert draw(RegretTable(GOAL, "target_dev", rows, "results/m")) == [
        "results/m: selection regret",
        "selected by dev/f1; the oracle selects by target_dev/f1",
        "",
        "                                                   rank",
        "pair   chosen  its f1  oracle's  its f1   regret  corr.  read  missing",
        "en-es       0  0.3000         1  0.3500  +0.0500  -1.00     2        0",
        "en-fr       2       –         –       –        –      –     0        1",
        "",
        "chosen, oracle's: trial numbers; f1: target_dev/f1, mean over the cells; rank",
        "corr.: of the two metrics over the trials read; missing: complete, but not read",
        "read what is missing: python -m raysearch evaluate results/m --oracle",
    ]


def test_readings_of_one_configuration_over_pairs_in_full(make_trial, draw):
    """en-es 0.5 and 0.7: 0.6 ± 0.141; en-fr 0.4 twice; all four 0.5 ± 0.141."""
    values = {"en-es": [0.5, 0.7], "en-fr": [0.4, 0.4]}
    trials = [
        make_trial(8, cell=Cell(pair, seed), metrics={"test/recall": 0.25, "test/f1": value})
        for pair, scores in values.items()
        for seed, value in enumerate(scores)
    ]
    assert draw(readings_table(trials, first="f1"))[3:] == [
        "pair       trial  cells             f1         recall",
        "en-es          8      2  0.600 ± 0.141  0.250 ± 0.000",
        "en-fr          8      2  0.400 ± 0.000  0.250 ± 0.000",
        "all pairs      8      4  0.500 ± 0.141  0.250 ± 0.000",
    ]
    assert draw(readings_table(trials, first="f1"), 45)[-1] == "in a wider terminal: recall"
    assert worst_words(trials, MetricGoal("test/f1")) == [
        "trial 8: test/f1 0.400 ± 0.000 on en-fr, its worst pair; the sweep ranks by the worst"
    ]
    assert worst_words(trials[:2], MetricGoal("test/f1")) == []
    alone = draw(readings_table(trials[:2], first="f1"))
    first = next(line for line in alone if "f1" in line)
    assert "0.600 ± 0.141" in first and alone.index(first) < len(alone) - 2


def test_data_that_was_opened_more_than_once_is_told(draw):
    often = read_words([(0, 1), (1, 2), (1, 3)])
    assert often == "opened 3 times for trial 1" and read_words([(0, 1)]) == "read once"
    text = draw(RegretTable(GOAL, "target_dev", [], "results/m", often))
    assert text[-1] == "target dev was opened 3 times for trial 1"
