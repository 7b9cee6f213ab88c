"""From the options of a sweep to its plan: the space, the cells, the hardware, what is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raysearch.api.options import (
    Folder,
    SweepOptions,
    absolute_folders,
    find_space,
    read_pack,
    setting_text,
)
from raysearch.cluster.cost.prices import PriceTable, known_prices
from raysearch.cluster.remote.launch import is_url
from raysearch.config import read_config, rules
from raysearch.cores import usable_cores
from raysearch.corpora import data_dir
from raysearch.errors import ConfigError, StoreError
from raysearch.methods import config_type, get_method, notes_of
from raysearch.names import checked_name
from raysearch.seal import seal
from raysearch.search.plan import MOST, SweepPlan, check_metrics, known_metrics, method_cells
from raysearch.search.space.card import IDENTITY, identity_of
from raysearch.search.space.file import parse_seconds
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.storage import open_storage
from raysearch.storage.uri import absolute, redacted
from raysearch.training.origin import sources_now
from raysearch.yaml_lines import read_located

__all__ = [
    "ConfigFile",
    "card_of",
    "check_inputs",
    "plan_of",
    "read_config_file",
    "settings_of",
    "with_sources",
    "write_card",
]

_TYPES = {"method": str, "task": str, "seed": int, "setting": dict}


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """What the file says.

    Attributes:
        task: The task of the cell; "" where it says none.
        seed: Its seed; None where it says none.
        settings: Setting to its value, as `--set` takes it.
    """

    task: str
    seed: int | None
    settings: dict[str, str]


def read_config_file(file: Folder, method: str) -> ConfigFile:
    """Read such a file; whether the settings fit the method is for who takes them to say.

    Raises:
        ConfigError: It cannot be read, is none, or is of another method.
    """
    path = Path(file)
    fields, problems = read_located(path)
    problems.check_keys("key", fields, list(_TYPES))
    for name, node in fields.items():
        if name in _TYPES and type(node.value) is not _TYPES[name]:
            rule = {"seed": "an integer", "setting": "a mapping"}.get(name, "a text")
            problems.refuse(f"`{name}` must be {rule}", node)
    for name in ("method", "setting"):
        if name not in fields:
            problems.add(f"`{name}` must be in a file that `raysearch export` wrote, but is not", 1)
    problems.raise_all()
    plain: dict[str, Any] = {name: node.plain for name, node in fields.items()}
    if plain["method"] != method:
        raise ConfigError(
            f"`--config` must be a configuration of {method}, but {path} is one of "
            f"{plain['method']}"
        )
    known = rules(config_type(method))
    lists = {name for name, rule in known.items() if rule.kind == "list"}  # "+" joins no name
    return ConfigFile(
        task=plain.get("task", ""),
        seed=plain.get("seed"),
        settings={
            name: "+" if value in ("", []) and name in lists else setting_text(value)
            for name, value in plain["setting"].items()
        },
    )


def plan_of(options: SweepOptions) -> SweepPlan:
    """The sweep that the options ask for; its space knows the file that it came from.

    Raises:
        ConfigError: Everything wrong with the space or the options.
    """
    space = _space_of(options)
    space = space.with_overrides(
        _with_pairs(_settings_in(space, options), options.pairs, space),
        trials=options.trials,
        time_seconds=options.time,
        seeds=options.seeds,
        sampler=options.sampler,
        metric=options.metric,
        direction=options.direction,
        mode=options.mode,
        aggregate=options.aggregate,
        warm_start=options.warm_start,
    )
    space = replace(space, setting=absolute_folders(space.setting))
    return _plan(options, space)


def settings_of(options: SweepOptions) -> dict[str, str]:
    """The settings that the options hold, those of `config` among them, as ``--set`` takes them.

    Raises:
        ConfigError: Everything wrong with the space or the configuration's file.
    """
    return _settings_in(_space_of(options), options)


def _settings_in(space: SearchSpace, options: SweepOptions) -> dict[str, str]:
    """The same, for a space that is at hand: what it searches is not held at the file's."""
    searched = {item.name for item in space.parameters}
    held = read_config_file(options.config, options.method).settings if options.config else {}
    return {n: t for n, t in held.items() if n not in searched} | options.setting_texts


def _space_of(options: SweepOptions) -> SearchSpace:
    """The space as its file has it."""
    get_method(options.method)
    path = find_space(options.method, None if options.space is None else str(options.space))
    space = load_space(path)
    if space.method != options.method:
        raise ConfigError(
            f"{path} must be a space of {options.method}, but is one of {space.method}"
        )
    return space


def _with_pairs(
    settings: Mapping[str, str], pairs: str | None, space: SearchSpace
) -> Mapping[str, str]:
    """The settings with those of ``--pairs``."""
    if pairs is None:
        return settings
    name = notes_of(space.method).tasks
    if not name:
        raise ConfigError(
            f"`--pairs` must go with a method of language pairs, but {space.method} has none; "
            "leave it out"
        )
    if name in settings:
        raise ConfigError(f"`{name}` must be given once, but came by `--pairs` and by `--set`")
    return {**settings, name: pairs}


def _plan(options: SweepOptions, space: SearchSpace) -> SweepPlan:
    name = checked_name(options.name or Path(space.source).stem, "`--name`")
    table = _prices(options)
    if options.pack is not None:
        read_pack(options.pack)
    plan = SweepPlan(
        name=name,
        folder=Path(options.results) / name,
        space=space,
        cells=method_cells(space),
        slots=1 if options.slots is None else options.slots,
        workers_per_trial=options.workers_per_trial,
        cpus_per_worker=options.cpus_per_worker,
        gpus_per_worker=options.gpus_per_worker,
        study_url=options.study,
        data_dir=str(data_dir(options.data_dir).absolute()),
        keep=options.keep,
        storage=absolute(str(options.storage)),
        stages=absolute(str(options.stages)),
        stages_limit=_bytes("--stages-limit", options.stages_limit),
        quota=_bytes("--quota", options.quota),
        hang_seconds=_seconds("--hang-limit", options.hang_limit),
        address=options.address,
        seed=options.seed,
        prices=table,
        max_cost=options.max_cost,
    )
    if options.slots is not None:
        return plan
    at_once = int(usable_cores() // (plan.workers_per_trial * plan.cpus_per_worker))
    return replace(plan, slots=min(MOST, max(1, at_once)))


def _seconds(option: str, text: str) -> float:
    seconds = parse_seconds(text)
    if seconds is None:
        raise ConfigError(f"`{option}` must be like 90s, 30m or 2h, but got {text!r}")
    return seconds


def _bytes(option: str, gigabytes: float | None) -> int | None:
    if gigabytes is not None and not (math.isfinite(gigabytes) and gigabytes > 0):
        raise ConfigError(f"`{option}` must be a number of GB > 0, but got {gigabytes:g}")
    return None if gigabytes is None else int(gigabytes * 1e9)


def _prices(options: SweepOptions) -> PriceTable | None:
    """What nodes cost, from the file that is named, else as a head on the cluster knows it."""
    named = options.prices
    if named is None and options.max_cost is not None and not is_url(str(options.cluster or "")):
        named = options.cluster
    if named is None and options.max_cost is None and options.address is None:
        return None
    return known_prices(None if named is None else Path(named))


def check_inputs(plan: SweepPlan) -> None:
    """Say missing corpora and metrics before Ray starts, not by the first trial.

    Raises:
        RaysearchError: Something is missing.
    """
    space = plan.space
    config, _ = space.paper_first()
    if space.mode == "per_task":
        for task in plan.tasks:
            space.paper_first(task)
    read = read_config(space.config_type, config, where=space.source)
    get_method(space.method).check(read, data_dir=plan.data_dir)
    check_metrics(space, plan.data_dir)


def with_sources(plan: SweepPlan) -> SweepPlan:
    """The plan with what its trials read, so that all read the same, and what they measure.

    Raises:
        EncoderError: An encoder's package is not installed, or damaged.
    """
    space = plan.space
    read = read_config(space.config_type, space.paper_first()[0], where=space.source)
    searched = [item.choices for item in space.searched if item.name == "encoder"]
    encoders = [str(name) for choices in searched for name in choices]
    sources = sources_now(space.method, read, plan.data_dir, *encoders)
    return replace(plan, sources=sources, metrics=known_metrics(space, "dev", plan.data_dir))


def card_of(plan: SweepPlan, used_up: Sequence[str] = ()) -> dict[str, Any]:
    """``sweep.json``: what readers of the leaderboard need to rank the trials.

    The space of a task that is `used_up` has no configuration left.
    """
    goal = plan.space.goal
    card = {
        "name": plan.name,
        "method": plan.space.method,
        "metric": goal.name,
        "direction": goal.direction,
        "mode": plan.space.mode,
        "aggregate": plan.space.aggregate,
        "tasks": list(plan.tasks),
        "cells": plan.cells_each,
        "space": plan.space.source,
        "space_digest": plan.space.digest,
        "trials": plan.space.trials,
        IDENTITY: identity_of(plan.space, plan.seed),
    }
    return seal(card | ({"used_up": list(used_up)} if used_up else {}))


def write_card(plan: SweepPlan, used_up: Sequence[str] = ()) -> None:
    """Write ``sweep.json``; see `card_of`.

    Raises:
        StoreError: The sweep's place cannot be written.
    """
    text = json.dumps(card_of(plan, used_up), indent=1) + "\n"
    try:
        open_storage(plan.root).write("sweep.json", [text.encode()])
    except OSError as error:
        option = "--storage" if plan.storage else "--results"
        raise StoreError(
            f"`{option}` must be a place that can be written, but {redacted(plan.root)} cannot: "
            f"{error.strerror or error}"
        ) from error
