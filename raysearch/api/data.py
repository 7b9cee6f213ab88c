"""Lists, downloads, checks and converts corpora."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from raysearch import corpora
from raysearch.api.options import Folder
from raysearch.corpora import CheckResult, CorpusInfo, Progress
from raysearch.corpora.absa.files import is_folder, open_corpus, pairs
from raysearch.corpora.absa.pairs import CorpusReport, report_corpus
from raysearch.corpora.absa.semeval import read_semeval
from raysearch.corpora.absa.tagged import tagged_text
from raysearch.corpora.records import ROLES
from raysearch.corpora.splits import SplitReport, report_splits
from raysearch.errors import DataError
from raysearch.storage.whole import unwritten, whole_file

__all__ = [
    "CheckedCorpora",
    "ConvertedCorpus",
    "ListedCorpora",
    "data_check",
    "data_convert",
    "data_fetch",
    "data_list",
]


@dataclass(frozen=True, kw_only=True)
class ListedCorpora:
    """Corpora and the state of their files.

    Attributes:
        folder: Where they are looked for.
        corpora: What is known of each.
    """

    folder: Path
    corpora: Sequence[CorpusInfo]

    @cached_property
    def files(self) -> list[CheckResult]:
        """The state of all their files."""
        return corpora.check(self.folder, [info.name for info in self.corpora])

    def files_of(self, name: str) -> list[CheckResult]:
        """The files of one corpus."""
        return [file for file in self.files if name in file.corpora]

    def pairs_of(self, info: CorpusInfo) -> Sequence[str]:
        """The language pairs of a corpus that has some."""
        return pairs(open_corpus(info.name, self.folder)) if info.task == "absa" else ()


@dataclass(frozen=True, kw_only=True)
class CheckedCorpora:
    """Corpora whose files were compared with their SHA-256.

    Attributes:
        folder: Where they lie.
        files: The state of every file.
        names: Corpora whose files are all here, and folders.
    """

    folder: Path
    files: Sequence[CheckResult]
    names: Sequence[str]

    @property
    def problem(self) -> str:
        """A sentence on wrong files; empty if all are right."""
        damaged = [file.path for file in self.files if file.state == "damaged"]
        if not damaged:
            return ""
        return (
            f"files of {self.folder} must have the pinned SHA-256, but {', '.join(damaged)} "
            "differ; delete them and run `raysearch data fetch`"
        )

    def splits(self) -> list[SplitReport]:
        """Every corpus of labelled sentences, read and described.

        Raises:
            DataError: One cannot be read.
        """
        known = [corpora.CORPORA[name] for name in self.names if name in corpora.CORPORA]
        return [
            report_splits(corpora.load(info.name, self.folder, ROLES))
            for info in known
            if info.task != "absa"
        ]

    def language_pairs(self) -> list[CorpusReport]:
        """Every corpus of language pairs, read and described.

        Raises:
            DataError: One cannot be read.
        """
        infos = {name: corpora.CORPORA.get(name) for name in self.names}
        return [
            report_corpus(name, self.folder)
            for name, info in infos.items()
            if info is None or info.task == "absa"
        ]


@dataclass(frozen=True, kw_only=True)
class ConvertedCorpus:
    """A word-tag-category file that was written.

    Attributes:
        path: The file.
        sentences: Its sentences.
        aspects: Aspects in these.
        counts: What was met in the XML, in words, to how often.
    """

    path: Path
    sentences: int
    aspects: int
    counts: Mapping[str, int]


def data_list(names: Sequence[str] = (), *, data_dir: Folder | None = None) -> ListedCorpora:
    """List every corpus with its licence and the state of its files.

    Args:
        names: Corpora; none for all.
        data_dir: Folder of the corpora.

    Raises:
        DataError: There is no such corpus.
    """
    folder = corpora.data_dir(data_dir)
    infos = [corpora.corpus_info(name) for name in names or corpora.CORPORA]
    return ListedCorpora(folder=folder, corpora=infos)


def data_fetch(
    names: Sequence[str],
    *,
    data_dir: Folder | None = None,
    progress: Callable[[], AbstractContextManager[Progress | None]] = nullcontext,
) -> None:
    """Download corpora from their pinned sources; a failed one does not stop the others.

    Args:
        names: Corpora; only ``all`` for every one that can be downloaded.
        data_dir: Folder of the corpora.
        progress: Makes the receiver of a download's byte counts.

    Raises:
        DataError: What could not be had, and why.
    """
    folder = corpora.data_dir(data_dir)
    if list(names) == ["all"]:
        pinned = [i for i in corpora.CORPORA.values() if all(f.sha256 for f in i.files)]
        names = [info.name for info in pinned if info.origin == "download"]
    problems = []
    for name in names:
        try:
            with progress() as shown:
                corpora.fetch(name, folder, on_progress=shown)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))


def data_check(names: Sequence[str] = (), *, data_dir: Folder | None = None) -> CheckedCorpora:
    """Compare the files of corpora with their SHA-256.

    Args:
        names: Corpora, or folders of word-tag-category files; none for all corpora.
        data_dir: Folder of the corpora.

    Raises:
        DataError: There is no such corpus.
    """
    folder = corpora.data_dir(data_dir)
    known = [name for name in names if not is_folder(name)] if names else list(corpora.CORPORA)
    files = corpora.check(folder, known)
    missing = {name for file in files if file.state == "missing" for name in file.corpora}
    there = [name for name in names or known if name not in missing]
    return CheckedCorpora(folder=folder, files=files, names=there)


def data_convert(xml: Folder, file: Folder) -> ConvertedCorpus:
    """Write XML of SemEval-2014, -2015 or -2016 as a word-tag-category file.

    Args:
        xml: The file to read.
        file: The file to write.

    Raises:
        DataError: The XML is none of these, or the file exists or cannot be written.
    """
    source, target = Path(xml), Path(file)
    read = read_semeval(open_corpus(f"{source.parent}/", ""), source.name)
    try:
        with whole_file(target, replacing=False) as out:
            out.write(tagged_text(read.sentences).encode())
    except FileExistsError:
        raise DataError(f"`{target}` must not exist yet; delete it or name another file") from None
    except OSError as error:
        raise DataError(f"`{target}` must be writable, but: {unwritten(error)}") from None
    return ConvertedCorpus(
        path=target,
        sentences=len(read.sentences),
        aspects=sum(len(one.aspects) for one in read.sentences),
        counts=read.counts,
    )
