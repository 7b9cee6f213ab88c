"""Makes the plan of a sweep from its options, and checks its inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from raysearch.cluster.capacity import check_capacity
from raysearch.cluster.driver_code import DriverCode
from raysearch.cluster.gpus import visible_gpus
from raysearch.cluster.prices import PriceTable, known_prices, of_gpu_types, read_gpu_types
from raysearch.cluster.remote.launch import is_url
from raysearch.config import read_config, rules
from raysearch.cores import usable_cores
from raysearch.corpora import data_dir
from raysearch.encoders.names import check_name
from raysearch.errors import ConfigError, StoreError, gathered
from raysearch.methods import config_type, get_method, notes_of
from raysearch.names import checked_name
from raysearch.scalars import parse_seconds
from raysearch.seal import seal
from raysearch.search.plan import MOST, SweepPlan, check_metrics, known_metrics, method_cells
from raysearch.search.space.space import IDENTITY, SearchSpace, identity_of, load_space
from raysearch.storage import open_storage
from raysearch.storage.uri import absolute, redacted
from raysearch.training.origin import commit_of, sources_now
from raysearch.version import PACKAGE
from raysearch.yaml_lines import read_located

__all__ = [
    "ConfigFile",
    "card_of",
    "check_held",
    "check_encoders",
    "check_inputs",
    "plan_of",
    "read_config_file",
    "settings_of",
    "with_sources",
    "write_card",
]

_MOST_GIGABYTES = 1e9
"""More than any disk; its bytes are still a number."""
_TYPES = {"method": str, "task": str, "seed": int, "setting": dict}


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """Content of a configuration file.

    Attributes:
        task: The task of the cell; "" where it says none.
        seed: Its seed; None where it says none.
        settings: Setting to its value, as `--set` takes it.
    """

    task: str
    seed: int | None
    settings: dict[str, str]


def read_config_file(file: Folder, method: str) -> ConfigFile:
    """Read such a file; does not check the settings against the method.

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
    """The plan of the sweep that the options describe.

    Raises:
        ConfigError: Everything wrong with the space or the options.
    """
    space = _space_of(options)
    problems: list[str] = []
    with gathered(problems):
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
    with gathered(problems):
        plan = _plan(options, space)
    if problems:
        raise ConfigError(problems)
    return plan


def settings_of(options: SweepOptions) -> dict[str, str]:
    """The settings of the options, including those of `config`, as for ``--set``.

    Raises:
        ConfigError: Everything wrong with the space or the configuration's file.
    """
    return _settings_in(_space_of(options), options)


def _settings_in(space: SearchSpace, options: SweepOptions) -> dict[str, str]:
    """The same without the settings that the space searches."""
    searched = {item.name for item in space.parameters}
    held = read_config_file(options.config, options.method).settings if options.config else {}
    return {n: t for n, t in held.items() if n not in searched} | options.setting_texts


def _space_of(options: SweepOptions) -> SearchSpace:
    """The space of the options' file."""
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
    read, problems = _read(options, space)
    named = {"name": "", "max_cost": options.max_cost if "prices" in read else None} | read
    # What a cluster has says its file, or who joins it.
    gpus_here = 0 if options.cluster or options.address else visible_gpus()
    each = options.gpus_per_worker
    with gathered(problems):
        plan = SweepPlan(
            **named,
            folder=Path(options.results) / named["name"],
            space=space,
            cells=method_cells(space),
            slots=1 if options.slots is None else options.slots,
            workers_per_trial=options.workers_per_trial,
            cpus_per_worker=options.cpus_per_worker,
            gpus_per_worker=float(gpus_here > 0) if each is None else each,
            study_url=options.study,
            data_dir=str(data_dir(options.data_dir).absolute()),
            keep=options.keep,
            storage=absolute(str(options.storage)),
            stages=absolute(str(options.stages)),
            address=options.address,
            seed=options.seed,
        )
    if problems:
        raise ConfigError(problems)
    if options.slots is not None:
        return plan
    at_once = usable_cores() // (plan.workers_per_trial * plan.cpus_per_worker)
    if gpus_here and plan.gpus_per_worker > 0 and options.pack is None:
        at_once = min(at_once, gpus_here // (plan.workers_per_trial * plan.gpus_per_worker))
    return replace(plan, slots=min(MOST, max(1, int(at_once))))


def _read(options: SweepOptions, space: SearchSpace) -> tuple[dict[str, Any], list[str]]:
    """Fields of the plan that are read from text or a file, without those that cannot be."""
    readers: dict[str, Callable[[], Any]] = {
        "name": lambda: checked_name(options.name or Path(space.source).stem, "`--name`"),
        "prices": lambda: _prices(options),
        "gpu_types": lambda: read_gpu_types(options.gpu_types) if options.gpu_types else (),
        "stages_limit": lambda: _bytes("--stages-limit", options.stages_limit),
        "quota": lambda: _bytes("--quota", options.quota),
        "hang_seconds": lambda: _seconds("--hang-limit", options.hang_limit),
    }
    found: dict[str, Any] = {}
    problems: list[str] = []
    for name, read in readers.items():
        with gathered(problems):
            found[name] = read()
    with gathered(problems):
        if options.pack is not None:
            read_pack(options.pack)
    return found, problems


def _seconds(option: str, text: str) -> float:
    seconds = parse_seconds(text)
    if seconds is None:
        raise ConfigError(f"`{option}` must be like 90s, 30m or 2h, but got {text!r}")
    return seconds


def _bytes(option: str, gigabytes: float | None) -> int | None:
    if gigabytes is not None and not 0 < gigabytes <= _MOST_GIGABYTES:
        raise ConfigError(
            f"`{option}` must be a number of GB in (0, {_MOST_GIGABYTES:g}], but got {gigabytes:g}"
        )
    return None if gigabytes is None else int(gigabytes * 1e9)


def _prices(options: SweepOptions) -> PriceTable | None:
    """Prices of nodes, from the named file, else from the cluster file on a head."""
    named = options.prices
    if named is None and options.max_cost is not None and not is_url(str(options.cluster or "")):
        named = options.cluster
    if named is None and options.max_cost is None and options.address is None:
        return None
    return known_prices(None if named is None else Path(named))


def check_held(plan: SweepPlan, table: PriceTable, *, slots: int) -> None:
    """Check that a cluster holds so many slots, and that the sweep's cap lets them run.

    Raises:
        ConfigError: They would wait for ever, or the cap is used up by idle nodes.
    """
    table = of_gpu_types(table, plan.gpu_types)
    check_capacity(
        plan.shape.resources_per_worker,
        workers=plan.workers_per_trial,
        slots=slots,
        cap=plan.max_cost,
        table=table,
    )


def check_inputs(plan: SweepPlan) -> None:
    """Check that corpora and metrics exist, before Ray starts.

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


def check_encoders(plan: SweepPlan, *, ask: bool) -> None:
    """Say misspelt encoders before Ray starts; the hub is asked for one only if `ask`.

    Raises:
        EncoderError: There is no encoder of a name that trials may have.
    """
    for name in _encoders(plan):
        check_name(name, ask=ask)


def _encoders(plan: SweepPlan) -> list[str]:
    """The encoder of the paper's own setting, and those that are searched."""
    searched = [item.choices for item in plan.space.searched if item.name == "encoder"]
    own = str(plan.space.paper_first()[0]["encoder"])
    return list(dict.fromkeys([own, *(str(name) for choices in searched for name in choices)]))


def with_sources(plan: SweepPlan) -> SweepPlan:
    """The plan with the digests of its sources, which all trials must have, and its metrics.

    For a cluster also with the driver's commit, and with what its nodes must have in common with
    the driver.

    Raises:
        EncoderError: An encoder's package is not installed, or damaged.
    """
    space = plan.space
    read = read_config(space.config_type, space.paper_first()[0], where=space.source)
    sources = sources_now(space.method, read, plan.data_dir, *_encoders(plan))
    plan = replace(plan, sources=sources, metrics=known_metrics(space, "dev", plan.data_dir))
    if plan.address is None:
        return plan
    # Shipped code has no history beside it, but it is the driver's.
    annotations = {**plan.annotations, **commit_of(PACKAGE)}
    return replace(plan, annotations=annotations, code=DriverCode.of(space.method))


def card_of(plan: SweepPlan, used_up: Sequence[str] = ()) -> dict[str, Any]:
    """The content of ``sweep.json``: what readers need to rank the trials.

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
