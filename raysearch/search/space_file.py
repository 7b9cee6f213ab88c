"""What may stand in a search-space file, and under which name.

The grammar of ``search_spaces/*.yaml``::

    method: carl
    objective: {metric: dev/va_pearson, direction: maximize}
    budget: {trials: 24, time: 30m, seeds: 1}     # time and seeds may be left out
    sampler: tpe                                  # may be left out, as may pruner and reduction
    pruner: halving
    reduction: 3
    mode: joint                                   # these four may be left out, too
    aggregate: mean
    warm_start: 0
    reuse: 0
    setting: {encoder: package:minilm, epochs: 1} # held fixed
    search:                                       # ranges and choices only
      top_k: {low: 0.05, high: 0.4}
    study: {question: "Does it help?", …}         # for `raysearch study`: see search.question

A sweep over several tasks (language pairs) has two modes. ``joint`` judges a configuration on
all tasks, by the mean over them or, with ``aggregate: worst``, by the worst one. ``per_task``
searches each task for itself: a configuration then has cells of one task only, ``trials`` counts
per task, and with ``warm_start: N`` a task first tries the N best of every task before it.
``reuse`` is the share of proposals that take over a part already paid for; see
`raysearch.search.reuse`, also for what that costs.

This file checks names and types of what is the same for every method; whether a setting or a
range fits the method is for `raysearch.search.space` to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.config import Rule, check_value, unknown_name
from raysearch.errors import quoted
from raysearch.marked_yaml import Marked, Problems, read_marked
from raysearch.objective import AGGREGATES
from raysearch.search.pruners import PRUNERS
from raysearch.search.samplers import SAMPLERS
from raysearch.search.space_tasks import MODES, TASK_DEFAULTS

__all__ = [
    "OPTION_RULES",
    "SpaceFile",
    "option_problem",
    "parse_seconds",
    "read_space_file",
]

MOST_TRIALS = 1_000_000
"""Configurations: what is planned for each is held in memory."""
MOST_SEEDS = 10_000
"""Repeats of a configuration: each is listed before the first one runs."""
OPTION_RULES: Mapping[str, Rule] = {
    "metric": Rule(kind="str"),
    "direction": Rule(kind="str", choices=("maximize", "minimize")),
    "trials": Rule(kind="int", low=1, high=MOST_TRIALS),
    "seeds": Rule(kind="int", low=1, high=MOST_SEEDS),
    "sampler": Rule(kind="str", choices=tuple(SAMPLERS)),
    "pruner": Rule(kind="str", choices=tuple(PRUNERS)),
    "reduction": Rule(kind="int", low=2),
    "mode": Rule(kind="str", choices=MODES),
    "aggregate": Rule(kind="str", choices=AGGREGATES),
    "warm_start": Rule(kind="int", low=0),
    "reuse": Rule(kind="float", low=0, high=1),
}
_DEFAULTS = {
    "direction": "maximize",
    "seeds": 1,
    "sampler": "tpe",
    "pruner": "halving",
    "reduction": 3,
    **TASK_DEFAULTS,
}
_SECTIONS = {
    "objective": ("metric", "direction"),
    "budget": ("trials", "time", "seeds"),
}
_PLAIN = ("sampler", "pruner", "reduction", *TASK_DEFAULTS)
_TOP = ("method", "objective", "budget", *_PLAIN, "setting", "search", "study")
_REQUIRED = ("method", "objective", "budget", "search")
_TIME = re.compile(r"(\d+\.?\d*|\.\d+)\s*([smh]?)")
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, kw_only=True)
class SpaceFile:
    """A file as read: what is the same for every method is checked, the rest still marked.

    Attributes:
        options: Values for the names in `OPTION_RULES`; those that were wrong are left out.
        time_seconds: Seconds of the budget, or None.
        method: Name of the method, or None where it was wrong.
        setting: Field name to marked value.
        search: Field name to marked range or choices.
        study: What is asked of the space, still marked; None where nothing is.
        lines: Top-level key to its line.
    """

    options: Mapping[str, Any]
    time_seconds: float | None
    method: str | None
    setting: Mapping[str, Marked]
    search: Mapping[str, Marked]
    study: Marked | None
    lines: Mapping[str, int]


def read_space_file(path: Path) -> tuple[SpaceFile, Problems]:
    """Read a search-space file.

    Returns:
        What could be read, and the problems so far, to be added to and raised by the caller.

    Raises:
        ConfigError: The file cannot be read or is no YAML mapping.
    """
    root, problems = read_marked(path)
    _check_keys(root, "", _TOP, problems)
    for key in _REQUIRED:
        if key not in root:
            problems.add(f"`{key}` must be there, but is missing", 1)
    sections = {key: _section(root, key, known, problems) for key, known in _SECTIONS.items()}
    given: dict[str, Marked] = {}
    for section in sections.values():
        given.update(section)
    given.update({key: root[key] for key in _PLAIN if key in root})
    for section_name, key in (("objective", "metric"), ("budget", "trials")):
        if section_name in root and key not in given:
            line = root[section_name].line
            problems.add(f"`{section_name}` must name `{key}`", line)
    time = given.pop("time", None)
    read = SpaceFile(
        options=_DEFAULTS | _options(given, problems),
        time_seconds=None if time is None else _time(time, problems),
        method=_method(root, problems),
        setting=_section(root, "setting", (), problems),
        search=_section(root, "search", (), problems),
        study=root.get("study"),
        lines={key: node.line for key, node in root.items()},
    )
    return read, problems


def option_problem(name: str, value: Any) -> str:
    """Why a value of `OPTION_RULES` cannot be used: "must be …, but got …", or empty."""
    _, must = check_value(OPTION_RULES[name], value)
    if not must and name == "metric" and str(value).startswith("test/"):
        must = "a metric that search may see (dev/…; test is read once, at the end)"
    return f"must be {must}, but got {quoted(value)}" if must else ""


def parse_seconds(value: Any) -> float | None:
    """Seconds from ``90``, ``90s``, ``30m`` or ``2h``; None when it is none of these or not > 0."""
    match = _TIME.fullmatch(value.strip() if isinstance(value, str) else f"{value}")
    if isinstance(value, bool) or match is None:
        return None
    seconds = float(match[1]) * _UNIT_SECONDS[match[2]]
    return seconds if 0 < seconds < math.inf else None


def _options(given: Mapping[str, Marked], problems: Problems) -> dict[str, Any]:
    read = {}
    for name, node in given.items():
        if name in OPTION_RULES:
            problem = option_problem(name, node.plain)
            if problem:
                problems.add(f"`{name}` {problem}", node.line)
            else:
                read[name], _ = check_value(OPTION_RULES[name], node.plain)
    return read


def _time(node: Marked, problems: Problems) -> float | None:
    seconds = parse_seconds(node.plain)
    if seconds is None:
        problems.add(f"`time` must be like 90s, 30m or 2h, but got {quoted(node.plain)}", node.line)
    return seconds


def _method(root: Mapping[str, Marked], problems: Problems) -> str | None:
    node = root.get("method")
    if node is None:
        return None
    if not isinstance(node.value, str):
        problems.add(f"`method` must be a name, but got {quoted(node.plain)}", node.line)
        return None
    return node.value


def _section(
    root: Mapping[str, Marked], key: str, known: Sequence[str], problems: Problems
) -> dict[str, Marked]:
    node = root.get(key)
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        problems.add(f"`{key}` must be a mapping of names, but got {quoted(node.plain)}", node.line)
        return {}
    if known:
        _check_keys(node.value, f" of `{key}`", known, problems)
    return node.value


def _check_keys(
    mapping: Mapping[str, Marked], where: str, known: Sequence[str], problems: Problems
) -> None:
    for key, node in mapping.items():
        if key not in known:
            problems.add(unknown_name(f"key{where}", key, known), node.line)
