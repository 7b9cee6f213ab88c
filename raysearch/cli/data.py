"""`raysearch data list | fetch NAME | check`: which corpora there are, get them, verify them."""

from __future__ import annotations

import argparse
from pathlib import Path

from raysearch.cli.arguments import add_data_dir
from raysearch.errors import DataError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``data`` and its three actions."""
    parser = commands.add_parser("data", help="list, fetch and check corpora")
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="every corpus, its licence, and whether it is here")
    listing.add_argument("names", nargs="*", metavar="NAME", help="all that is known of these")
    fetch = actions.add_parser("fetch", help="download a corpus from its pinned source")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="a corpus, or `all` that can be")
    check = actions.add_parser("check", help="compare the files with their SHA-256")
    check.add_argument("names", nargs="*", metavar="NAME", help="corpora (default: all)")
    for action in (listing, fetch, check):
        add_data_dir(action)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do the action that was asked for."""
    from rich.console import Console

    from raysearch import corpora
    from raysearch.render.corpora import checks_table, corpora_table, corpus_card

    folder = corpora.data_dir(args.data_dir)
    if args.action == "list" and args.names:
        for name in args.names:
            Console().print(corpus_card(corpora.corpus_info(name)), soft_wrap=True)
        return 0
    if args.action == "list":
        Console().print(corpora_table(corpora.CORPORA, corpora.check(folder), folder))
        return 0
    if args.action == "check":
        results = corpora.check(folder, args.names or None)
        Console().print(checks_table(results, folder))
        damaged = [result.path for result in results if result.state == "damaged"]
        if damaged:
            raise DataError(
                f"files of {folder} must have the pinned SHA-256, but {', '.join(damaged)} "
                "differ; delete them and run `raysearch data fetch`"
            )
        return 0
    names = args.names
    if names == ["all"]:
        pinned = [i for i in corpora.CORPORA.values() if all(f.sha256 for f in i.files)]
        names = [info.name for info in pinned if info.origin == "download"]
    return _fetch(names, folder)


def _fetch(names: list[str], folder: Path) -> int:
    from raysearch import corpora
    from raysearch.render.corpora import download_progress

    problems = []
    for name in names:
        try:
            with download_progress() as progress:
                corpora.fetch(name, folder, on_progress=progress)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return 0
