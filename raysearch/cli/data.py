"""`raysearch data list | fetch NAME | check | convert`."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from raysearch import api, render
from raysearch.cli.arguments import add_shared
from raysearch.cli.parsing import examples
from raysearch.errors import DataError
from raysearch.printable import counted
from raysearch.render.output import write_json

__all__ = ["add_parser", "run"]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``data`` and its four actions."""
    parser = commands.add_parser("data", help="list, fetch, check and convert corpora")
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = actions.add_parser(
        "list",
        help="every corpus, its licence, and whether it is here",
        epilog=examples("raysearch data list", "raysearch data list emobank"),
    )
    listing.add_argument("names", nargs="*", metavar="NAME", help="all that is known of these")
    fetch = actions.add_parser(
        "fetch",
        help="download a corpus from its pinned source",
        epilog=examples("raysearch data fetch emobank", "raysearch data fetch all --data-dir data"),
    )
    fetch.add_argument("names", nargs="+", metavar="NAME", help="a corpus, or `all` that can be")
    check = actions.add_parser(
        "check",
        help="compare the files with their SHA-256; report on language pairs",
        epilog=examples("raysearch data check", "raysearch data check sample_reviews"),
    )
    check.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="corpora, or folders of word-tag-category files (default: all corpora)",
    )
    convert = actions.add_parser(
        "convert",
        help="XML of SemEval-2014, -2015 or -2016 to a word-tag-category file",
        epilog=examples("raysearch data convert ABSA16_Restaurants_Train.xml gold-en-train.txt"),
    )
    convert.add_argument("xml", metavar="XML", help="the file to read")
    convert.add_argument("file", metavar="FILE", help="the file to write; must not exist yet")
    for action in (listing, fetch, check):
        add_shared(action, "--data-dir")
    for action in (listing, check):
        add_shared(action, "--format")
    add_shared(fetch, "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the requested action."""
    actions = {"list": _list, "fetch": _fetch, "check": _check, "convert": _convert}
    actions[args.action](args)
    return 0


def _list(args: argparse.Namespace) -> None:
    found = api.data_list(args.names, data_dir=args.data_dir)
    if args.format == "json":
        write_json(
            [
                {**asdict(info), "files": [asdict(file) for file in found.files_of(info.name)]}
                for info in found.corpora
            ]
        )
    elif args.names:
        for info in found.corpora:
            render.Terminal().print(render.corpus_card(info, found.pairs_of(info)), soft_wrap=True)
    else:
        render.Terminal().print(
            render.corpora_table(
                {info.name: info for info in found.corpora}, found.files, found.folder
            )
        )


def _fetch(args: argparse.Namespace) -> None:
    api.data_fetch(args.names, data_dir=args.data_dir, progress=render.download_progress)


def _check(args: argparse.Namespace) -> None:
    found = api.data_check(args.names, data_dir=args.data_dir)
    if args.format == "text" and found.files:
        render.Terminal().print(render.checks_table(found.files, found.folder))
    if found.problem:
        raise DataError(found.problem)
    splits, reports = found.splits(), found.language_pairs()
    if args.format == "json":
        write_json(
            {
                "files": [asdict(file) for file in found.files],
                "splits": [asdict(report) for report in splits],
                "language_pairs": [asdict(report) for report in reports],
            }
        )
        return
    if splits:
        render.Terminal().print(render.splits_table(splits))
    for report in reports:
        render.Terminal().print(render.languages_table(report), *render.pairs_tables(report))


def _convert(args: argparse.Namespace) -> None:
    done = api.data_convert(args.xml, args.file)
    console = render.Terminal()
    console.print(
        f"{done.path}: {counted(done.sentences, 'sentence')}, {counted(done.aspects, 'aspect')}",
        soft_wrap=True,
    )
    for what, count in done.counts.items():
        console.print(f"  {what}: {count}")
