"""`raysearch experiment NAME`: trains and answers one of the papers' own questions.

An experiment is a search space whose combinations are arms (`raysearch.search.space.experiment`).
The command trains them all as a sweep, reads the test data where the answer is given in it, and
writes page, figure and report into the sweep's folder. The same command continues where it ended.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace

from raysearch import api, render
from raysearch.api.options import ExperimentOptions
from raysearch.cli.arguments import add_hardware, add_shared, given
from raysearch.cli.parsing import examples
from raysearch.cluster.ray_version import check_ray
from raysearch.render.output import write_json
from raysearch.storage.uri import join, redacted, shown_text, shown_url

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``experiment``."""
    parser = commands.add_parser(
        "experiment",
        help="answer one of the papers' own questions: arms, table, figure, page",
        description="Train all arms of an experiment, read the test data once where the answer is "
        "given in it, and say what was found and how surely. Without NAME, list the experiments. "
        "Running the same command again continues where it ended.",
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
        choices=("small", "paper"),
        default="small",
        help="small fits two CPU cores; paper is the papers' own size, for a GPU (default: small)",
    )
    parser.add_argument("--seeds", type=int, metavar="N", help="cells of each arm and task")
    add_hardware(parser)
    add_shared(parser, "--set", "--results", "--data-dir", "--format", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the experiments, or run one and print its answer."""
    if args.name is None:
        _list(args.format)
        return 0
    check_ray()  # before anything imports it
    command = _command(args.words)
    messages = replace(args.messages, make_view=None) if args.format == "json" else args.messages
    found = api.run_experiment(ExperimentOptions(**given(args)), messages, command=command)
    if found is None:
        sys.stderr.write(f"interrupted; continue with\n  {command}\n")
        return 130
    _say(args.format, *found)
    return 0


def _list(form: str) -> None:
    asked = {
        name: space.question.text for name, space in api.experiments().items() if space.question
    }
    if form == "json":
        write_json(asked)
        return
    table = render.bare_table()
    table.add_column("experiment", no_wrap=True)
    table.add_column("question", overflow="fold")
    for name, text in asked.items():
        table.add_row(name, text)
    console = render.Terminal()
    console.print(table)
    console.print("\npython -m raysearch experiment NAME answers one")


def _command(words: Sequence[str]) -> str:
    """The given command for a page, without secrets."""
    return shlex.join(["python", "-m", "raysearch", *map(_shown_word, words)])


def _shown_word(word: str) -> str:
    """A word of a command without its URL's secrets; call it before quoting."""
    name, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
    return f"{name}{equals}{shown_text(shown_url(value))}"


def _say(form: str, folder: str, found: api.Experiment) -> None:
    if form == "json":
        record = render.answer_record(
            found.answer, name=found.name, question=found.question.text, sentences=found.sentences
        )
        write_json(record)
        return
    console = render.Terminal()
    console.print()
    title = f"{found.name}: {found.question.text}"
    console.print(render.StudyBoard(title, found.answer, found.sentences))
    for what, name in (("page", "study.md"), ("figure", "study.svg"), ("report", "report.html")):
        console.print(f"{what:8}{redacted(join(folder, name))}", soft_wrap=True)
