"""The grammar of a search-space file: its keys and what they accept.

``search_spaces/*.yaml``::

    method: carl
    objective: {metric: dev/va_pearson, direction: maximize}
    budget: {trials: 24, time: 30m, seeds: 1}     # time and seeds may be left out
    sampler: tpe                                  # may be left out, as may pruner and reduction
    pruner: halving
    reduction: 3
    mode: joint                                   # these three may be left out, too
    aggregate: mean
    warm_start: 0
    setting: {encoder: package:minilm, epochs: 1} # held fixed
    search:                                       # ranges and choices only
      top_k: {low: 0.05, high: 0.4}
    study: {question: "Does it help?", …}         # see search.space.experiment

A sweep over several tasks (language pairs) has two modes. ``joint`` ranks a configuration on
all tasks, by their mean or, with ``aggregate: worst``, by the worst one. ``per_task`` searches
each task separately: a configuration has cells of one task only, ``trials`` counts per task, and
with ``warm_start: N`` a task first tries the N best of every task before it.

`read_space_file` checks what is common to all methods, `read_settings` and `read_parameters`
check settings and ranges against the method's config and against each other.
"""

from __future__ import annotations

import dataclasses
import graphlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysearch.config import Rule, as_scalar, check_value, checked_settings, rules
from raysearch.errors import quoted, unknown_name
from raysearch.objective import AGGREGATES
from raysearch.run import Scalar
from raysearch.scalars import parse_seconds
from raysearch.search.space.parameters import Parameter, read_parameter
from raysearch.search.suggest.pruners import PRUNERS
from raysearch.search.suggest.samplers import SAMPLERS
from raysearch.yaml_lines import LocatedValue, Problems, read_located

__all__ = [
    "OPTION_RULES",
    "TASK_DEFAULTS",
    "SpaceFile",
    "option_problem",
    "read_parameters",
    "read_settings",
    "read_space_file",
]

TASK_DEFAULTS: Mapping[str, Any] = {
    "mode": "joint",
    "aggregate": "mean",
    "warm_start": 0,
}
"""Options that are omitted at their defaults, so that older studies keep their identity."""
MOST_TRIALS = 1_000_000
"""Most configurations: the plan of each is held in memory."""
MOST_SEEDS = 10_000
"""Most seeds of a configuration: all are listed before the first one runs."""
OPTION_RULES: Mapping[str, Rule] = {
    "metric": Rule(kind="str"),
    "direction": Rule(kind="str", choices=("maximize", "minimize")),
    "trials": Rule(kind="int", low=1, high=MOST_TRIALS),
    "seeds": Rule(kind="int", low=1, high=MOST_SEEDS),
    "sampler": Rule(kind="str", choices=tuple(SAMPLERS)),
    "pruner": Rule(kind="str", choices=tuple(PRUNERS)),
    "reduction": Rule(kind="int", low=2),
    "mode": Rule(kind="str", choices=("joint", "per_task")),
    "aggregate": Rule(kind="str", choices=AGGREGATES),
    "warm_start": Rule(kind="int", low=0),
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
"""Section to its keys, of which the first is required."""
_PLAIN = ("sampler", "pruner", "reduction", *TASK_DEFAULTS)
_TOP = ("method", "objective", "budget", *_PLAIN, "setting", "search", "study")
_REQUIRED = ("method", "objective", "budget", "search")


@dataclass(frozen=True, kw_only=True)
class SpaceFile:
    """A file as read: the common part is checked, the rest keeps its line numbers.

    Attributes:
        options: Values by the names in `OPTION_RULES`; wrong ones are left out.
        time_seconds: Seconds of the budget, or None.
        method: Name of the method, or None if it was wrong.
        setting: Field name to value and line.
        search: Field name to range or choices.
        study: The section of the experiment; None if there is none.
        lines: Top-level key to its line.
    """

    options: Mapping[str, Any]
    time_seconds: float | None
    method: str | None
    setting: Mapping[str, LocatedValue]
    search: Mapping[str, LocatedValue]
    study: LocatedValue | None
    lines: Mapping[str, int]


def read_space_file(path: Path) -> tuple[SpaceFile, Problems]:
    """Read a search-space file.

    Returns:
        What could be read, and the problems so far, for the caller to add to and raise.

    Raises:
        ConfigError: The file cannot be read or is not a YAML mapping.
    """
    root, problems = read_located(path)
    problems.check_keys("key", root, _TOP)
    for key in _REQUIRED:
        if key not in root:
            problems.add(f"`{key}` must be there, but is missing", 1)
    given = {key: root[key] for key in _PLAIN if key in root}
    for name, keys in _SECTIONS.items():
        section = problems.mapping(name, root.get(name))
        problems.check_keys(f"key of `{name}`", section, keys)
        if name in root and keys[0] not in section:
            problems.add(f"`{name}` must name `{keys[0]}`", root[name].line)
        given |= section
    time, method = given.pop("time", None), root.get("method")
    seconds = None if time is None else parse_seconds(time.plain)
    if time is not None and seconds is None:
        problems.refuse("`time` must be like 90s, 30m or 2h", time)
    if method is not None and not isinstance(method.value, str):
        problems.refuse("`method` must be a name", method)
        method = None
    read = SpaceFile(
        options=_DEFAULTS | _options(given, problems),
        time_seconds=seconds,
        method=None if method is None else method.value,
        setting=problems.mapping("setting", root.get("setting")),
        search=problems.mapping("search", root.get("search")),
        study=root.get("study"),
        lines={key: node.line for key, node in root.items()},
    )
    return read, problems


def option_problem(name: str, value: Any) -> str:
    """Why a value is not valid for its `OPTION_RULES`: "must be …, but got …", or empty."""
    _, must = check_value(OPTION_RULES[name], value)
    if not must and name == "metric" and str(value).startswith("test/"):
        must = "a metric that search may see (dev/…; test is read once, at the end)"
    return f"must be {must}, but got {quoted(value)}" if must else ""


def _options(given: Mapping[str, LocatedValue], problems: Problems) -> dict[str, Any]:
    read = {}
    for name, node in given.items():
        if name in OPTION_RULES:
            problem = option_problem(name, node.plain)
            if problem:
                problems.add(f"`{name}` {problem}", node.line)
            else:
                read[name], _ = check_value(OPTION_RULES[name], node.plain)
    return read


def read_settings(
    setting: Mapping[str, LocatedValue], config_type: type, problems: Problems
) -> dict[str, Any]:
    """The fixed settings of a file, converted to their fields' types.

    Args:
        setting: Field name to value and line.
        config_type: The method's config class.
        problems: Collects unknown names and wrong values.
    """
    plain = {name: node.plain for name, node in setting.items()}
    clean, wrong = checked_settings(config_type, plain)
    for name, problem in wrong.items():
        problems.add(problem, setting[name].line)
    return clean


def read_parameters(
    read: SpaceFile, config_type: type, problems: Problems
) -> tuple[Parameter, ...]:
    """The searched parameters of a file, parents of conditions before their children.

    Args:
        read: The file.
        config_type: The method's config class.
        problems: Collects wrong names, ranges and conditions.
    """
    known = rules(config_type)
    found: dict[str, Parameter] = {}
    for name, node in read.search.items():
        if name not in known:
            problems.add(unknown_name("parameter", name, list(known)), node.line)
            continue
        if name in read.setting:
            line = read.setting[name].line
            problems.add(f"`{name}` must be fixed or searched, but line {line} fixes it", node.line)
        parameter = read_parameter(name, node, known[name], problems)
        if parameter is not None:
            found[name] = parameter
    if "search" in read.lines and not read.search:
        problems.add("`search` must name at least one parameter", read.lines["search"])
    for name, parameter in found.items():
        found[name] = _with_checked_parents(parameter, found, read, known, problems)
    return _parents_first(found, read, problems)


def _with_checked_parents(
    parameter: Parameter,
    found: Mapping[str, Parameter],
    read: SpaceFile,
    known: Mapping[str, Rule],
    problems: Problems,
) -> Parameter:
    line = read.search[parameter.name].line
    what = f"`when` of `{parameter.name}`"
    when: dict[str, tuple[Scalar, ...]] = {}
    for parent, wanted in parameter.when.items():
        if parent not in known:
            problems.add(unknown_name(f"setting in {what}:", parent, list(known)), line)
            continue
        if parent in found and found[parent].kind != "choice":
            problems.add(f"{what} must name a choice, but `{parent}` has a range", line)
        values: list[Scalar] = []
        for item in wanted:
            value, must = check_value(known[parent], item)
            values.append(as_scalar(value))
            if must:
                problems.add(f"{what}: `{parent}` must be {must}, but got {quoted(item)}", line)
            elif parent in found and found[parent].kind == "choice":
                if values[-1] not in found[parent].choices:
                    problems.add(
                        f"{what}: {quoted(item)} must be among the choices of `{parent}`", line
                    )
        when[parent] = tuple(values)
    return dataclasses.replace(parameter, when=when)


def _parents_first(
    found: Mapping[str, Parameter], read: SpaceFile, problems: Problems
) -> tuple[Parameter, ...]:
    # By name, so that the order of lines in the file changes no suggestion.
    parents = {name: [up for up in found[name].when if up in found] for name in sorted(found)}
    try:
        return tuple(found[name] for name in graphlib.TopologicalSorter(parents).static_order())
    except graphlib.CycleError as error:
        names = error.args[1]
        problems.add(
            f"conditions must not go round in a circle, but `{'` needs `'.join(names)}`",
            read.search[names[0]].line,
        )
        return ()
