"""Do the settings and ranges of a search space fit the method's config, and one another."""

from __future__ import annotations

import dataclasses
import graphlib
from collections.abc import Mapping
from typing import Any

from raysearch.config import Rule, as_scalar, check_value, said_value, unknown_name
from raysearch.errors import quoted
from raysearch.marked_yaml import Marked, Problems
from raysearch.search.parameters import Parameter, read_parameter
from raysearch.search.space_file import SpaceFile
from raysearch.trial import Scalar

__all__ = ["read_parameters", "read_settings", "typed_settings"]


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
