"""`raysearch export`: exports a trial's encoder, its settings, or the board as a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from raysearch import api
from raysearch.cli.arguments import add_shared, given
from raysearch.cli.parsing import examples

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``export``."""
    parser = commands.add_parser(
        "export",
        help="write a trial's encoder for transformers, or the board for a paper",
        description="Write a folder that transformers opens, with a model card (data, licences, "
        "scores, provenance) and the settings as YAML; or, on standard output, the settings "
        "alone, or the leaderboard as a LaTeX or Markdown table.",
        epilog=examples(
            "raysearch export results/carl:best my-encoder",
            "raysearch export results/carl --as latex > board.tex",
        ),
    )
    parser.add_argument(
        "trial", metavar="TRIAL", help="SWEEP:N or SWEEP:best; SWEEP alone for a table"
    )
    parser.add_argument(
        "folder", metavar="DIR", type=Path, nargs="?", help="folder to be made, of a model"
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("model", "config", "latex", "markdown"),
        default="model",
        help="default: model",
    )
    parser.add_argument(
        "--task",
        metavar="NAME",
        help="which pair, or all for a folder each (default: the only one)",
    )
    parser.add_argument("--seed", type=int, help="which cell (default: the first)")
    parser.add_argument(
        "--top", type=int, metavar="N", help="rows of a table, 0 for all (default: 10)"
    )
    add_shared(parser, "--data-dir", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the requested export."""
    done = api.export(**given(args, "quiet"), messages=args.messages)
    sys.stdout.write(done.text)
    for folder, trial in done.models.items():
        sys.stdout.write(
            f"wrote the encoder of trial {trial.id} to {folder}\n"
            f"open it with: transformers.AutoModel.from_pretrained({str(folder)!r})\n"
            f"what it is: {folder / 'README.md'}; its settings: {folder / 'raysearch.yaml'}\n"
        )
    return 0
