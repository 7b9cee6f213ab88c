"""`raysearch experiment NAME`: one of the papers' own questions, trained, read and answered.

An experiment is a search space whose combinations are arms (`raysearch.search.space.experiment`).
The command trains them all as a sweep, reads the test data where the answer is given in it, and
writes page, figure and report into the sweep's folder. The same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from raysearch import api
from raysearch.api.options import EvaluateOptions, SweepOptions, setting_text
from raysearch.cli.arguments import (
    add_data_dir,
    add_format,
    add_quiet,
    add_results,
    add_settings,
    given,
)
from raysearch.cli.parsing import examples
from raysearch.cli.sweep_arguments import add_hardware
from raysearch.errors import ConfigError, RunError
from raysearch.storage.uri import join, redacted, shown_text, shown_url

if TYPE_CHECKING:
    from raysearch.api.experiment import Experiment
    from raysearch.search.space.space import SearchSpace

__all__ = ["add_parser", "run", "run_experiment"]

SCALES = ("small", "paper")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``experiment``."""
    parser = commands.add_parser(
        "experiment",
        help="answer one of the papers' own questions: arms, table, figure, page",
        description="Train all arms of an experiment, read the test data once where the answer is "
        "given in it, and say what was found and how surely. Without NAME, list the experiments. "
        "Running the same command again goes on where it ended.",
        epilog=examples(
            "raysearch experiment",
            "raysearch experiment carl-ablation",
            "raysearch experiment msmo-beta --scale paper --gpus-per-worker 0.5",
        ),
    )
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="an experiment, or a space file with a section `study`",
    )
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="small",
        help="small fits two CPU cores; paper is the papers' own size, for a GPU (default: small)",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="cells of each arm and task")
    add_hardware(parser)
    add_settings(parser)
    add_results(parser)
    add_data_dir(parser)
    add_format(parser)
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the experiments, or run one and say its answer."""
    from raysearch.api.experiment import experiments

    if args.name is None:
        _list(args, experiments())
        return 0
    found = run_experiment(args)
    if found is None:
        again = _command(args)
        sys.stderr.write(f"interrupted; go on with\n  {again}\n")
        return 130
    _say(args, *found)
    return 0


def run_experiment(args: argparse.Namespace) -> tuple[str, Experiment] | None:
    """Train, read, measure and write a study's page.

    Returns:
        The sweep's folder and the study; None when it was interrupted.

    Raises:
        ConfigError: There is no such study, or it cannot run as asked.
        TrialError: It ran out of money before all arms were trained.
    """
    from raysearch.api.experiment import find_experiment
    from raysearch.summary import Ending

    path, space = find_experiment(args.name)
    if args.cluster is not None:
        raise ConfigError(
            "`--cluster` must be left out of an experiment, which reads test data where its "
            "weights are; run it on the cluster's head with --address auto and --storage"
        )
    plan, summary = api.search(_sweep_options(args, path, space), None, args.messages)
    if summary.ending is Ending.INTERRUPTED:
        return None
    if summary.ending is not Ending.DONE:
        raise RunError(
            f"an experiment must have all its arms, but its sweep ended by {summary.ending} with "
            f"{summary.unfinished} of {summary.asked} configurations open; the same command with a "
            "higher limit goes on"
        )
    study = _measured(args, path, space, plan.root)
    _write(plan.root, study)
    return plan.root, study


def _list(args: argparse.Namespace, found: Mapping[str, SearchSpace]) -> None:
    from raysearch.render.table import bare_table
    from raysearch.render.terminal import Terminal

    asked = {name: space.question.text for name, space in found.items() if space.question}
    if args.format == "json":
        sys.stdout.write(json.dumps(asked, indent=1) + "\n")
        return
    table = bare_table()
    table.add_column("experiment", no_wrap=True)
    table.add_column("question", overflow="fold")
    for name, text in asked.items():
        table.add_row(name, text)
    console = Terminal()
    console.print(table)
    console.print("\npython -m raysearch experiment NAME answers one")


def _sweep_options(args: argparse.Namespace, path: Path, space: SearchSpace) -> SweepOptions:
    """The options of the study's sweep; the scale's settings come before the user's."""
    assert space.question is not None
    typed = given(args)
    settings, name = typed.get("settings", {}), path.stem
    if args.scale == "paper":
        own = {key: setting_text(value) for key, value in space.question.paper.items()}
        settings = {**own, **settings}
        typed.setdefault("seeds", space.question.paper_seeds)
        name = f"{name}-paper"
    known = {item.name for item in fields(SweepOptions)}
    own_options = {
        **{key: value for key, value in typed.items() if key in known},
        "space": str(path),
        "name": name,
        "keep": "all",
        "settings": settings,
        "quiet": args.quiet or args.format == "json",
    }
    return SweepOptions(space.method, **own_options)


def _measured(args: argparse.Namespace, path: Path, space: SearchSpace, folder: str) -> Experiment:
    """The answer, after reading and measuring what it needs."""
    from raysearch import corpora
    from raysearch.api.experiment import measure, read_experiment

    assert space.question is not None
    wanted = (space.question.goal.name, *space.question.beside)
    if any(name.startswith("test/") for name in wanted):
        _read_test(args, folder)
    if space.question.measure:
        measure(folder, space, str(corpora.data_dir(args.data_dir)))
    study = read_experiment(folder, space, path.stem, small=args.scale == "small")
    return replace(study, command=_command(args))


def _command(args: argparse.Namespace) -> str:
    """The command that was given, as it may stand on a page."""
    return shlex.join(["python", "-m", "raysearch", *map(_shown_word, args.words)])


def _shown_word(word: str) -> str:
    """A word of a command without its URL's secrets; before it is quoted, which would cut it."""
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{name}{equals}{shown_text(shown_url(value))}"


def _read_test(args: argparse.Namespace, folder: str) -> None:
    """Read test for every complete cell that has no reading yet."""
    from raysearch.api.evaluate import read_trials
    from raysearch.leaderboard import Store
    from raysearch.leaderboard.openings import readings_of
    from raysearch.run import RunState

    complete = {t.key for t in Store(folder).trials() if t.state is RunState.COMPLETE}
    if not complete - readings_of(folder).keys():
        return
    options = EvaluateOptions(folder, trial="all", data_dir=args.data_dir)
    read_trials(options, args.messages)


def _write(folder: str, study: Experiment) -> None:
    """Page, figure and the report of the sweep into the sweep's folder."""
    from raysearch.api.report import page_of, sweep_records
    from raysearch.storage import write_files

    texts = {
        "study.svg": study.figure(),
        "study.md": study.page("study.svg"),
        "report.html": page_of(sweep_records(folder, None)[0]),
    }
    write_files(folder, {name: text.encode() for name, text in texts.items()})


def _say(args: argparse.Namespace, folder: str, study: Experiment) -> None:
    from raysearch.render.experiment.table import StudyBoard, answer_record
    from raysearch.render.terminal import Terminal

    if args.format == "json":
        record = answer_record(
            study.answer,
            name=study.name,
            question=study.question.text,
            sentences=study.sentences,
        )
        sys.stdout.write(json.dumps(record, indent=1) + "\n")
        return
    console = Terminal()
    console.print()
    title = f"{study.name}: {study.question.text}"
    console.print(StudyBoard(title, study.answer, study.sentences))
    for what, name in (("page", "study.md"), ("figure", "study.svg"), ("report", "report.html")):
        console.print(f"{what:8}{redacted(join(folder, name))}", soft_wrap=True)
