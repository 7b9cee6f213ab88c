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
range fits the method is for `raysearch.search.space.space` to say.
"""

from __future__ import annotations

import dataclasses
import graphlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.config import (
    Rule,
    TrainingConfig,
    as_scalar,
    check_value,
    read_config,
    said_value,
    unknown_name,
)
from raysearch.errors import ConfigError, quoted
from raysearch.methods import METHODS, get_method
from raysearch.methods.plugins import outside_methods
from raysearch.objective import AGGREGATES
from raysearch.search.space.parameters import Parameter, read_parameter
from raysearch.search.suggest.pruners import PRUNERS
from raysearch.search.suggest.samplers import SAMPLERS, reuse_problem
from raysearch.trial import Cell, Scalar
from raysearch.yaml_lines import Marked, Problems, read_marked

if TYPE_CHECKING:
    from raysearch.search.space.space import SearchSpace


__all__ = [
    "MODES",
    "OPTION_RULES",
    "SpaceFile",
    "TASK_DEFAULTS",
    "contest_problems",
    "option_problem",
    "parse_seconds",
    "read_parameters",
    "read_settings",
    "read_space_file",
    "task_problems",
    "task_setting_problems",
    "tasks_of",
    "typed_settings",
]

MODES = ("joint", "per_task")
TASK_DEFAULTS: Mapping[str, Any] = {
    "mode": "joint",
    "aggregate": "mean",
    "warm_start": 0,
    "reuse": 0.0,
}
"""A space says nothing of an option at its default, so that older studies keep their identity."""


def tasks_of(cells: Sequence[Cell]) -> tuple[str, ...]:
    """The tasks of cells, each once, in their order."""
    return tuple(dict.fromkeys(cell.task for cell in cells))


def task_problems(options: Mapping[str, Any], searched: Sequence[Parameter]) -> dict[str, str]:
    """What of the options cannot go together.

    Args:
        options: Values of the names in `TASK_DEFAULTS` and of ``sampler``.
        searched: What is searched.

    Returns:
        Name of the key to blame to a sentence without its end.
    """
    found = {}
    if options["mode"] == "joint" and options["warm_start"]:
        found["warm_start"] = (
            f"`warm_start` must be 0 unless `mode` is per_task, but got {options['warm_start']}: "
            "in joint mode every configuration runs on all tasks anyway"
        )
    if options["mode"] == "per_task":
        if options["aggregate"] != "mean":
            found["aggregate"] = (
                f"`aggregate` must be left out where `mode` is per_task, but got "
                f"{options['aggregate']}: a configuration has one task then"
            )
    problem = reuse_problem(options["sampler"], options["reuse"])
    if problem:
        found["reuse"] = problem
    return found


def contest_problems(
    config_type: type[TrainingConfig], pruner: str, searched: Sequence[Parameter]
) -> dict[str, str]:
    """Which searched settings would make configurations that cannot be compared.

    Args:
        config_type: The method's config class.
        pruner: Name in `raysearch.search.suggest.pruners.PRUNERS`.
        searched: What is searched.

    Returns:
        Name of the setting to a sentence without its end.
    """
    names = [item.name for item in searched]
    found = {name: _unlike(name) for name in names if name in config_type.SCORED_ON}
    if pruner != "none" and "reports" in names:
        found["reports"] = (
            "`reports` must be fixed where `pruner` is not none, but is searched: a report would "
            "be another share of the training in each configuration; give it under `setting`"
        )
    return found


def task_setting_problems(space: SearchSpace) -> list[str]:
    """Which searched settings change the tasks of the method, so that cells would differ.

    Returns:
        Sentences without their end; none for a config class that is no known method's.
    """
    if space.method not in (*METHODS, *outside_methods()):
        return []
    tasks = get_method(space.method).tasks
    config = {name: as_scalar(value) for name, value in space.paper_first()[0].items()}

    def tasks_with(values: Mapping[str, Scalar]) -> tuple[str, ...]:
        return tasks(read_config(space.config_type, {**config, **values}, where=space.source))

    wanted = tasks_with({})

    def changes(name: str, value: Scalar) -> bool:
        try:
            return tasks_with({name: value}) != wanted
        except ConfigError:  # it cannot be changed alone
            return False

    return [
        _unlike(item.name)
        for item in space.searched
        if any(changes(item.name, value) for value in _ends(item))
    ]


def _ends(item: Parameter) -> tuple[Scalar, ...]:
    return item.choices if item.kind == "choice" else (item.low, item.high)


def _unlike(name: str) -> str:
    return (
        f"`{name}` must be fixed, but is searched: it says on which data a configuration is "
        "scored, and scores on different data cannot be ranked together; give it under `setting`, "
        "in a sweep for each value"
    )


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


def read_settings(
    setting: Mapping[str, Marked], known: Mapping[str, Rule], problems: Problems
) -> dict[str, Any]:
    """The fixed settings of a file, in their fields' types.

    Args:
        setting: Field name to marked value.
        known: The rules of the method's config.
        problems: Takes every unknown name and wrong value.
    """
    read = {}
    for name, node in setting.items():
        if name not in known:
            problems.add(unknown_name("setting", name, list(known)), node.line)
            continue
        read[name], must = check_value(known[name], node.plain)
        if must:
            problems.add(f"`{name}` must be {must}, but got {quoted(node.plain)}", node.line)
    return read


def typed_settings(
    settings: Mapping[str, str], known: Mapping[str, Rule], problems: list[str]
) -> dict[str, Any]:
    """The settings of a command line, in their fields' types; ``null`` or ``~`` stands for none."""
    read = {}
    for name, text in settings.items():
        if name not in known:
            problems.append(f"{unknown_name('setting', name, list(known))} (--set)")
            continue
        read[name], must = check_value(known[name], said_value(text))
        if must:
            problems.append(f"`{name}` must be {must}, but got {quoted(text)} (--set)")
    return read


def read_parameters(
    read: SpaceFile, known: Mapping[str, Rule], problems: Problems
) -> tuple[Parameter, ...]:
    """What a file searches, parents of conditions before their children.

    Args:
        read: The file.
        known: The rules of the method's config.
        problems: Takes what is wrong with names, ranges and conditions.
    """
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
