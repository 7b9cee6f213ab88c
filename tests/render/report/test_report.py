import dataclasses
import json
import math
import random
import re
from html.parser import HTMLParser

import pytest

from raysearch.api.report import page_of
from raysearch.errors import ConfigError
from raysearch.findings.sweep import Regret
from raysearch.leaderboard import SweepCard
from raysearch.leaderboard.card import SearchRange
from raysearch.run import Cell, MetricGoal, RunState

EVIL = "<script>window.evil=1</script>'\"&amp;<b>x</b></script><!--"


class Page(HTMLParser):
    """Text, tags and the figures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.figures: dict = {}
        self.ids: list[str] = []
        self._within = ""
        self._name = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._within, self._name = tag, dict(attrs).get("id") or ""
        self.ids += [self._name] if self._name else []

    def handle_data(self, data):
        if self._within == "script":
            if self._name == "figures":
                self.figures = json.loads(data)
        elif self._within != "style":
            self.text += data + "\n"

    def handle_endtag(self, tag):
        self._within = ""

    def captions(self):
        return [view["caption"] for one in self.figures.values() for view in one["views"]]


def placebo_trials(make_trial, count=60, seeds=2):
    """Learning rate decides, epsilon does nothing."""
    random_ = random.Random(1)
    trials = []
    for number in range(count):
        config = {
            "learning_rate": 10 ** random_.uniform(-5, -3),
            "epsilon": 10 ** random_.uniform(-10, -7),
        }
        score = 0.6 - 0.1 * (math.log10(config["learning_rate"]) + 3) ** 2
        for seed in range(seeds):
            noise = random_.gauss(0, 0.01)
            metrics = {"dev/f1": score + noise}
            trials.append(make_trial(number, seed=seed, config=config, metrics=metrics))
    return trials


RANGES = (
    SearchRange(name="learning_rate", low=1e-5, high=1e-3, log=True),
    SearchRange(name="epsilon", low=1e-10, high=1e-7, log=True),
)


def test_a_placebo_is_shown_for_what_it_is(make_trial, make_record):
    record = make_record(placebo_trials(make_trial), card={"ranges": RANGES, "cells": 2})
    page = Page(page_of([record]))
    [words] = {c for c in page.captions() if "decides who is among the best" in c}
    assert words.startswith("learning_rate (")
    assert "Indistinguishable from noise: epsilon." in words
    [slice_] = [c for c in page.captions() if "direction of epsilon" in c]
    assert slice_.startswith("No direction of epsilon (ε) is significant")
    assert any("Larger values of learning_rate go with better scores" in c for c in page.captions())


def test_an_encoder_that_hardly_moved_is_no_result_of_the_method(make_trial, make_record):
    trials = [
        make_trial(n, method="carl", metrics={"dev/f1": 0.5, "dev/encoder_moved": share})
        for n, share in enumerate((0.003, 0.2, 0.0))
    ]
    page = Page(page_of([make_record(trials)]))
    assert "in 2 trials (0 and 2): their scores are those of the untrained encoder" in page.text


def test_each_figure_of_a_page_of_several_sweeps_has_an_id_of_its_own(make_trial, make_record):
    record = make_record(placebo_trials(make_trial, seeds=2), card={"ranges": RANGES, "cells": 2})
    one, two = Page(page_of([record])), Page(page_of([record, record]))
    assert len(one.figures) > 3 and len(two.figures) == 2 * len(one.figures)
    assert len(two.ids) == len(set(two.ids))


def test_with_few_trials_nothing_is_claimed(make_trial, make_record):
    few = placebo_trials(make_trial, count=5, seeds=1)
    page = Page(page_of([make_record(few, card={"ranges": RANGES})]))
    assert (
        "With 5 complete trials no setting's importance is distinguishable from noise" in page.text
    )
    assert "with one cell each, its lead over trial" in page.text


def test_the_best_is_named_with_its_spread_and_its_lead(make_trial, make_record):
    scores = {0: (0.50, 0.52), 1: (0.70, 0.71), 2: (0.69, 0.70)}
    trials = [
        make_trial(n, seed=seed, metrics={"dev/f1": value}, config={"top_k": 0.1 * n})
        for n, values in scores.items()
        for seed, value in enumerate(values)
    ]
    page = Page(page_of([make_record(trials, card={"cells": 2})]))
    assert "Trial 1 is best: dev/f1 0.7050 ± 0.0071 over 2 cells" in page.text
    assert (
        "its lead over trial 2 is +0.0100 [+0.0100, +0.0100] (95 %, paired, not corrected"
        in page.text
    )


def test_the_levels_of_pairs_are_no_uncertainty(make_trial, make_record):
    levels = {"en-es": 0.6, "en-fr": 0.4}
    trials = [
        make_trial(
            n,
            cell=Cell(task, seed),
            config={"top_k": 0.1 * n},
            metrics={"dev/f1": level + 0.02 * n + 0.01 * seed},
        )
        for n in range(4)
        for task, level in levels.items()
        for seed in (0, 1)
    ]
    page = Page(page_of([make_record(trials, card={"cells": 4})]))
    # Trial 3: 0.66, 0.67 and 0.46, 0.47, so 0.565 ± 4.3027 · sqrt(2 · 2.5e-5) / 2, as Welch has it.
    assert "0.5498 … 0.5802" in page.text
    [words] = [c for c in page.captions() if c.startswith("Seeds of one trial and pair")]
    # Variance over seeds 5e-5, of a mean over four cells 1.25e-5; between the trials 6.67e-4.
    assert "spread by 0.0071 (pooled sd)" in words and "chance explains 1.9 %." in words


@pytest.mark.parametrize("mode", ["joint", "per_task"])
def test_a_sweep_over_pairs_has_every_figure(mode, make_pairs, make_record):
    cells = 12 if mode == "joint" else 3
    record = make_record(make_pairs(mode), card={"mode": mode, "cells": cells})
    page = Page(page_of([record]))
    for title in (
        "Best of each pair", "The first ten, cell by cell", "Best so far", "Learning curves",
        "Importance of the settings", "Do the pairs agree on what is important", "Slices",
        "Setting × pair", "Configurations in parallel", "Pareto front", "States",
        "Not finished, and why", "Slots and nodes", "Trials", "Provenance", "How to run it again",
    ):  # fmt: skip
        assert title in page.text, title
    assert all(page.captions()), "a figure without words"
    assert all(view["traces"] for one in page.figures.values() for view in one["views"])
    names = [view["name"] for view in next(iter(page.figures.values()))["views"]]
    assert names == (["all pairs"] if mode == "joint" else []) + [
        "en-es",
        "en-fr",
        "en-nl",
        "en-ru",
    ]


def test_what_stands_in_rows_stays_text(make_trial, make_record):
    trials = [
        make_trial(
            number,
            sweep=EVIL,
            cell=Cell(EVIL, 0),
            config={"kind": EVIL if number % 2 else "$ink", EVIL: number},
            metrics={"dev/f1": 0.1 * number, EVIL: 1.0},
            state=RunState.FAILED if number == 3 else RunState.COMPLETE,
            reason=EVIL if number == 3 else "",
            provenance={"host": EVIL, "commit": EVIL},
        )
        for number in range(12)
    ]
    text = page_of([make_record(trials)])
    page = Page(text)
    assert "window.evil" in page.text and "<script>window.evil" not in text
    assert page.tags.count("script") == 3 and "b" not in page.tags
    drawn = [[v["traces"], v["layout"]] for one in page.figures.values() for v in one["views"]]
    assert "<script" not in json.dumps(drawn), "plotly.js would read a tag"
    assert "&lt;script" in json.dumps(drawn)


def test_text_on_the_page_is_printable(make_trial, make_record):
    hidden = "a\x1b[2J\u202eb\x9b\u200b"
    given = {"config": {"kind": hidden}, "provenance": {"host": hidden}}
    trials = [make_trial(n, metrics={"dev/f1": 0.1 * n}, **given) for n in range(6)]
    failed = make_trial(9, None, state=RunState.FAILED, reason=hidden, **given)
    text = page_of([make_record([*trials, failed])])
    figures = json.dumps(Page(text).figures, ensure_ascii=False)
    seen = text.partition("<main>")[2].partition("<script")[0]
    assert r"a\x1b[2J\u202eb\x9b\u200b" in seen
    assert not {"\x1b", "\u202e", "\x9b", "\u200b"} & {*seen, *figures}
    assert not re.search(r"(?<!\\)\\u001b", figures)


def test_the_page_names_the_digests_of_its_only_scripts_and_no_address(make_trial, make_record):
    text = page_of([make_record(placebo_trials(make_trial, 9))])
    policy = re.search('Content-Security-Policy" content="([^"]*)"', text)
    assert policy and "default-src 'none'" in policy[1]
    assert policy[1].count("sha256-") == 2 and "unsafe-eval" not in policy[1]
    assert "script-src 'unsafe-inline'" not in policy[1]
    body = text[: text.index('<script type="application/json"')]
    assert not re.search("(?:src|href)=[\"']?https?:", body)


def test_a_sweep_in_which_nothing_was_completed_still_has_its_reasons(make_trial, make_record):
    failed = [
        make_trial(n, None, state=RunState.FAILED, reason=f"loss is NaN at step {n}")
        for n in range(3)
    ]
    page = Page(page_of([make_record(failed)]))
    assert "No trial is complete" in page.text
    assert "loss is NaN at step 0" in page.text and "0, 1 and 2" in page.text


def test_one_trial_is_enough_for_a_page(make_trial, make_record):
    page = Page(page_of([make_record([make_trial(0, metrics={"dev/f1": 0.5})])]))
    assert "no other trial is complete" in page.text


def test_several_sweeps_share_a_page(make_trial, make_record):
    records = [
        make_record([make_trial(n, sweep=name, metrics={"dev/f1": 0.1 * n}) for n in range(3)])
        for name in ("first", "second")
    ]
    page = Page(page_of(records))
    assert "first and second" in page.text
    assert {name.split("-")[0] for name in page.figures} == {"s0", "s1"}


def test_regret_test_scores_and_mixed_rows_are_said(make_trial, make_record):
    trials = [
        make_trial(n, metrics={"dev/f1": 0.1 * n}, provenance={"commit": f"c{n}", "dirty": "true"})
        for n in range(3)
    ]
    regret = Regret(
        task="emobank", chosen=2, chosen_value=0.3, oracle=1, oracle_value=0.35, agreement=0.5,
        read=2, missing=1, value=0.05,
    )  # fmt: skip
    test = make_record([make_trial(2, metrics={"test/f1": 0.41})], "test/f1").table
    record = make_record(trials, regrets=[regret], role="target_dev", test=test)
    page = Page(page_of([record]))
    assert "lost 0.0500 of target_dev/f1 on average over 1 pair" in page.text
    assert "1 complete trial not read, so it may be more" in page.text
    assert "test/f1 of emobank 0.4100" in page.text
    assert "commit (3)" in page.text and "3 rows came from a source tree with changes" in page.text


def test_a_metric_that_no_row_has_is_an_error(make_trial, make_record):
    record = make_record([make_trial(0, 0.5)], "dev/va_pearson")
    other = SweepCard(goal=MetricGoal("dev/other"))
    with pytest.raises(ConfigError, match="must be a metric of these trials"):
        page_of([dataclasses.replace(record, card=other)])


def test_lower_is_better_turns_every_word(make_trial, make_record):
    trials = [
        make_trial(n, metrics={"dev/f1": 0.1 * n}, config={"top_k": 0.1 * n}) for n in range(12)
    ]
    card = {"ranges": (SearchRange(name="top_k", low=0.0, high=1.1),)}
    record = make_record(trials, card=card)
    low = SweepCard(
        goal=MetricGoal("dev/f1", "minimize"), ranges=card["ranges"], tasks=("emobank",)
    )
    page = Page(page_of([dataclasses.replace(record, card=low)]))
    assert "Trial 0 is best" in page.text and "lower is better" in page.text
    assert any("Smaller values of top_k go with better scores" in c for c in page.captions())
