"""`raysearch plan SPACE`: trials, hours and money of a sweep, before it is paid for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.api.options import SweepOptions, find_space
from raysearch.cli.arguments import (
    add_config,
    add_data_dir,
    add_format,
    add_results,
    add_settings,
    given,
)
from raysearch.cli.parsing import examples
from raysearch.cli.sweep_arguments import add_hardware, add_search
from raysearch.cores import usable_cores
from raysearch.errors import ConfigError
from raysearch.render.output import write_json

if TYPE_CHECKING:
    from raysearch.cluster.cost.prices import PriceTable
    from raysearch.run import Run
    from raysearch.search.plan import SweepPlan

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``plan``."""
    parser = commands.add_parser(
        "plan",
        help="say what a sweep will take: trials, hours, money",
        description="Say what a sweep will take, from earlier trials of the same method in "
        "--results and the prices in a cluster file. Takes the options of `sweep`; runs nothing.",
        epilog=examples(
            "raysearch plan carl --trials 100",
            "raysearch plan carl-emobank --cluster cluster.yaml --max-cost 20",
        ),
    )
    parser.add_argument(
        "method",
        metavar="SPACE",
        help="search space file, the name of one that comes with raysearch, or a method for its "
        "own: carl",
    )
    add_search(parser)
    add_hardware(parser)
    add_settings(parser)
    add_config(parser)
    add_results(parser)
    add_data_dir(parser)
    add_format(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the estimate; without earlier trials, what cannot be known and how to know it."""
    from raysearch.api.plan import estimate, pilots
    from raysearch.render.plan import plan_record, plan_text

    table = _table(args)
    free = args.slots is None
    plan = _plan(args)
    found = estimate(plan, table, pilots(_earlier(args.results), plan), free=free)
    if args.format == "json":
        write_json(plan_record(found))
    else:
        sys.stdout.write(plan_text(found))
    return 0


def _table(args: argparse.Namespace) -> PriceTable | None:
    """The prices and node types of the cluster, and the options that its file has for sweeps.

    Raises:
        ConfigError: The cluster file is wrong.
    """
    from raysearch.cluster.cost.prices import known_prices, read_prices
    from raysearch.cluster.remote.manifest import check_manifest, check_site
    from raysearch.yaml_lines import read_located

    if args.cluster is None:
        return known_prices(None if args.prices is None else Path(args.prices))
    check_manifest(Path(args.cluster))  # what is still unset matters to `ray up` only
    fields, problems = read_located(Path(args.cluster))
    options = check_site(fields, problems)
    typed = {word.split("=")[0] for word in args.words}
    for name in ("slots", "cpus_per_worker", "gpus_per_worker"):
        if name in options and f"--{name.replace('_', '-')}" not in typed:
            setattr(args, name, options[name])
    return read_prices(Path(args.cluster if args.prices is None else args.prices))


def _plan(args: argparse.Namespace) -> SweepPlan:
    from raysearch.api.sweep_plan import plan_of
    from raysearch.search.plan import check_room
    from raysearch.search.space.space import load_space

    named = args.method
    if Path(named).is_file() or not _is_method(named):
        path = find_space("", named, said="SPACE")
        if args.space is not None:
            raise ConfigError(
                f"`--space` must be left out where SPACE is a search space, {path}, but got "
                f"{args.space}"
            )
        args.space, args.method = str(path), load_space(path).method
    plan = plan_of(SweepOptions(**given(args)))
    if args.cluster is None and args.address is None:
        check_room(plan, {"CPU": usable_cores()})
    return plan


def _is_method(name: str) -> bool:
    from raysearch.methods import METHODS, outside_methods

    return name in METHODS or name in outside_methods()


def _earlier(results: str) -> list[Run]:
    """The trials of all sweeps in a folder of results; none where there is no sweep.

    What cannot be read is left out, and standard error says so.
    """
    from raysearch.errors import StoreError
    from raysearch.leaderboard import find_stores

    try:
        stores = find_stores(results)
    except StoreError:  # nothing has run yet, which the estimate says in its own words
        return []
    trials: list[Run] = []
    for store in stores:
        try:
            found, problems = store.readable()
        except StoreError as error:
            found, problems = [], (str(error),)
        trials += found
        sys.stderr.writelines(f"raysearch: left out of the estimate: {text}\n" for text in problems)
    return trials
