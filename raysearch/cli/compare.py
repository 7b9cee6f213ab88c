"""`raysearch compare A B`: is one configuration or sweep better than another, and how surely?"""

from __future__ import annotations

import argparse
import json
import sys
from shlex import quote
from typing import TYPE_CHECKING

from raysearch.cli.parsing import examples
from raysearch.errors import ConfigError, known_names
from raysearch.storage.place import redacted

if TYPE_CHECKING:
    from raysearch.analysis.compare import Contrast
    from raysearch.analysis.expected_best import ExpectedBest, Tuned
    from raysearch.api.select import Selection
    from raysearch.objective import Aggregate
    from raysearch.render.comparison import Comparison
    from raysearch.run import MetricGoal

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``compare``."""
    parser = commands.add_parser(
        "compare",
        help="is one better than the other, and how surely",
        description="Compare two configurations cell by cell (task and seed): the mean "
        "difference with a bootstrap interval, almost stochastic order, and, of two sweeps, the "
        "expected best against budget and whether tuning overshot. What cannot be concluded is "
        "said. Each side is SWEEP (its best), SWEEP:N, SWEEP:best or SWEEP:default (the paper's "
        "own setting, trial 0).",
        epilog=examples("raysearch compare results/carl results/carl:default"),
    )
    parser.add_argument("first", metavar="A", help="for example results/carl or results/carl:2")
    parser.add_argument("second", metavar="B", help="for example results/carl:default")
    parser.add_argument(
        "--metric",
        metavar="NAME[:min]",
        help="compare by this metric; test/… takes the readings of evaluate (default: A's own "
        "goal, and its test metric where both were read)",
    )
    parser.add_argument("--task", metavar="NAME", help="only cells of this corpus or pair")
    parser.add_argument(
        "--level", type=float, default=0.95, metavar="X", help="of intervals (default: 0.95)"
    )
    parser.add_argument(
        "--format", choices=("text", "json", "latex"), default="text", help="default: text"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare, and write it in the wanted form."""
    from raysearch.render.comparison import ComparisonBoard
    from raysearch.render.comparison_export import comparison_latex, comparison_record
    from raysearch.render.terminal import PIPED, Terminal

    if not 0.5 <= args.level < 1:
        raise ConfigError(f"`--level` must be from 0.5 to below 1, but got {args.level}")
    found = _compare(args)
    if args.format == "json":
        json.dump(comparison_record(found), sys.stdout, indent=1)
        sys.stdout.write("\n")
    elif args.format == "latex":
        sys.stdout.write(comparison_latex(found))
    else:
        Terminal(piped=PIPED).print(ComparisonBoard(found))
    return 0


def _compare(args: argparse.Namespace) -> Comparison:
    from raysearch.analysis.conclusions import contrast_sentences
    from raysearch.api.select import select, shared_goal
    from raysearch.leaderboard.origins import origins
    from raysearch.render.comparison import Comparison

    texts = (args.first, args.second)
    goal = shared_goal(texts, args.metric)
    sides = [select(text, goal=goal, task=args.task) for text in texts]
    first, second = sides
    for side in sides:
        sentences = origins(side.table).sentences
        sys.stderr.writelines(f"{redacted(side.folder)}: {text}\n" for text in sentences)
    rules = {side.card.aggregate for side in sides}
    rule: Aggregate = rules.pop() if len(rules) == 1 else "mean"
    contrasts = []
    for wanted, needed in _goals(goal, explicit=args.metric is not None):
        found = _contrast(first, second, wanted, rule, args.level)
        if found is None and needed:
            raise ConfigError(_nothing_shared(first, second, wanted))
        if found is not None:
            test = wanted.name.startswith("test/")
            one, two = (side.read if test else side.side for side in sides)
            contrasts.append((found, contrast_sentences(found, one, two)))
    curves, notes, tuning = _searches(first, second, goal)
    return Comparison(
        first=first.side,
        second=second.side,
        contrasts=contrasts,
        efforts=(curves[0], curves[1]),
        effort_notes=notes,
        tuning=tuning,
    )


def _goals(goal: MetricGoal, *, explicit: bool) -> list[tuple[MetricGoal, bool]]:
    """The metrics to compare by, and whether each must be there."""
    from raysearch.run import MetricGoal

    if explicit:
        return [(goal, True)]
    return [
        (goal, True),
        (MetricGoal(f"test/{goal.name.partition('/')[2]}", goal.direction), False),
    ]


def _contrast(
    first: Selection, second: Selection, goal: MetricGoal, rule: Aggregate, level: float
) -> Contrast | None:
    from raysearch.analysis.compare import contrast

    if goal.name.startswith("test/"):
        return contrast(first.read, second.read, goal, aggregate=rule, level=level)
    return contrast(first.side, second.side, goal, aggregate=rule, level=level)


def _nothing_shared(first: Selection, second: Selection, goal: MetricGoal) -> str:
    test = goal.name.startswith("test/")
    for name, side in (("A", first), ("B", second)):
        cells = side.read.cells if test else side.side.cells
        if not any(goal.name in trial.metrics for trial in cells.values()):
            numbers = " ".join(f"--trial {number}" for number in side.side.numbers)
            known = {known for trial in side.side.cells.values() for known in trial.metrics}
            cure = (
                f"python -m raysearch evaluate {quote(redacted(side.folder))} {numbers} reads them"
                if test
                else known_names([n for n in known if n.count("/") == 1])
            )
            return (
                f"`{goal.name}` must be a metric of {name}'s rows, but {side.side.label} has none "
                f"such; {cure}"
            )
    one, two = (
        ", ".join(f"{cell.task} seed {cell.seed}" for cell in sorted(side.side.cells)[:6])
        for side in (first, second)
    )
    return (
        f"A and B must share a cell (task and seed) to be compared, but A has {one} and B has {two}"
    )


def _searches(
    first: Selection, second: Selection, goal: MetricGoal
) -> tuple[list[list[ExpectedBest]], list[str], list[tuple[Tuned, str]]]:
    """What the searches bought, where the sides are the best of their sweeps.

    Returns:
        The curves of A and of B, what they say, and whether tuning overshot.
    """
    from raysearch.analysis.conclusions import effort_sentences, tuned_sentence
    from raysearch.analysis.expected_best import efforts, tuned
    from raysearch.leaderboard.openings import readings_of

    curves: list[list[ExpectedBest]] = []
    tuning: dict[str, Tuned] = {}
    for side in (first, second):
        if not side.searched or goal.name.startswith("test/"):
            curves.append([])
            continue
        curves.append(efforts(side.table, side.card))
        readings = readings_of(side.folder).table()
        for item in tuned(side.table, readings, side.card):
            command = (
                f"python -m raysearch evaluate {quote(redacted(side.folder))} "
                f"--trial {item.default} --trial {item.chosen}"
            )
            tuning[tuned_sentence(item, goal, side.side.label, command)] = item
    notes: list[str] = []
    if all(curves):
        notes = effort_sentences(curves[0], curves[1], goal, (first.sampler, second.sampler))
    return curves, notes, [(item, sentence) for sentence, item in tuning.items()]
