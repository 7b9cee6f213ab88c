"""Sentences on the results of an experiment."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from raysearch.findings.experiment import PAPER_ARM, Answer, Arm, ArmResult, Course, Effect
from raysearch.methods.description import LEAST_MOVED
from raysearch.render.format import score, setting
from raysearch.run import Scalar
from raysearch.statistics.intervals import Interval

__all__ = [
    "answer_sentences",
    "arm_name",
    "course_sentence",
    "difference",
    "interval_text",
    "names_of",
    "spread",
    "tuned_text",
]

_ALPHA = 0.05
_NAMED = 6
"""Arms that a sentence names before it only counts the rest."""
_NO_INTERVAL = "without an interval, because so few cells carry none"
_VERDICTS = ("better", "worse", "not distinguishable", _NO_INTERVAL)


def arm_name(
    arm: Arm, self_naming: Collection[str] = (), names: Sequence[str] | None = None
) -> str:
    """``0.1`` if one setting is varied, ``rate 0.1, steps 20`` if several are.

    Args:
        arm: The arm.
        self_naming: Settings whose values are clear without the setting's name.
        names: Settings to name; None for all.
    """
    if arm.literal:
        return PAPER_ARM
    shown = [name for name in arm.settings if names is None or name in names]
    if len(shown) == 1 and (names is not None or shown[0] in self_naming):
        return _value(arm.settings[shown[0]])
    return ", ".join(
        _value(arm.settings[name])
        if name in self_naming
        else f"{name} {_value(arm.settings[name])}"
        for name in shown
    )


def names_of(answer: Answer) -> Callable[[Arm], str]:
    """The function that names the arms of a result.

    It omits the one setting in which all arms differ, and settings that follow from the others.
    """
    arms = [result.arm for result in answer.results if not result.arm.literal]
    varied = list(dict.fromkeys(name for arm in arms for name in arm.settings))
    if len(varied) == 1:
        return lambda arm: arm_name(arm, answer.self_naming, varied)
    implied = set()
    for kind in {tuple(arm.settings) for arm in arms}:
        alike = [arm for arm in arms if tuple(arm.settings) == kind]
        implied |= {
            (kind, name)
            for name in kind
            if name not in answer.self_naming
            and len(alike) > 1
            and len({a.settings[name] for a in alike}) == 1
        }

    def name(arm: Arm) -> str:
        kind = tuple(arm.settings)
        kept = [name for name in kind if (kind, name) not in implied]
        shown = replace(arm, settings={name: arm.settings[name] for name in kept})
        return arm_name(shown, answer.self_naming)

    return name


def spread(result: ArmResult) -> str:
    """``0.6120 ± 0.0040``, the sd between seeds; no spread from one seed."""
    sd = "" if math.isnan(result.sd) else f" ± {score(result.sd)}"
    return score(result.mean) + sd


def difference(result: ArmResult) -> str:
    """``+0.0123``; empty for the reference."""
    return f"{result.difference.value:+.4f}" if result.difference else ""


def tuned_text(arm: Arm) -> str:
    """``learning_rate 0.0002 of 3``: what was chosen, of how many; ``–`` where nothing was."""
    chosen = ", ".join(f"{name} {_value(value)}" for name, value in arm.tuned.items())
    return f"{chosen} of {arm.tried}" if chosen else "–"


def interval_text(interval: Interval) -> str:
    """``+0.0010 to +0.0210``, or that there is none."""
    if not interval.bounded:
        return "no interval"
    return f"{interval.low:+.4f} to {interval.high:+.4f}"


def answer_sentences(
    answer: Answer, failed: Mapping[str, str] | None = None, *, series: bool = False
) -> list[str]:
    """The answer, its uncertainty and its limits, most important first.

    Args:
        answer: The results.
        failed: Arm and number of cells that did not run to their end, such as ``frozen, 1 of 5
            cells``, to the reason.
        series: Whether the arms are a series of values: then the first sentence says whether they
            matter; for named arms, which is better.
    """
    name = names_of(answer)
    pairs = [*_against(answer, name), *_jointly(answer)]
    effects = [*(_effect(effect, answer) for effect in answer.effects), *_overall(answer)]
    return [
        *((*effects, *pairs) if series else (*pairs, *effects)),
        *(() if series else _beside(answer, name)),
        *_tuned(answer),
        *_unasked(answer, name),
        *_unmoved(answer, name),
        *_twins(answer, name),
        *_highest(answer, name),
        *_units(answer),
        *(f"Did not run to the end: {what}: {why}" for what, why in (failed or {}).items()),
    ]


def _against(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    groups: dict[str, list[ArmResult]] = {word: [] for word in _VERDICTS}
    for result in answer.others:
        if result.difference is not None:
            groups[_verdict(result.difference, answer)].append(result)
    parts = [
        f"{word}: {_listed(group, name, ends=word != _NO_INTERVAL and len(group) <= _NAMED)}"
        for word, group in groups.items()
        if group
    ]
    if parts:
        reference = f"{name(answer.reference.arm)} ({answer.goal.name} {spread(answer.reference)})"
        percent = f"{100 * answer.level:g} %"
        yield f"Against {reference}, difference with its {percent} interval: {'; '.join(parts)}."


def _verdict(interval: Interval, answer: Answer) -> str:
    """One of `_VERDICTS`."""
    if not interval.bounded:
        return _NO_INTERVAL
    if not interval.excludes_zero:
        return "not distinguishable"
    return "better" if answer.goal.better(interval.value, 0.0) else "worse"


def _listed(results: Sequence[ArmResult], name: Callable[[Arm], str], *, ends: bool = False) -> str:
    ordered = sorted(results, key=lambda result: -abs(_mean(result)))
    texts = []
    for result in ordered[:_NAMED]:
        bounds = f", {interval_text(result.difference)}" if ends and result.difference else ""
        texts.append(f"{name(result.arm)} ({difference(result)}{bounds})")
    if len(ordered) > _NAMED:
        texts.append(f"and {len(ordered) - _NAMED} more")
    return "; ".join(texts) if ends else ", ".join(texts)


def _mean(result: ArmResult) -> float:
    return result.difference.value if result.difference else 0.0


def _jointly(answer: Answer) -> Iterator[str]:
    compared = [
        result
        for result in answer.others
        if result.difference and result.jointly and result.twin is None
    ]
    single = [r for r in compared if r.difference and r.difference.excludes_zero]
    if len(compared) < 2 or not single:
        return
    joint = [result.jointly for result in single if result.jointly]
    level = f"{100 * joint[0].level:.4g} %"
    both = sum(interval.excludes_zero for interval in joint)
    yield (
        f"These are {len(compared)} comparisons, of which one in twenty would differ by chance; "
        f"taken together (Bonferroni, {level} each), {both} of the {len(single)} that differ "
        "still do."
    )


def _beside(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    """Of each further metric, the arms that are higher or lower than the reference."""
    for metric in answer.reference.beside:
        apart: dict[str, list[str]] = {"higher": [], "lower": []}
        for result in answer.others:
            interval = result.beside_difference.get(metric)
            if interval is not None and interval.bounded and interval.excludes_zero:
                way = "higher" if interval.value > 0 else "lower"
                apart[way].append(
                    f"{name(result.arm)} ({interval.value:+.4f}, {interval_text(interval)})"
                )
        parts = [f"{way}: {'; '.join(arms)}" for way, arms in apart.items() if arms]
        if parts:
            yield f"In {metric}, against {name(answer.reference.arm)}, {'; '.join(parts)}."
        elif answer.others:
            reference = name(answer.reference.arm)
            yield f"In {metric} no arm is distinguishable from {reference}."


def _effect(effect: Effect, answer: Answer) -> str:
    low, high = effect.best
    best, worst = (high, low) if answer.goal.direction == "maximize" else (low, high)
    test = effect.test
    reached = (
        f"means from {score(effect.means[worst])} ({effect.name} {_value(worst)}) to "
        f"{score(effect.means[best])} ({_value(best)})"
    )
    rests = f"p = {_p(test.p_value)}, F test over {test.blocks} cells"
    if math.isnan(test.p_value):
        return f"Whether {effect.name} matters cannot be said from one cell; {reached}."
    tests = len(answer.effects) + (answer.overall is not None)
    if test.p_value <= _ALPHA / tests:
        return f"{effect.name} matters: {reached}; {rests}."
    if test.p_value <= _ALPHA:
        return f"{effect.name} may matter: {reached}; {rests}, one of {tests} tests."
    return f"{effect.name} is not distinguishable from noise: {reached}; {rests}."


def _overall(answer: Answer) -> Iterator[str]:
    """Of settings that were not varied with all others held: whether any arm differs."""
    if answer.overall is None or math.isnan(answer.overall.p_value):
        return
    test, tests = answer.overall, len(answer.effects) + 1
    many = len(answer.untested) > 1
    verdict, rests = "are not distinguishable from noise", ""
    if test.p_value <= _ALPHA / tests:
        verdict = "differ"
    elif test.p_value <= _ALPHA:
        verdict, rests = "may differ", f", one of {tests} tests"
    yield (
        f"{' and '.join(answer.untested)} {'were' if many else 'was'} not varied with all else "
        f"held, so that {'they have no test of their' if many else 'it has no test of its'} own; "
        f"the {test.levels} configurations taken together {verdict}: p = {_p(test.p_value)}, "
        f"F test over {test.blocks} cells{rests}."
    )


def _tuned(answer: Answer) -> Iterator[str]:
    """What was tuned, and whether all arms had as many tries."""
    arms = [result.arm for result in answer.results if result.arm.tuned]
    names = list(dict.fromkeys(name for arm in arms for name in arm.tuned))
    if not arms:
        return
    tries = sorted({arm.tried for arm in arms})
    each = f"{tries[0]} configurations" if len(tries) == 1 else f"{tries[0]} to {tries[-1]} of them"
    one = len(names) == 1
    read = "; test was read for the chosen alone" if answer.goal.name.startswith("test/") else ""
    yield (
        f"{' and '.join(names)} {'was' if one else 'were'} chosen on dev for each arm that has "
        f"{'it' if one else 'them'}, from {each}{read}."
    )


def _unasked(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    for found in answer.unasked:
        parts = []
        for value, arms in found.arms.items():
            named = ", ".join(name(arm) for arm in arms[:_NAMED])
            more = f" and {len(arms) - _NAMED} more" if len(arms) > _NAMED else ""
            parts.append(f"{_value(value)} in {named}{more}")
        yield (
            f"Arms differ in more than the question: {found.name} is {'; '.join(parts)}. What they "
            "differ by may be due to it."
        )


def _unmoved(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    if answer.unmoved:
        named = ", ".join(name(arm) for arm in answer.unmoved)
        yield (
            f"The embeddings of {named} moved by less than "
            f"{100 * LEAST_MOVED:g} % of their spread: the score is that of the untrained encoder."
        )


def _twins(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    for result in answer.results:
        if result.twin is not None:
            yield (
                f"{name(result.arm)} is {name(result.twin)} once more, number for number, and is "
                "counted once."
            )


def _highest(answer: Answer, name: Callable[[Arm], str]) -> Iterator[str]:
    every = {cell for result in answer.results for cell in result.values}
    whole = [result for result in answer.distinct if set(result.values) == every]
    if len(whole) < 3:
        return
    maximize = answer.goal.direction == "maximize"
    pick = max if maximize else min
    best = pick(whole, key=lambda result: result.mean)
    word = "highest" if maximize else "lowest"
    yield (
        f"The {word} mean is that of {name(best.arm)}, {spread(best)}; it was picked from "
        f"{len(whole)} after they were seen, which flatters it."
    )


def _units(answer: Answer) -> Iterator[str]:
    seeds = {cell.seed for result in answer.results for cell in result.values}
    tasks = answer.tasks
    if len(tasks) > 1 and len(seeds) > 1:
        yield (
            f"Intervals are over {len(seeds)} seeds on these {len(tasks)} tasks; they say nothing "
            "of other tasks."
        )
    elif len(seeds) > 1:
        yield f"Intervals are over {len(seeds)} seeds on {tasks[0]} alone."


def _value(value: Scalar) -> str:
    return setting(value) or "null"


def _p(value: float) -> str:
    if value < 1e-4:
        return "0.0001 at most"
    return f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def course_sentence(found: Course) -> str:
    """Where a metric begins and ends, and whether the change is more than noise."""
    change = found.change
    ends = f"{change.value:+.4f}, {interval_text(change)}"
    clear = change.bounded and change.excludes_zero
    sure = "" if clear else ", which is not distinguishable from zero"
    return (
        f"{found.metric} is {score(found.first)} at the first report (step {found.steps[0]:.0f}) "
        f"and {score(found.last)} at the last (step {found.steps[1]:.0f}), over all arms: a change "
        f"of {ends}{sure}."
    )
