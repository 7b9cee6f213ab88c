"""Which question does a study ask of its space: the section ``study`` of a search-space file.

A file in ``search_spaces/studies/`` is a search space like any other, whose combinations are
the *arms* of an experiment, and asks in addition::

    study:
      question: Does detecting perturbed tokens help?
      metric: test/va_pearson          # what the answer is given in; :min where lower is better
      reference: {variant: carl}       # the arm that all others are compared with; or `paper`
      beside: [dev/detection_auc]      # further columns
      figure: bars                     # bars, lines, heat, curves, map or labels
      x: [epsilon, relative_epsilon]   # lines and heat: what runs along the axis, a panel each
      lines: variant                   # lines: one line for each of its values; `task`, too
      y: top_k                         # heat: the other setting; curves: a metric of the reports
      measure: embedding               # what is measured beyond the rows
      limits: [Data of one domain.]    # what the study cannot say
      small: [One small encoder.]      # what it cannot say at the small scale, besides
      paper: {seeds: 5, layers: 0}     # what `--scale paper` changes, settings and seeds

Only `question`, `metric`, `reference` and `figure` must be there. What is searched for is left
to the space: the section changes no trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raysearch.config import Rule, as_scalar, check_value, unknown_name
from raysearch.errors import quoted
from raysearch.search.space.file import read_settings
from raysearch.search.space.parameters import Parameter
from raysearch.trial import MetricGoal, Scalar
from raysearch.yaml_lines import Marked, Problems

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
PAPER = "paper"
"""The reference that is the paper's own setting, the sweep's first trial."""
_KEYS = (
    *("question", "metric", "reference", "beside", "figure"),
    *("x", "lines", "y", "measure", "limits", "small", "paper"),
)
_NEEDED = ("question", "metric", "reference", "figure")


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a space.

    Attributes:
        text: One sentence that ends with a question mark.
        goal: The metric that answers it; ``test/…`` is read once all arms are trained.
        reference: Settings of the arm that others are compared with; empty for the paper's own
            setting.
        beside: Further metrics to show.
        figure: Kind of figure, a key of `FIGURES`.
        x: Settings along the axis, a panel each.
        lines: What tells the lines of a panel apart: a setting, ``task``, or "".
        y: The other setting of ``heat``, or the metric of ``curves``.
        measure: What is measured beyond the rows, or "".
        limits: What the study cannot say, a sentence each.
        small: What it cannot say at the small scale, besides.
        paper: Settings that ``--scale paper`` changes.
        paper_seeds: Cells per task there; None for the space's own.
    """

    text: str
    goal: MetricGoal
    reference: Mapping[str, Scalar]
    beside: tuple[str, ...]
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
    node: Marked, known: Mapping[str, Rule], parameters: Sequence[Parameter], problems: Problems
) -> Question | None:
    """The section as checked.

    Args:
        node: Value of the key ``study``.
        known: The rules of the method's config.
        parameters: What the space searches.
        problems: Takes everything that is wrong.

    Returns:
        The question, or None where something was wrong.
    """
    if not isinstance(node.value, dict):
        problems.add(f"`study` must be a mapping of names, but got {quoted(node.plain)}", node.line)
        return None
    before = len(problems)
    section: Mapping[str, Marked] = node.value
    for key, value in section.items():
        if key not in _KEYS:
            problems.add(unknown_name("key of `study`", key, _KEYS), value.line)
    for key in _NEEDED:
        if key not in section:
            problems.add(f"`study` must name `{key}`", node.line)
    paper, seeds = _paper(section, known, problems)
    found = Question(
        text=_sentence(section, "question", "?", problems),
        goal=_goal(section, problems),
        reference=_reference(section, parameters, problems),
        beside=_names(section, "beside", problems),
        figure=_figure(section, node.line, problems),
        x=_names(section, "x", problems),
        lines=_name(section, "lines", problems),
        y=_name(section, "y", problems),
        measure=_name(section, "measure", problems),
        limits=_names(section, "limits", problems),
        small=_names(section, "small", problems),
        paper=paper,
        paper_seeds=seeds,
    )
    _check_axes(section, found, parameters, problems)
    return found if len(problems) == before else None


def _name(section: Mapping[str, Marked], key: str, problems: Problems) -> str:
    node = section.get(key)
    if node is None:
        return ""
    if isinstance(node.value, str) and node.value.strip():
        return node.value.strip()
    problems.add(f"`{key}` must be text, but got {quoted(node.plain)}", node.line)
    return ""


def _sentence(section: Mapping[str, Marked], key: str, end: str, problems: Problems) -> str:
    text = _name(section, key, problems)
    if text and not text.endswith(end):
        problems.add(f"`{key}` must end with `{end}`, but got {quoted(text)}", section[key].line)
    return text


def _names(section: Mapping[str, Marked], key: str, problems: Problems) -> tuple[str, ...]:
    node = section.get(key)
    if node is None:
        return ()
    items = node.plain if isinstance(node.value, list) else [node.plain]
    if items and all(isinstance(item, str) and item.strip() for item in items):
        return tuple(item.strip() for item in items)
    problems.add(f"`{key}` must be a list of texts, but got {quoted(node.plain)}", node.line)
    return ()


def _goal(section: Mapping[str, Marked], problems: Problems) -> MetricGoal:
    text = _name(section, "metric", problems)
    name, _, direction = text.partition(":")
    if direction not in ("", "min") or (text and "/" not in name):
        problems.add(
            f"`metric` must be like test/f1, or NAME:min where lower is better, but got "
            f"{quoted(text)}",
            section["metric"].line,
        )
    return MetricGoal(name, "minimize" if direction else "maximize")


def _figure(section: Mapping[str, Marked], line: int, problems: Problems) -> str:
    kind = _name(section, "figure", problems)
    if kind and kind not in FIGURES:
        problems.add(unknown_name("figure", kind, tuple(FIGURES)), section["figure"].line)
    for key in FIGURES.get(kind, ()):
        if key not in section:
            problems.add(f"`study` must name `{key}` for the figure `{kind}`", line)
    return kind


def _reference(
    section: Mapping[str, Marked], parameters: Sequence[Parameter], problems: Problems
) -> dict[str, Scalar]:
    node = section.get("reference")
    if node is None or node.value == PAPER:
        return {}
    if not isinstance(node.value, dict) or not node.value:
        problems.add(
            f"`reference` must be `{PAPER}` or settings of an arm, but got {quoted(node.plain)}",
            node.line,
        )
        return {}
    searched = {item.name: item for item in parameters}
    read: dict[str, Scalar] = {}
    for name, value in node.value.items():
        if name not in searched:
            problems.add(unknown_name("searched setting", name, tuple(searched)), value.line)
            continue
        read[name] = as_scalar(value.plain)
        if not searched[name].contains(read[name]):
            problems.add(
                f"`{name}` of `reference` must be a value that is searched, but got "
                f"{quoted(value.plain)}",
                value.line,
            )
    return read


def _paper(
    section: Mapping[str, Marked], known: Mapping[str, Rule], problems: Problems
) -> tuple[dict[str, Any], int | None]:
    """Settings and seeds of the paper's scale."""
    node = section.get("paper")
    if node is None:
        return {}, None
    if not isinstance(node.value, dict):
        problems.add(f"`paper` must be a mapping of names, but got {quoted(node.plain)}", node.line)
        return {}, None
    settings: dict[str, Marked] = dict(node.value)
    seeds = settings.pop("seeds", None)
    count = None
    if seeds is not None:
        count, must = check_value(Rule(kind="int", low=1), seeds.plain)
        if must:
            problems.add(f"`seeds` must be {must}, but got {quoted(seeds.plain)}", seeds.line)
    return read_settings(settings, known, problems), count


def _check_axes(
    section: Mapping[str, Marked],
    question: Question,
    parameters: Sequence[Parameter],
    problems: Problems,
) -> None:
    """What a figure runs over must be searched."""
    searched = tuple(item.name for item in parameters)
    axes = {"x": question.x, "lines": (question.lines,) if question.lines else ()}
    if question.figure == "heat":
        axes["y"] = (question.y,)
    for key, names in axes.items():
        for name in names:
            if name and name not in (*searched, *(("task",) if key == "lines" else ())):
                problems.add(
                    unknown_name(f"searched setting of `{key}`:", name, searched),
                    section[key].line,
                )
