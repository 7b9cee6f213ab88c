"""`raysearch data list | fetch NAME | check | convert`: which corpora, get, verify, read them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysearch.cli.arguments import add_data_dir, add_format, add_quiet
from raysearch.cli.parsing import examples
from raysearch.errors import DataError
from raysearch.storage.whole import unwritten, whole_file

if TYPE_CHECKING:
    from raysearch.corpora import CheckResult
    from raysearch.corpora.absa.report import CorpusReport

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
        add_data_dir(action)
    for action in (listing, check):
        add_format(action)
    add_quiet(fetch)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do the action that was asked for."""
    from raysearch import corpora

    if args.action == "convert":
        return _convert(Path(args.xml), Path(args.file))
    folder = corpora.data_dir(args.data_dir)
    if args.action == "list":
        return _list(args.names, folder, as_json=args.format == "json")
    if args.action == "check":
        return _check(args.names, folder, as_json=args.format == "json")
    names = args.names
    if names == ["all"]:
        pinned = [i for i in corpora.CORPORA.values() if all(f.sha256 for f in i.files)]
        names = [info.name for info in pinned if info.origin == "download"]
    return _fetch(names, folder)


def _list(names: list[str], folder: Path, *, as_json: bool) -> int:
    from raysearch import corpora
    from raysearch.corpora.absa.files import open_corpus, pairs
    from raysearch.render.corpora import corpora_table, corpus_card
    from raysearch.render.terminal import Terminal

    if as_json:
        checks = corpora.check(folder, names or list(corpora.CORPORA))
        infos = [corpora.corpus_info(name) for name in names or corpora.CORPORA]
        states = {i.name: [asdict(c) for c in checks if i.name in c.corpora] for i in infos}
        _write([{**asdict(info), "files": states[info.name]} for info in infos])
        return 0
    for name in names:
        info = corpora.corpus_info(name)
        found = pairs(open_corpus(name, folder)) if info.task == "absa" else ()
        Terminal().print(corpus_card(info, found), soft_wrap=True)
    if not names:
        Terminal().print(corpora_table(corpora.CORPORA, corpora.check(folder), folder))
    return 0


def _check(names: list[str], folder: Path, *, as_json: bool) -> int:
    from raysearch import corpora
    from raysearch.corpora.absa.files import is_folder
    from raysearch.corpora.absa.report import report_corpus

    known = [name for name in names if not is_folder(name)] if names else list(corpora.CORPORA)
    results = corpora.check(folder, known)
    if not as_json:
        _show(results, [], folder)
    damaged = [result.path for result in results if result.state == "damaged"]
    if damaged:
        raise DataError(
            f"files of {folder} must have the pinned SHA-256, but {', '.join(damaged)} "
            "differ; delete them and run `raysearch data fetch`"
        )
    missing = {name for result in results if result.state == "missing" for name in result.corpora}
    wanted = [name for name in names or known if name not in missing]
    infos = {name: corpora.CORPORA.get(name) for name in wanted}
    reports = [
        report_corpus(name, folder)
        for name, info in infos.items()
        if info is None or info.task == "absa"
    ]
    if as_json:
        files = [asdict(result) for result in results]
        _write({"files": files, "language_pairs": [asdict(report) for report in reports]})
    else:
        _show([], reports, folder)
    return 0


def _show(results: list[CheckResult], reports: list[CorpusReport], folder: Path) -> None:
    from raysearch.render.corpora import checks_table
    from raysearch.render.language_pairs import languages_table, pairs_tables
    from raysearch.render.terminal import Terminal

    if results:
        Terminal().print(checks_table(results, folder))
    for report in reports:
        Terminal().print(languages_table(report), *pairs_tables(report))


def _write(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")


def _convert(xml: Path, file: Path) -> int:
    from raysearch.corpora.absa.files import open_corpus
    from raysearch.corpora.absa.semeval import read_semeval
    from raysearch.corpora.absa.tagged import tagged_text
    from raysearch.render.terminal import Terminal

    read = read_semeval(open_corpus(f"{xml.parent}/", ""), xml.name)
    try:
        with whole_file(file, replacing=False) as out:
            out.write(tagged_text(read.sentences).encode())
    except FileExistsError:
        raise DataError(f"`{file}` must not exist yet; delete it or name another file") from None
    except OSError as error:
        raise DataError(f"`{file}` must be writable, but: {unwritten(error)}") from None
    aspects = sum(len(one.aspects) for one in read.sentences)
    Terminal().print(f"{file}: {len(read.sentences)} sentences, {aspects} aspects", soft_wrap=True)
    for what, count in read.counts.items():
        Terminal().print(f"  {what}: {count}")
    return 0


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
