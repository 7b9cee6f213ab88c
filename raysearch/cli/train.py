"""`raysearch train METHOD`: trains one trial in this process, without a search or Ray."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from shlex import quote

from raysearch import api, render
from raysearch.api.options import TrainOptions
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples
from raysearch.json_text import plain_json
from raysearch.storage.uri import redacted

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``train``."""
    parser = commands.add_parser(
        "train",
        help="run one trial without a search",
        description="Run one trial, in this process. The same command again continues it, or "
        "shows its finished row.",
        epilog=examples(
            "raysearch train carl --set top_k=0.2",
            "raysearch train msmo --task en-es --seed 1 --set distillation=multi",
        ),
    )
    parser.add_argument("method", metavar="METHOD", help="for example carl")
    add_shared(parser, "--set", "--config")
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="which pair, for a method over several (default: --config's, else the only one)",
    )
    parser.add_argument(
        "--seed", type=int, help="the trial's seed (default: that of --config, else 0)"
    )
    parser.add_argument(
        "--name", help="folder under --results (default: METHOD-train- and a digest of settings)"
    )
    add_shared(parser, "--results", "--data-dir", "--format", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, store and show the row, and print the next commands."""
    found = api.train_trial(TrainOptions(**given(args)), args.messages)
    if args.format == "json":
        sys.stdout.write(plain_json(asdict(found.trial), sort_keys=True) + "\n")
        return 0
    first = found.goal.name.partition("/")[2] if found.goal else ""
    render.Terminal().print(render.readings_table([found.trial], title="dev", first=first))
    where, named = quote(redacted(found.folder)), quote(f"{redacted(found.folder)}:0")
    sys.stdout.write(
        f"the row:      python -m raysearch leaderboard {where}"
        + (f" --metric {found.goal.name}" if found.goal else " --metric NAME")
        + f"\ntest data:    python -m raysearch evaluate {where} --trial 0\n"
        f"the encoder:  python -m raysearch export {named} DIR\n"
    )
    return 0
