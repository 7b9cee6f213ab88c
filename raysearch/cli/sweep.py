"""`raysearch sweep METHOD`: the search, with its live leaderboard; again to go on with it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch.api.options import SweepOptions
from raysearch.cli.arguments import (
    add_config,
    add_data_dir,
    add_quiet,
    add_results,
    add_settings,
    given,
)
from raysearch.cli.parsing import examples
from raysearch.cli.sweep_arguments import add_hardware, add_search
from raysearch.cluster.ray_version import check_ray
from raysearch.events import QuietView, View
from raysearch.render.output import lasting_output
from raysearch.storage.uri import redacted

if TYPE_CHECKING:
    from raysearch.api.messages import Messages
    from raysearch.search.plan import SweepPlan
    from raysearch.summary import SweepSummary

__all__ = ["add_parser", "run", "search"]


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
        help="what is written: text, or each event as JSON for a program (default: text)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the sweep, show its leaderboard, and say what is next."""
    typed = given(args)
    options = SweepOptions(**typed)
    if options.cluster is not None:
        from raysearch.api.remote import submit
        from raysearch.cli.watch import watch

        job = submit(options, typed, args.messages, form=args.format)
        return watch(str(options.cluster), job, Path(options.results))
    plan, summary = search(options, args.messages, args.format)
    if args.format == "text":
        sys.stdout.write(ending_of(plan, summary))
    if summary.ending == "interrupted":
        return 130
    return 0 if summary.best else 2


def ending_of(plan: SweepPlan, summary: SweepSummary) -> str:
    """The lines after the leaderboard of a sweep of this machine."""
    from raysearch.leaderboard import SweepCard
    from raysearch.render.sweep_summary import ending_text

    goal, mode, aggregate = plan.space.goal, plan.space.mode, plan.space.aggregate
    card = SweepCard(goal=goal, mode=mode, aggregate=aggregate, tasks=plan.tasks)
    return ending_text(card, summary, rows=redacted(plan.root))


def search(
    options: SweepOptions, messages: Messages, form: str = "text"
) -> tuple[SweepPlan, SweepSummary]:
    """Check everything that can be checked, and run the sweep on this machine or from it."""
    check_ray()  # before anything imports it
    from raysearch.api.copies import refuse_copy
    from raysearch.api.packing import packed
    from raysearch.api.sweep import header_of, show_sweep
    from raysearch.api.sweep_plan import card_of, check_inputs, plan_of, with_sources, write_card
    from raysearch.cli.views import JsonView, LiveView
    from raysearch.leaderboard import Store
    from raysearch.storage import open_storage

    plan = plan_of(options)
    check_inputs(plan)
    plan = with_sources(plan)
    refuse_copy(plan.folder)
    plan = packed(plan, options.pack, slots=options.slots, messages=messages)
    header = header_of(plan, card_of(plan))
    if plan.storage:
        open_storage(plan.root)  # said before Ray starts, too
    store = Store(plan.root)
    with lasting_output(
        f"nobody reads the output any more: the sweep goes on without it, and its rows are in "
        f"{redacted(plan.root)}"
    ):
        view: View
        if form == "json":
            view = JsonView(_write)
        else:
            view = QuietView(messages.warn) if options.quiet else LiveView()
        summary = show_sweep(plan, header, store, view, on_open=lambda: write_card(plan))
    if summary.used_up:
        write_card(plan, summary.used_up)
    return plan, summary


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
