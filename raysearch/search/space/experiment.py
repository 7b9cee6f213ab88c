"""The section ``study`` of a search-space file: the question that an experiment answers.

A file in ``search_spaces/studies/`` is a search space like any other, whose combinations are
the *arms* of an experiment. It adds::

    study:
      question: Does detecting perturbed tokens help?
      metric: test/va_pearson          # what the answer is given in; :min where lower is better
      reference: {variant: carl}       # the arm that all others are compared with; or `paper`
      beside: [dev/detection_auc]      # further columns
      tuned: [learning_rate]           # not compared: each arm has the value that dev chose
      figure: bars                     # bars, lines, heat, curves, map or labels
      x: [epsilon, relative_epsilon]   # lines and heat: what runs along the axis, a panel each
      lines: variant                   # lines: one line for each of its values; `task`, too
      y: top_k                         # heat: the other setting; curves: a metric of the reports
      measure: embedding               # what is measured beyond the rows
      limits: [Data of one domain.]    # what the study cannot say
      small: [One small encoder.]      # what it cannot say at the small scale, besides
      paper: {seeds: 5, layers: 0}     # what `--scale paper` changes, settings and seeds

Only `question`, `metric`, `reference` and `figure` are required. The section does not affect
any trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysearch.config import Rule, as_scalar
from raysearch.errors import unknown_name
from raysearch.run import MetricGoal, Scalar
from raysearch.search.space.file import read_settings
from raysearch.search.space.parameters import Parameter, read_value
from raysearch.yaml_lines import LocatedValue, Problems

__all__ = ["FIGURES", "PAPER", "Question", "read_question"]

FIGURES: Mapping[str, tuple[str, ...]] = {
    "bars": (),
    "lines": ("x",),
    "heat": ("x", "y"),
    "curves": ("y",),
    "map": ("measure",),
    "labels": ("measure",),
}
"""Kind of figure to the keys that it needs."""
_SEEDS = Rule(kind="int", low=1)
PAPER = "paper"
"""The reference that is the paper's own setting, the sweep's first trial."""
_NEEDED = ("question", "metric", "reference", "figure")
_WORDS = ("figure", "lines", "y", "measure")
_LISTS = ("beside", "tuned", "x", "limits", "small")
_KEYS = (*_NEEDED, *_WORDS[1:], *_LISTS, "paper")


@dataclass(frozen=True, kw_only=True)
class Question:
    """The question that an experiment asks of a space.

    Attributes:
        text: One sentence that ends with a question mark.
        goal: The metric that answers it; ``test/…`` is read once all arms are trained.
        reference: Settings of the arm that others are compared with; empty for the paper's own
            setting.
        beside: Further metrics to show.
        tuned: Searched settings that tell no arms apart: of the trials that differ in these alone,
            the one that the space's objective ranks first is the arm.
        figure: Kind of figure, a key of `FIGURES`.
        x: Settings along the axis, one panel each.
        lines: What distinguishes the lines of a panel: a setting, ``task``, or "".
        y: The other setting of ``heat``, or the metric of ``curves``.
        measure: What is measured beyond the rows, or "".
        limits: What the study cannot show, one sentence each.
        small: What it cannot show at the small scale, in addition.
        paper: Settings that ``--scale paper`` changes.
        paper_seeds: Cells per task at that scale; None for the space's own.
    """

    text: str
    goal: MetricGoal
    reference: Mapping[str, Scalar]
    beside: tuple[str, ...]
    tuned: tuple[str, ...]
    figure: str
    x: tuple[str, ...]
    lines: str
    y: str
    measure: str
    limits: tuple[str, ...]
    small: tuple[str, ...]
    paper: Mapping[str, Any]
    paper_seeds: int | None


def read_question(
    node: LocatedValue, config_type: type, parameters: Sequence[Parameter], problems: Problems
) -> Question | None:
    """The checked section.

    Args:
        node: Value of the key ``study``.
        config_type: The method's config class.
        parameters: What the space searches.
        problems: Collects everything that is wrong.

    Returns:
        The question, or None if anything was wrong.
    """
    before = len(problems)
    section = problems.mapping("study", node)
    if len(problems) > before:
        return None
    problems.check_keys("key of `study`", section, _KEYS)
    for key in _NEEDED:
        if key not in section:
            problems.add(f"`study` must name `{key}`", node.line)
    words: dict[str, Any] = {key: _word(section, key, problems) for key in _WORDS}
    lists: dict[str, Any] = {key: _list(section, key, problems) for key in _LISTS}
    settings = {**problems.mapping("paper", section.get("paper"))}
    seeds = settings.pop("seeds", None)
    found = Question(
        text=_question(section, problems),
        goal=_goal(section, problems),
        reference=_reference(section, parameters, problems),
        paper_seeds=None if seeds is None else read_value("seeds", seeds, _SEEDS, problems),
        paper=read_settings(settings, config_type, problems),
        **words,
        **lists,
    )
    _check_figure(section, node.line, found, problems)
    _check_axes(section, found, parameters, problems)
    return found if len(problems) == before else None


def _word(section: Mapping[str, LocatedValue], key: str, problems: Problems) -> str:
    node = section.get(key)
    if node is None:
        return ""
    if isinstance(node.value, str) and node.value.strip():
        return node.value.strip()
    problems.refuse(f"`{key}` must be text", node)
    return ""


def _list(section: Mapping[str, LocatedValue], key: str, problems: Problems) -> tuple[str, ...]:
    node = section.get(key)
    if node is None:
        return ()
    items = node.plain if isinstance(node.value, list) else [node.plain]
    if items and all(isinstance(item, str) and item.strip() for item in items):
        return tuple(item.strip() for item in items)
    problems.refuse(f"`{key}` must be a list of texts", node)
    return ()


def _question(section: Mapping[str, LocatedValue], problems: Problems) -> str:
    text = _word(section, "question", problems)
    if text and not text.endswith("?"):
        problems.refuse("`question` must end with `?`", section["question"])
    return text


def _goal(section: Mapping[str, LocatedValue], problems: Problems) -> MetricGoal:
    text = _word(section, "metric", problems)
    name, _, direction = text.partition(":")
    if direction not in ("", "min") or (text and "/" not in name):
        problems.refuse(
            "`metric` must be like test/f1, or NAME:min where lower is better", section["metric"]
        )
    return MetricGoal(name, "minimize" if direction else "maximize")


def _check_figure(
    section: Mapping[str, LocatedValue], line: int, question: Question, problems: Problems
) -> None:
    kind = question.figure
    if kind and kind not in FIGURES:
        problems.add(unknown_name("figure", kind, tuple(FIGURES)), section["figure"].line)
    for key in FIGURES.get(kind, ()):
        if key not in section:
            problems.add(f"`study` must name `{key}` for the figure `{kind}`", line)


def _reference(
    section: Mapping[str, LocatedValue], parameters: Sequence[Parameter], problems: Problems
) -> dict[str, Scalar]:
    node = section.get("reference")
    if node is None or node.value == PAPER:
        return {}
    if not isinstance(node.value, dict) or not node.value:
        problems.refuse(f"`reference` must be `{PAPER}` or settings of an arm", node)
        return {}
    searched = {item.name: item for item in parameters}
    read: dict[str, Scalar] = {}
    for name, value in node.value.items():
        if name not in searched:
            problems.add(unknown_name("searched setting", name, tuple(searched)), value.line)
            continue
        read[name] = as_scalar(value.plain)
        if not searched[name].contains(read[name]):
            problems.refuse(f"`{name}` of `reference` must be a value that is searched", value)
    return read


def _check_axes(
    section: Mapping[str, LocatedValue],
    question: Question,
    parameters: Sequence[Parameter],
    problems: Problems,
) -> None:
    """Check that the settings on a figure's axes are searched."""
    searched = tuple(item.name for item in parameters)
    axes = {"tuned": question.tuned, "x": question.x, "lines": (question.lines,)}
    if question.figure == "heat":
        axes["y"] = (question.y,)
    for key, names in axes.items():
        known = (*searched, "task") if key == "lines" else searched
        for name in names:
            if name and name not in known:
                what = f"searched setting of `{key}`:"
                problems.add(unknown_name(what, name, searched), section[key].line)
            elif key != "tuned" and name in question.tuned:
                problems.add(
                    f"`{name}` must not be on `{key}`, since it is tuned", section[key].line
                )
    for name in question.reference.keys() & set(question.tuned):
        problems.add(
            f"`reference` must not name `{name}`, since it is tuned", section["reference"].line
        )
