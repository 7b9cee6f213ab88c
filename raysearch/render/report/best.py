"""Report sections on the best configuration: its certainty, its test data, and all trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import sqrt
from shlex import quote
from statistics import fmean, variance

import numpy as np

from raysearch.findings.sweep import oracle_goal
from raysearch.leaderboard.keys import column_values
from raysearch.leaderboard.openings import counts_in
from raysearch.leaderboard.rank import Ranked
from raysearch.objective import deciding_cells, paired_differences
from raysearch.printable import counted
from raysearch.render.format import duration, score, setting
from raysearch.render.readings import read_words
from raysearch.render.report.figure import (
    Block,
    Figure,
    Note,
    Section,
    TableBlock,
    View,
    between,
    colour,
    label,
    listed,
    of_mean,
    percent,
    short,
    tidy,
)
from raysearch.render.report.sweep import Contest, SweepView
from raysearch.run import Cell
from raysearch.statistics.intervals import Interval, by_task, mean_interval

__all__ = ["best_section", "lead_words", "selection_section", "trials_section"]

_SHOWN = 10
_ROWS = 200


def best_section(sweep: SweepView) -> Section:
    """The best of each contest, beside the paper's own setting and the runners-up."""
    rows = [_row(sweep, contest) for contest in sweep.contests]
    heads = (sweep.noun, "best trial", "mean ± sd", "cells", "95 % interval", "paper's own",
             "gain over it", "trials")  # fmt: skip
    table = TableBlock(
        title=f"Best of each {sweep.noun}" if len(rows) > 1 else "Best",
        heads=heads,
        rows=rows,
        caption=_over_pairs(sweep),
    )
    views = [_top_view(sweep, contest) for contest in sweep.contests if contest.complete]
    blocks: list[TableBlock | Figure] = [table]
    if views:
        blocks.append(Figure(title="The first ten, cell by cell", views=views, height=380))
    shown = sweep.contests[:1] if sweep.card.mode == "joint" else sweep.contests[:4]
    finding = "\n".join(lead_words(sweep, contest) for contest in shown)
    return Section(name="Best", blocks=blocks, finding=finding)


def trials_section(sweep: SweepView) -> Section:
    """Every configuration with the settings that were searched, the first of many."""
    names = [one.name for one in sweep.ranges]
    worst = any(contest.aggregate == "worst" for contest in sweep.contests)
    rows: list[list[str | float | int]] = []
    total = sum(len(contest.items) for contest in _numbered_once(sweep))
    for contest in _numbered_once(sweep):
        for item in contest.items[: max(_ROWS // len(_numbered_once(sweep)), 20)]:
            rows.append(_trial_row(item, names, worst=worst))
    left = total - len(rows)
    more = (
        f" The page holds the first {len(rows):,} of {total:,}; all of them: "
        "raysearch leaderboard --format csv."
        if left
        else ""
    )
    of_worst = (f"worst {sweep.noun}",) if worst else ()
    heads = ("rank", "trial", sweep.noun, "state", *of_worst, "mean", "sd", "cells", "time", *names)
    caption = "Click a head to sort by it, type to filter. Spread is over the cells." + more
    table = TableBlock(title="Trials", heads=heads, rows=rows, caption=caption, search=True)
    return Section(name="Trials", blocks=[table])


def lead_words(sweep: SweepView, contest: Contest) -> str:
    """Which configuration is best, and whether it differs from the runner-up."""
    ranked = contest.complete
    where = "" if len(sweep.contests) == 1 else f"{contest.name}: "
    if not ranked:
        return f"{where}No trial is complete, so nothing can be said about settings."
    best = ranked[0]
    score = of_mean(best.score, best.score_sd, len(_deciding(sweep, contest, best.trial)))
    text = f"{where}Trial {best.trial} is best: {sweep.metric} {score}"
    text += _of_worst(sweep, contest, best.trial)
    if len(ranked) == 1:
        return text + "; no other trial is complete."
    found = _lead(sweep, contest, best.trial, ranked[1].trial)
    second = f"trial {ranked[1].trial}"
    if found is None or not found.bounded:
        return f"{text}; with one cell each, its lead over {second} has no interval."
    level = _level_with(sweep, contest, ranked)
    if found.excludes_zero:
        return (
            f"{text}; its lead over {second} is {between(found, 4)} (95 %, paired, not "
            f"corrected for being the best of {len(ranked):,})."
        )
    return (
        f"{text}, but {counted(level, 'other trial')} {'is' if level == 1 else 'are'} not "
        f"distinguishable from it by these cells: the lead over {second} is "
        f"{between(found, 4)} (95 %, paired)."
    )


def _level_with(sweep: SweepView, contest: Contest, ranked: Sequence[Ranked]) -> int:
    """How many of the first hundred do not differ significantly from the best."""
    leads = (_lead(sweep, contest, ranked[0].trial, item.trial) for item in ranked[1:100])
    return sum(found is not None and not found.excludes_zero for found in leads)


def _lead(sweep: SweepView, contest: Contest, first: int, second: int) -> Interval | None:
    """The first's lead by the ranking value, above 0; None if they share no cell."""
    cells = [contest.cells.get(trial, {}) for trial in (first, second)]
    one, two = cells if sweep.higher else reversed(cells)
    strata = paired_differences(one, two, sweep.card.goal, contest.aggregate)
    return mean_interval(strata) if strata else None


def _deciding(sweep: SweepView, contest: Contest, trial: int) -> dict[Cell, float]:
    """The cells behind a configuration's score."""
    return deciding_cells(contest.cells.get(trial, {}), sweep.card.goal, contest.aggregate)


def _of_worst(sweep: SweepView, contest: Contest, trial: int) -> str:
    """Which task decides, if the worst one does."""
    if contest.aggregate == "mean":
        return ""
    return f" on {next(iter(_deciding(sweep, contest, trial))).task}, its worst {sweep.noun}"


def _numbered_once(sweep: SweepView) -> Sequence[Contest]:
    """Contests that hold each configuration once: all of a joint sweep, each of the others."""
    return sweep.contests[:1] if sweep.card.mode == "joint" else sweep.contests


def _row(sweep: SweepView, contest: Contest) -> list[str | float | int]:
    ranked = contest.complete
    paper = contest.numbered(contest.paper)
    complete = paper is not None and paper.rank is not None
    of_paper = short(paper.score) if paper and complete else (str(paper.status) if paper else "–")
    if not ranked:
        return [contest.name, "none", "–", 0, "–", of_paper, "–", len(contest.items)]
    best = ranked[0]
    interval = mean_interval(by_task(_deciding(sweep, contest, best.trial)))
    ends = f"{short(interval.low)} … {short(interval.high)}" if interval.bounded else "one cell"
    gain = None
    if paper and complete and paper.trial != best.trial:
        gain = _lead(sweep, contest, best.trial, paper.trial)
    cells = len(_deciding(sweep, contest, best.trial))
    spread = f" ± {short(best.score_sd)}" if cells > 1 else ""
    return [
        contest.name,
        best.trial,
        f"{short(best.score)}{spread}{_of_worst(sweep, contest, best.trial)}",
        cells,
        ends,
        of_paper,
        between(gain, 4) if gain else ("it is the best" if complete else "–"),
        len(contest.items),
    ]


def _over_pairs(sweep: SweepView) -> str:
    words = [lead_words(sweep, contest) for contest in sweep.contests]
    alone = sweep.per_task
    if sweep.card.mode == "per_task" and len(alone) > 1:
        bests = [contest.complete[0].mean for contest in alone if contest.complete]
        if len(bests) == len(alone):
            words.append(f"Over pairs, the best of each have a mean of {short(fmean(bests))}.")
        else:
            missing = [contest.name for contest in alone if not contest.complete]
            words.append(f"No mean over pairs: {listed(missing)} has no complete trial.")
    if any(contest.aggregate == "worst" for contest in sweep.contests):
        words.append(
            "Over all pairs the worst pair of each trial ranks it; a lead is that of one trial's "
            "worst pair over the other's, seed by seed."
        )
    words.append("Selected on dev data: as a test score the best is optimistic.")
    return " ".join(words)


def _top_view(sweep: SweepView, contest: Contest) -> View:
    """Mean with its interval and every cell of the first ten."""
    shown = contest.complete[:_SHOWN]
    names = [f"trial {item.trial}" for item in shown]
    places, values, texts = [], [], []
    for name, item in zip(names, shown, strict=True):
        for cell, value in contest.cells.get(item.trial, {}).items():
            places.append(name)
            values.append(value)
            texts.append(label(f"{cell.task} seed {cell.seed}"))
    found = [mean_interval(by_task(_deciding(sweep, contest, item.trial))) for item in shown]
    means = {
        "type": "scatter",
        "mode": "markers",
        "name": f"{'mean' if contest.aggregate == 'mean' else 'worst'}, 95 % interval",
        "x": tidy([one.value for one in found]),
        "y": names,
        "marker": {"color": colour(0), "size": 10, "symbol": "diamond"},
        "error_x": {
            "type": "data",
            "symmetric": True,
            "array": tidy([one.high - one.value if one.bounded else 0.0 for one in found]),
            "color": colour(0),
            "thickness": 1.5,
        },
    }
    cells = {
        "type": "scatter",
        "mode": "markers",
        "name": "a cell",
        "x": tidy(values),
        "y": places,
        "text": texts,
        "hovertemplate": "%{x}<br>%{text}<extra></extra>",
        "marker": {"color": colour(1), "size": 7, "symbol": "circle-open"},
    }
    layout = {
        "xaxis": {"title": {"text": label(sweep.metric)}},
        "yaxis": {"autorange": "reversed", "type": "category"},
    }
    return View(
        name=contest.name,
        traces=[cells, means],
        layout=layout,
        caption=_spread_words(sweep, contest),
    )


def _spread_words(sweep: SweepView, contest: Contest) -> str:
    """How much of the difference between trials is explained by seeds alone."""
    groups: dict[tuple[int, str], list[float]] = {}
    for item in contest.complete:
        for cell, value in contest.cells.get(item.trial, {}).items():
            groups.setdefault((item.trial, cell.task), []).append(value)
    within = [variance(values) for values in groups.values() if len(values) > 1]
    if not within:
        return (
            "With one seed a trial there is no spread between seeds, so nothing says how much of a "
            "difference is chance: run with more seeds."
        )
    noise = fmean(within)
    text = f"Seeds of one trial{'' if contest.task else ' and pair'} spread by {short(sqrt(noise))}"
    means = [item.score for item in contest.complete]
    if len(means) < 3 or not (among := variance(means)):
        return f"{text} (pooled sd)."
    deciding = [len(_deciding(sweep, contest, item.trial)) for item in contest.complete]
    chance = noise / fmean(deciding)
    share = min(chance / among, 1.0)
    verdict = ": these trials show no effect of the settings" if share == 1 else ""
    return (
        f"{text} (pooled sd). Of the variance between the {_figures(contest)} of "
        f"{counted(len(means), 'trial')} "
        f"chance explains {percent(share)}{verdict}."
    )


def _figures(contest: Contest) -> str:
    return "means" if contest.aggregate == "mean" else "worst pairs"


def _trial_row(item: Ranked, names: Sequence[str], *, worst: bool) -> list[str | float | int]:
    return [
        item.rank or "–",
        item.trial,
        item.tasks,
        str(item.status),
        *([short(item.score)] if worst else []),
        short(item.mean),
        short(item.sd),
        item.cells,
        duration(item.seconds),
        *(setting(item.config.get(name)) or "–" for name in names),
    ]


def selection_section(sweep: SweepView) -> Section:
    """Test readings and selection regret, or how to produce them."""
    test, regret = _test(sweep), _regret(sweep)
    blocks: list[Block] = [test, *([regret] if regret else [])]
    finding = regret.caption if isinstance(regret, TableBlock) else ""
    return Section(name="Selection", blocks=blocks, finding=finding)


def _test(sweep: SweepView) -> Block:
    table = sweep.record.test
    name = oracle_goal(sweep.card.goal, "test").name
    column = f"metric/{name}"
    if not table.num_rows or column not in table.column_names:
        return Note(
            title="Test data",
            text="The test data was not read yet. It is read once, for the selected trial:",
            commands=[f"python -m raysearch evaluate {quote(sweep.record.folder)} --trial best"],
        )
    values = column_values(table, column)
    groups: dict[tuple[str, int], list[float]] = {}
    pairs = zip(table.column("task").to_pylist(), table.column("trial").to_pylist(), strict=True)
    for key, value in zip(pairs, values.tolist(), strict=True):
        groups.setdefault(key, []).append(value)
    rows: list[list[str | int]] = []
    words = []
    for (task, trial), found in sorted(groups.items()):
        interval = mean_interval([found])
        spread = f" ± {short(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
        ends = f"{short(interval.low)} … {short(interval.high)}" if interval.bounded else "one cell"
        rows.append([task, trial, f"{short(interval.value)}{spread}", len(found), ends])
        words.append(f"{task} {short(interval.value)}")
    opened = read_words(counts_in(table)).capitalize()
    caption = f"{opened}, after selection: {name} of {listed(words)}."
    heads = (sweep.noun, "trial", f"{name}, mean ± sd", "cells", "95 % interval")
    return TableBlock(title="Test data", heads=heads, rows=rows, caption=caption)


def _regret(sweep: SweepView) -> Block | None:
    record = sweep.record
    if not record.role:
        return None
    title = "Selection regret"
    if not record.regrets:
        return Note(
            title=title,
            text=f"What selection on source data lost is known once {record.role} was read:",
            commands=[f"python -m raysearch evaluate {quote(record.folder)} --oracle"],
        )
    heads = ("pair", "chosen", "its score", "oracle's", "its score", "regret", "ρ of the metrics",
             "read", "missing")  # fmt: skip
    rows: list[list[str | int]] = [
        [
            one.task or "all pairs",
            "–" if one.chosen is None else one.chosen,
            score(one.chosen_value) or "–",
            "–" if one.oracle is None else one.oracle,
            score(one.oracle_value) or "–",
            "–" if math.isnan(one.value) else f"{one.value:+.4f}",
            "–" if math.isnan(one.agreement) else f"{one.agreement:+.2f}",
            one.read,
            one.missing,
        ]
        for one in record.regrets
    ]
    return TableBlock(title=title, heads=heads, rows=rows, caption=_words(sweep))


def _words(sweep: SweepView) -> str:
    regrets = [one for one in sweep.record.regrets if math.isfinite(one.value)]
    metric = oracle_goal(sweep.card.goal, sweep.record.role).name
    if not regrets:
        return f"No chosen trial was read on {sweep.record.role}, so its regret is not known."
    pairs = [one for one in regrets if one.task] or regrets
    worst = max(pairs, key=lambda one: one.value)
    none = sum(one.value <= 0 for one in pairs)
    text = (
        f"Selecting by {sweep.metric} lost {short(float(np.mean([o.value for o in pairs])))} of "
        f"{metric} on average over {counted(len(pairs), 'pair')}"
    )
    if len(pairs) > 1:
        text += f", most on {worst.task} ({worst.value:+.4f}), nothing on {none}"
    missing = sum(one.missing for one in pairs)
    rest = f"; {counted(missing, 'complete trial')} not read, so it may be more" if missing else ""
    return f"{text}{rest}. The oracle looked at target data: its choice is no fair competitor."
