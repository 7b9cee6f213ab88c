"""`raysearch train METHOD`: one trial without a search, in this process and without Ray.

The same command again goes on from its checkpoint, or shows the finished row.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from shlex import quote

from raysearch.api.options import absolute_folders, check_seed
from raysearch.cli.arguments import (
    add_data_dir,
    add_format,
    add_quiet,
    add_results,
    add_settings,
    parse_settings,
)
from raysearch.cli.config_file import add_config, take_config
from raysearch.cli.parsing import examples
from raysearch.config import flatten, read_config, said_value
from raysearch.cores import usable_cores
from raysearch.errors import ConfigError, RunError
from raysearch.names import checked_name
from raysearch.run import Cell, Run, RunSpec, RunState
from raysearch.sources import short, versions_of
from raysearch.storage.uri import join, redacted

__all__ = ["add_parser", "run", "train_here", "trained"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``train``."""
    parser = commands.add_parser(
        "train",
        help="run one trial without a search",
        description="Run one trial, in this process. The same command again goes on with it, or "
        "shows its finished row.",
        epilog=examples(
            "raysearch train carl --set top_k=0.2",
            "raysearch train msmo --task en-es --seed 1 --set distillation=multi",
        ),
    )
    parser.add_argument("method", metavar="METHOD", help="for example carl")
    add_settings(parser)
    add_config(parser)
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
    add_results(parser)
    add_data_dir(parser)
    add_format(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train, store the row, show it, and say what can be done with it."""
    from raysearch.api.restore import goal_of
    from raysearch.render.readings import readings_table
    from raysearch.render.terminal import Terminal

    trial, folder = trained(args)
    if args.format == "json":
        sys.stdout.write(trial.to_json() + "\n")
        return 0
    goal = goal_of(folder, args.method)
    first = goal.name.partition("/")[2] if goal else ""
    Terminal().print(readings_table([trial], title="dev", first=first))
    where, named = quote(redacted(folder)), quote(f"{redacted(folder)}:0")
    sys.stdout.write(
        f"the row:      python -m raysearch leaderboard {where}"
        + (f" --metric {goal.name}" if goal else " --metric NAME")
        + f"\ntest data:    python -m raysearch evaluate {where} --trial 0\n"
        f"the encoder:  python -m raysearch export {named} DIR\n"
    )
    return 0


def trained(args: argparse.Namespace) -> tuple[Run, str]:
    """The finished trial of these settings, trained now where it was not before; its folder.

    Raises:
        TrialError: It cannot be evaluated, and why.
    """
    from raysearch import corpora
    from raysearch.leaderboard import Store
    from raysearch.methods import get_method
    from raysearch.training.checkpoint import remove_checkpoint

    configured = take_config(args)
    if configured is not None and args.task is None:
        args.task = configured.task or None
    if args.seed is None:
        args.seed = (configured.seed if configured else None) or 0
    check_seed(args.seed)
    loader = get_method(args.method)
    said = {name: said_value(text) for name, text in parse_settings(args.settings).items()}
    config = read_config(loader.config_type, absolute_folders(said), where="--set")
    settings = flatten(config)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    name = checked_name(args.name or f"{args.method}-train-{digest}", "`--name`")
    folder = join(args.results, name)
    lease = RunSpec(
        sweep=name,
        number=0,
        cell=Cell(_task(args.task, loader.tasks(config)), args.seed),
        method=args.method,
        config=settings,
        folder="",
        keep=True,
    )
    lease = replace(lease, folder=join(folder, "leases", lease.id))
    store = Store(folder)
    done = {trial.key: trial for trial in store.trials()}
    trial = done.get((lease.sweep, lease.number, lease.cell.task, lease.cell.seed))
    if any(dict(other.config) != settings for other in done.values()):
        raise ConfigError(f"`--name` {name} holds a trial of other settings; choose another name")
    data_dir = str(corpora.data_dir(args.data_dir))
    _same_as_before(done.values(), name, data_dir)
    if trial is None:
        trial = train_here(lease, data_dir)
        store.append(trial)
        remove_checkpoint(lease)
    if trial.state is RunState.FAILED:
        raise RunError(f"trial {trial.id} failed: {trial.reason}")
    return trial, folder


def _same_as_before(rows: Collection[Run], name: str, data_dir: str) -> None:
    """See that a folder's rows are of the data, encoder and method that there are now.

    Raises:
        ConfigError: Something is another one now, so that the rows are no answer.
    """
    from raysearch.api.restore import changed_sources
    from raysearch.training.origin import versions

    problems = [
        f"`--name` {name} holds trial {row.id} of other sources, and is no result of what is "
        f"there now: {change}; choose another name, or put it back"
        for row in rows
        for change in changed_sources(row, data_dir, method=True)
    ]
    if problems:
        raise ConfigError(problems)
    for row in rows:
        before, now = versions_of(row.provenance), versions_of(versions(row.method))
        moved = [n for n in before if n in now and before[n] != now[n]]
        if moved:
            told = ", ".join(f"{n} {short(before[n])}, now {short(now[n])}" for n in moved)
            sys.stderr.write(f"trial {row.id} was made with {told}\n")


def _task(wanted: str | None, tasks: Sequence[str]) -> str:
    """The task of the one cell.

    Raises:
        ConfigError: The method has several and none is named, or another one is.
    """
    if wanted is None and len(tasks) == 1:
        return tasks[0]
    if wanted is None:
        raise ConfigError(
            f"`--task` must name one of {', '.join(tasks)}, because one trial trains one of them"
        )
    if wanted not in tasks:
        raise ConfigError(f"`--task` must be one of {', '.join(tasks)}, but got {wanted!r}")
    return wanted


def train_here(lease: RunSpec, data_dir: str) -> Run:
    """Run a lease in this process, with a progress bar on standard error."""
    import torch

    from raysearch.render.progress import TrialProgress
    from raysearch.training.hardware import torch_threads
    from raysearch.training.run import run_lease

    # Torch counts the cores of the node; with more threads than a quota allows they wait in turn.
    threads = min(torch.get_num_threads(), usable_cores())
    with torch_threads(threads), TrialProgress(f"trial {lease.id}") as listener:
        trial = run_lease(lease, listener, data_dir=data_dir)
    assert trial is not None, "nobody stops a trial in this process"
    return trial
