"""`raysearch sweep METHOD`: the search, with its live leaderboard; again to go on with it."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.api.options import absolute_folders, find_space
from raysearch.api.packing import packed, read_pack
from raysearch.cli.arguments import (
    add_data_dir,
    add_quiet,
    add_results,
    add_settings,
    parse_settings,
    settings_with_pairs,
)
from raysearch.cli.config_file import add_config, take_config
from raysearch.cli.lasting_output import lasting_output
from raysearch.cli.parsing import examples
from raysearch.cli.sweep_arguments import add_hardware, add_search
from raysearch.cluster.ray_version import check_ray
from raysearch.cores import usable_cores
from raysearch.errors import ConfigError, StoreError
from raysearch.names import checked_name
from raysearch.render.sweep_summary import ending_text
from raysearch.seal import seal
from raysearch.storage.uri import redacted

if TYPE_CHECKING:
    from raysearch.cluster.cost.prices import PriceTable
    from raysearch.search.plan import SweepPlan
    from raysearch.search.space.space import SearchSpace
    from raysearch.summary import SweepSummary

__all__ = ["add_parser", "check_inputs", "plan_of", "run", "search"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``sweep``."""
    parser = commands.add_parser(
        "sweep",
        help="search hyper-parameters; the same command goes on where it ended",
        description="Search a method's hyper-parameters. The paper's own setting is trial 0. "
        "Running the same command again goes on with the sweep.",
        epilog=examples(
            "raysearch sweep carl",
            "raysearch sweep carl --trials 64 --time 30m --set batch_size=32",
            "raysearch sweep msmo --pairs en-es,en-fr --mode per_task",
            "raysearch sweep carl --space carl-emobank --name mine",
            "raysearch sweep carl --cluster cluster.yaml --max-cost 20",
        ),
    )
    parser.add_argument("method", metavar="METHOD", help="for example carl")
    add_search(parser)
    add_hardware(parser)
    add_settings(parser)
    add_config(parser)
    add_results(parser)
    add_data_dir(parser)
    add_quiet(parser)
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="what is written: text, or each piece of news as JSON for a program (default: text)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the sweep, show its leaderboard, and say what is next."""
    if args.config is not None:
        _space_of(args)  # takes it, so that the words for a cluster have its settings
    if args.cluster is not None:
        from raysearch.cli.remote import run_on_cluster

        return run_on_cluster(args)
    plan, summary = search(args)
    if args.format == "text":
        sys.stdout.write(ending_text(plan, summary))
    if summary.ending == "interrupted":
        return 130
    return 0 if summary.best else 2


def search(args: argparse.Namespace) -> tuple[SweepPlan, SweepSummary]:
    """Check everything that can be checked, and run the sweep on this machine or from it."""
    check_ray()  # before anything imports it
    from raysearch.cli.event_stream import JsonEvents
    from raysearch.cli.live import QuietView, ScreenView, opening_of, show_sweep
    from raysearch.cli.watch import refuse_copy
    from raysearch.leaderboard import Store
    from raysearch.storage import open_storage

    plan, path = plan_of(args)
    check_inputs(plan)
    plan = _with_sources(plan)
    refuse_copy(plan.folder)
    plan = packed(plan, args.pack, slots=args.slots, messages=args.messages)
    opening = opening_of(plan, _card(plan, path))
    if plan.storage:
        open_storage(plan.root)  # said before Ray starts, too
    store = Store(plan.root)
    with lasting_output(
        f"nobody reads the output any more: the sweep goes on without it, and its rows are in "
        f"{redacted(plan.root)}"
    ):
        if args.format == "json":
            news = JsonEvents(opening, _write)
            summary = show_sweep(plan, store, news, on_open=lambda: _write_card(plan, path))
            news.ended(summary)
        else:
            view = QuietView(args.warn) if args.quiet else ScreenView(opening)
            summary = show_sweep(plan, store, view, on_open=lambda: _write_card(plan, path))
    if summary.used_up:
        _write_card(plan, path, used_up=summary.used_up)
    return plan, summary


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def plan_of(args: argparse.Namespace) -> tuple[SweepPlan, Path]:
    """The sweep that the arguments ask for, and the file of its search space.

    Raises:
        ConfigError: Everything wrong with the space or the arguments.
    """
    space, path = _space_of(args)
    space = space.with_overrides(
        settings_with_pairs(parse_settings(args.settings), args.pairs, space),
        trials=args.trials,
        time_seconds=args.time,
        seeds=args.seeds,
        sampler=args.sampler,
        metric=args.metric,
        direction=args.direction,
        mode=args.mode,
        aggregate=args.aggregate,
        warm_start=args.warm_start,
    )
    space = replace(space, setting=absolute_folders(space.setting))
    return _plan(args, space, args.name or path.stem), path


def _space_of(args: argparse.Namespace) -> tuple[SearchSpace, Path]:
    """The space as its file has it; what it does not search is then held as `--config` says.

    Raises:
        ConfigError: Everything wrong with the space or the configuration's file.
    """
    from raysearch.methods import get_method
    from raysearch.search.space.space import load_space

    get_method(args.method)
    path = find_space(args.method, args.space)
    space = load_space(path)
    if space.method != args.method:
        raise ConfigError(f"{path} must be a space of {args.method}, but is one of {space.method}")
    take_config(args, [item.name for item in space.parameters])
    return space, path


def _plan(args: argparse.Namespace, space: SearchSpace, name: str) -> SweepPlan:
    from raysearch.corpora import data_dir
    from raysearch.search.plan import MOST, SweepPlan, method_cells
    from raysearch.storage.uri import absolute

    checked_name(name, "`--name`")
    table = _prices(args)
    if args.pack is not None:
        read_pack(args.pack)
    plan = SweepPlan(
        name=name,
        folder=Path(args.results) / name,
        space=space,
        cells=method_cells(space),
        slots=1 if args.slots is None else args.slots,
        workers_per_trial=args.workers_per_trial,
        cpus_per_worker=args.cpus_per_worker,
        gpus_per_worker=args.gpus_per_worker,
        study_url=args.study,
        data_dir=str(data_dir(args.data_dir).absolute()),
        keep=args.keep,
        storage=absolute(args.storage),
        stages=absolute(args.stages),
        stages_limit=_bytes("--stages-limit", args.stages_limit),
        quota=_bytes("--quota", args.quota),
        hang_seconds=_seconds("--hang-limit", args.hang_limit),
        address=args.address,
        seed=args.seed,
        prices=table,
        max_cost=args.max_cost,
    )
    if args.slots is not None:
        return plan
    at_once = int(usable_cores() // (plan.workers_per_trial * plan.cpus_per_worker))
    return replace(plan, slots=min(MOST, max(1, at_once)))


def _seconds(option: str, text: str) -> float:
    from raysearch.search.space.file import parse_seconds

    seconds = parse_seconds(text)
    if seconds is None:
        raise ConfigError(f"`{option}` must be like 90s, 30m or 2h, but got {text!r}")
    return seconds


def _bytes(option: str, gigabytes: float | None) -> int | None:
    if gigabytes is not None and not (math.isfinite(gigabytes) and gigabytes > 0):
        raise ConfigError(f"`{option}` must be a number of GB > 0, but got {gigabytes:g}")
    return None if gigabytes is None else int(gigabytes * 1e9)


def _prices(args: argparse.Namespace) -> PriceTable | None:
    """What nodes cost, from the file that is named, else as a head on the cluster knows it.

    Raises:
        ConfigError: The file is wrong, or has no prices and they are needed.
    """
    from raysearch.cluster.cost.prices import known_prices
    from raysearch.cluster.remote.launch import is_url

    named = args.prices
    if named is None and args.max_cost is not None and not is_url(args.cluster or ""):
        named = args.cluster
    if named is None and args.max_cost is None and args.address is None:
        return None
    return known_prices(None if named is None else Path(named))


def check_inputs(plan: SweepPlan) -> None:
    """Missing corpora and metrics are said before Ray starts, not by the first trial."""
    from raysearch.config import read_config
    from raysearch.methods import get_method
    from raysearch.search.plan import check_metrics

    space = plan.space
    config, _ = space.paper_first()
    if space.mode == "per_task":
        for task in plan.tasks:
            space.paper_first(task)
    read = read_config(space.config_type, config, where=space.source)
    get_method(space.method).check(read, data_dir=plan.data_dir)
    check_metrics(space, plan.data_dir)


def _with_sources(plan: SweepPlan) -> SweepPlan:
    """The plan with what its trials read, so that all read the same, and what they measure.

    Raises:
        EncoderError: An encoder's package is not installed, or damaged.
    """
    from raysearch.config import read_config
    from raysearch.search.plan import known_metrics
    from raysearch.training.origin import sources_now

    space = plan.space
    read = read_config(space.config_type, space.paper_first()[0], where=space.source)
    searched = [item.choices for item in space.searched if item.name == "encoder"]
    encoders = [str(name) for choices in searched for name in choices]
    sources = sources_now(space.method, read, plan.data_dir, *encoders)
    return replace(plan, sources=sources, metrics=known_metrics(space, "dev", plan.data_dir))


def _card(plan: SweepPlan, path: Path) -> dict[str, Any]:
    """``sweep.json``: what readers of the leaderboard need to rank the trials."""
    from raysearch.search.space.card import IDENTITY, identity_of

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
        "space": str(path),
        "space_digest": plan.space.digest,
        "trials": plan.space.trials,
        IDENTITY: identity_of(plan.space, plan.seed),
    }
    return seal(card)


def _write_card(plan: SweepPlan, path: Path, used_up: Sequence[str] = ()) -> None:
    from raysearch.storage import open_storage

    card = _card(plan, path) | ({"used_up": list(used_up)} if used_up else {})
    text = json.dumps(seal(card), indent=1) + "\n"
    try:
        open_storage(plan.root).write("sweep.json", [text.encode()])
    except OSError as error:
        option = "--storage" if plan.storage else "--results"
        raise StoreError(
            f"`{option}` must be a place that can be written, but {redacted(plan.root)} cannot: "
            f"{error.strerror or error}"
        ) from error
