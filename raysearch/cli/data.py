"""`raysearch data list | fetch NAME | check`: which corpora there are, get them, verify them."""

from __future__ import annotations

import argparse

from raysearch.cli.arguments import add_data_dir
from raysearch.errors import RaysearchError

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``data`` and its three actions."""
    parser = commands.add_parser("data", help="list, fetch and check corpora")
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser("list", help="every corpus, its licence, and whether it is here")
    fetch = actions.add_parser("fetch", help="download a corpus from its pinned source")
    fetch.add_argument("names", nargs="+", metavar="NAME", help="a corpus, or `all`")
    check = actions.add_parser("check", help="compare the files with their SHA-256")
    check.add_argument("names", nargs="*", metavar="NAME", help="corpora (default: all)")
    for action in (listing, fetch, check):
        add_data_dir(action)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do the action that was asked for."""
    from raysearch import corpora
    from raysearch.render import data as render

    folder = corpora.data_dir(args.data_dir)
    if args.action == "list":
        render.show_corpora(corpora.CORPORA, corpora.check(folder), folder)
        return 0
    if args.action == "check":
        results = corpora.check(folder, args.names or None)
        render.show_checks(results, folder)
        return 2 if any(result.state == "damaged" for result in results) else 0
    problems = []
    names = list(corpora.CORPORA) if args.names == ["all"] else args.names
    for name in names:
        try:
            with render.download_progress(name) as progress:
                corpora.fetch(name, folder, on_progress=progress)
        except RaysearchError as error:
            problems.append(str(error))
    if problems:
        raise RaysearchError("\n".join(problems))
    return 0
