"""Arguments that several sub-commands share, and the conversion of their text."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from raysearch.errors import ConfigError, quoted

__all__ = ["add_hardware", "add_search", "add_shared", "given"]

_SHARED: Mapping[str, Mapping[str, Any]] = {
    "--config": {
        "metavar": "FILE",
        "help": "hold the settings that are not searched at those of this file, which `raysearch "
        "export` wrote (raysearch.yaml, or --as config); --set comes on top",
    },
    "--data-dir": {
        "metavar": "DIR",
        "help": "folder of the corpora (default: $RAYSEARCH_DATA, else ../shared/data if it is "
        "there, else ~/.cache/raysearch/data)",
    },
    "--format": {
        "choices": ("text", "json"),
        "default": "text",
        "help": "how the result is written: for a person, or as JSON for a program (default: text)",
    },
    "--metric": {
        "metavar": "NAME[:min]",
        "help": "rank by this metric; :min where lower is better (default: the sweep's own goal)",
    },
    "--quiet": {
        "action": "store_true",
        "help": "say no progress: only the result, warnings and errors",
    },
    "--results": {
        "metavar": "DIR",
        "default": "results",
        "help": "folder that holds one folder per sweep (default: results)",
    },
    "--set": {
        "action": "append",
        "default": [],
        "metavar": "NAME=VALUE",
        "dest": "settings",
        "help": "hold a setting of the method at a value; lists are joined by commas; repeatable",
    },
    "--study": {
        "metavar": "URL",
        "default": "",
        "help": "database of the study, as the sweep has it (default: study.db in its folder)",
    },
}


def add_shared(parser: argparse.ArgumentParser, *options: str) -> None:
    """Add shared options: ``--config``, ``--format``, ….

    ``--format`` is of a command that writes one thing when it is done.
    """
    for option in options:
        short = ("-q",) if option == "--quiet" else ()
        parser.add_argument(*short, option, **_SHARED[option])


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add the options of the search and its budget."""
    group = parser.add_argument_group("the search (default: what the search space says)")
    group.add_argument(
        "--space",
        metavar="FILE",
        help="a search space, or the name of one that comes with raysearch (default: "
        "search_spaces/METHOD.yaml)",
    )
    group.add_argument("--name", help="name of the sweep (default: that of the space's file)")
    group.add_argument(
        "--trials", type=int, metavar="N", help="configurations (per_task: of each), over all runs"
    )
    group.add_argument("--time", metavar="T", help="time of this run: 90s, 30m, 2h")
    group.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="repeats of each configuration; more than before adds them to the sweep",
    )
    group.add_argument("--sampler", help="tpe, random, grid, qmc, cmaes or gp")
    group.add_argument("--metric", help="what is optimised, for example dev/va_pearson")
    group.add_argument("--direction", choices=("maximize", "minimize"), help="of --metric")
    _add_tasks(group)
    group.add_argument("--seed", type=int, help="seed of the sampler (default: 0)")
    group.add_argument(
        "--keep",
        choices=("best", "all", "none"),
        help="whose final weights stay on disk (default: best)",
    )
    group.add_argument("--study", metavar="URL", help="database of the study")


def _add_tasks(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--pairs", metavar="S-T,...", help="language pairs, for example en-es,en-fr")
    group.add_argument(
        "--mode",
        choices=("joint", "per_task"),
        help="one configuration scored on all tasks, or a search for each task",
    )
    group.add_argument(
        "--aggregate",
        choices=("mean", "worst"),
        help="joint: mean over the tasks, or the worst task",
    )
    group.add_argument(
        "--warm-start",
        type=int,
        metavar="N",
        help="per_task: first the N best of every task before it",
    )


def add_hardware(parser: argparse.ArgumentParser) -> None:
    """Add the options on where trials run, and their resources."""
    group = parser.add_argument_group("where trials run")
    group.add_argument(
        "--slots", type=int, metavar="N", help="trials at once (default: by CPUs, GPUs)"
    )
    group.add_argument(
        "--workers-per-trial",
        type=int,
        metavar="N",
        help="processes that share a trial (default: 1)",
    )
    group.add_argument(
        "--cpus-per-worker", type=float, metavar="N", help="fractions allowed (default: 1)"
    )
    group.add_argument(
        "--gpus-per-worker",
        type=float,
        metavar="N",
        help="fractions share a GPU, 0 trains on the CPU (default: 1 where this machine has GPUs)",
    )
    group.add_argument(
        "--gpu-types",
        metavar="LIST",
        help="types of GPUs to train on, such as L4,A10G, cheapest step first: the next is asked "
        "for when those before it do not come (default: any)",
    )
    group.add_argument(
        "--pack",
        metavar="N",
        help="workers that share a GPU, instead of --gpus-per-worker; auto measures what one "
        "takes at its peak",
    )
    group.add_argument(
        "--storage",
        metavar="DIR",
        help="folder or URI (s3://…, gs://…) that every node can write; below it, under the "
        "sweep's name, lie checkpoints, weights, stages and rows (default: --results)",
    )
    group.add_argument(
        "--stages",
        metavar="DIR",
        help="folder or URI (s3://…) of the stages that trials share (default: the sweep's own)",
    )
    group.add_argument(
        "--stages-limit",
        type=float,
        metavar="GB",
        help="most that these may take; the longest unused go first (default: half the free disk)",
    )
    group.add_argument(
        "--quota",
        type=float,
        metavar="GB",
        help="most that the sweep's checkpoints, weights and own stages may take; what can be had "
        "again goes first, never the best or a checkpoint in use (default: no limit)",
    )
    group.add_argument(
        "--hang-limit",
        metavar="T",
        help="a worker without a report for this long is replaced, and its trial continues from "
        "its checkpoint (default: 1h)",
    )
    group.add_argument(
        "--cluster",
        metavar="FILE",
        help="run it on the cluster of this file, brought up if need be; the leaderboard is shown "
        "and kept here. Or the URL of a head's dashboard",
    )
    group.add_argument(
        "--slurm",
        metavar="FILE",
        help="run it in jobs of Slurm, as this file says; the leaderboard is shown here",
    )
    group.add_argument("--address", help="Ray cluster to join (default: a Ray of its own)")
    group.add_argument(
        "--max-cost",
        type=float,
        metavar="X",
        help="end in order before the nodes have cost more than X, over all runs of the sweep",
    )
    group.add_argument(
        "--prices",
        metavar="FILE",
        help="cluster file that says what nodes cost (default: --cluster; at a head, its own)",
    )


_OWN = ("run", "format", "messages", "words")
"""Of a parsed command: what only the command line has."""


def given(args: argparse.Namespace, *left_out: str) -> dict[str, Any]:
    """The typed options as keywords of a function of `raysearch.api`, which has the defaults.

    Args:
        args: The parsed command.
        left_out: Options that the function has not.

    Raises:
        ConfigError: An argument of ``--set`` is not NAME=VALUE.
    """
    others = (*_OWN, *left_out)
    found = {n: v for n, v in vars(args).items() if v is not None and n not in others}
    if "settings" in found:
        found["settings"] = _parse_settings(found["settings"])
    return found


def _parse_settings(pairs: Sequence[str]) -> dict[str, str]:
    """``["top_k=0.2"]`` as a mapping."""
    settings: dict[str, str] = {}
    problems = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            problems.append(f"`--set` must be NAME=VALUE, but got {quoted(pair)}")
        elif name in settings:
            problems.append(f"`--set` must name a setting once, but `{name}` came twice")
        settings[name] = value
    if problems:
        raise ConfigError(problems)
    return settings
