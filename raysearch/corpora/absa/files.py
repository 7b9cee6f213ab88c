"""The files of a corpus of language pairs, and those of a pair.

The files of a pair S-T, in one folder (msmo.md §1.3 and §1.5)::

    gold-S-train.txt   gold-S-dev.txt                        the source language, labelled
    gold-T-train.txt   gold-T-dev.txt   gold-T-test.txt      the target language
    smt-S-T-train.txt, or smt-T-train.txt where S is en      D_T, the translation
    cs_T-S-train.txt                                         D_ST, source with target aspects
    cs_S-T-train.txt                                         D_TS, translation with source aspects

The opened roles determine which of them are required; a new language needs files and no code.
Translation and code-switched files are optional.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from raysearch.corpora import sample
from raysearch.corpora.registry import CORPORA, CorpusInfo
from raysearch.corpora.source import Source
from raysearch.errors import ConfigError, DataError, known_names
from raysearch.names import LANGUAGE, language_pair

__all__ = [
    "PairFiles",
    "gold_file",
    "gold_languages",
    "is_folder",
    "languages",
    "open_corpus",
    "pair_files",
    "pairs",
]

ENGLISH = "en"
"""The source language that the names of translation files may omit."""

GOLD = re.compile(rf"gold-({LANGUAGE})-(?:train|dev|test)\.txt")
TRANSLATION = re.compile(rf"smt-(?:({LANGUAGE})-)?({LANGUAGE})-train\.txt")


@dataclass(frozen=True, kw_only=True)
class PairFiles:
    """The files of a pair, each relative to the folder of its `Source`.

    Attributes:
        pair: For example ``en-es``.
        source: Source language.
        target: Target language.
        roles: Role to file, for roles of a single file; two roles may share one.
        translation: D_T, or "" if it is missing.
        source_switched: D_ST, or "" if it is missing or there is no translation.
        target_switched: D_TS, likewise.
    """

    pair: str
    source: str
    target: str
    roles: dict[str, str]
    translation: str
    source_switched: str
    target_switched: str


def is_folder(corpus: str) -> bool:
    """Whether a corpus is named by its folder: not a registered name, and a path or a folder."""
    return corpus not in CORPORA and ("/" in corpus or Path(corpus).is_dir())


def open_corpus(corpus: str, folder: str | Path) -> Source:
    """The source of a corpus of language pairs.

    Args:
        corpus: A name in `CORPORA` of task ``absa``, or the path of a folder of such files.
        folder: The data folder; ignored for bundled corpora and for a path.

    Raises:
        DataError: The corpus is unknown, or of another task.
    """
    if is_folder(corpus):
        info = CorpusInfo(
            name=corpus,
            task="absa",
            title="a folder of word-tag-category files",
            licence="the user's own",
            citation="",
            label_names=(),
            origin="folder",
        )
        return Source(info, Path(corpus))
    known = [name for name, info in CORPORA.items() if info.task == "absa"]
    if corpus not in known:
        raise DataError(
            f"`corpus` must hold language pairs, but got {corpus!r}; name one of them, or a "
            f"folder with a / in its path; {known_names(known)}"
        )
    info = CORPORA[corpus]
    return Source(info, sample.FOLDER if info.origin == "bundled" else Path(folder))


def languages(pair: str) -> tuple[str, str]:
    """Source and target language of a pair.

    Raises:
        ConfigError: The pair is not two different languages.
    """
    found = language_pair(pair)
    if found is None:
        raise ConfigError(
            f"a language pair must be two different languages, source first, such as en-es or "
            f"en-pt_BR, but got {pair!r}"
        )
    return found


def pair_files(
    corpus: Source, pair: str, roles: Collection[str], *, translated: bool = True
) -> PairFiles:
    """The files of a pair; those that the roles need must exist.

    Args:
        corpus: The corpus.
        pair: Source and target language.
        roles: Roles to open, of `PAIR_ROLES`.
        translated: Whether role ``train`` has translations and code-switched sentences.

    Raises:
        ConfigError: The pair is not two different languages.
        DataError: Files of these roles are missing (all are listed); or only one of the two
            code-switched files of a translation exists.
    """
    source, target = languages(pair)
    needed = {
        "train": f"gold-{source}-train.txt",
        "dev": f"gold-{source}-dev.txt",
        "unlabelled": f"gold-{target}-train.txt",
        "target_train": f"gold-{target}-train.txt",
        "target_dev": f"gold-{target}-dev.txt",
        "test": f"gold-{target}-test.txt",
    }
    paths = {role: _path(corpus, name) for role, name in needed.items() if role in roles}
    _require(corpus, pair, list(dict.fromkeys(paths.values())))
    translation = _translation(corpus, source, target) if "train" in roles and translated else ""
    switched = [_path(corpus, f"cs_{name}-train.txt") for name in (f"{target}-{source}", pair)]
    there = [path for path in switched if _is_there(corpus, path)]
    if translation and len(there) == 1:
        _require(corpus, pair, switched)
    if not translation or not there:
        # Without a translation they belong to the opposite pair, which has the same names.
        switched = ["", ""]
    return PairFiles(
        pair=pair,
        source=source,
        target=target,
        roles=paths,
        translation=translation,
        source_switched=switched[0],
        target_switched=switched[1],
    )


def pairs(corpus: Source) -> tuple[str, ...]:
    """The pairs that have a translation and the source's training sentences, in order."""
    found = set()
    for name in _names(corpus):
        match = TRANSLATION.fullmatch(name)
        if match is not None:
            source, target = match[1] or ENGLISH, match[2]
            if source != target and _is_there(corpus, _path(corpus, f"gold-{source}-train.txt")):
                found.add(f"{source}-{target}")
    return tuple(sorted(found))


def gold_languages(corpus: Source) -> tuple[str, ...]:
    """The languages that have any gold file, in order."""
    matches = (GOLD.fullmatch(name) for name in _names(corpus))
    return tuple(sorted({match[1] for match in matches if match is not None}))


def gold_file(corpus: Source, language: str, role: str) -> str:
    """The gold file of a language and role (train, dev, test), or "" if it is not there."""
    path = _path(corpus, f"gold-{language}-{role}.txt")
    return path if _is_there(corpus, path) else ""


def _require(corpus: Source, pair: str, paths: list[str]) -> None:
    missing = [path for path in paths if not _is_there(corpus, path)]
    if not missing:
        return
    known = gold_languages(corpus)
    there = f"gold files of {', '.join(known)} are there" if known else "no gold file is there"
    text = (
        f"pair {pair} of corpus {corpus.info.name} must have the files {', '.join(paths)}, but "
        f"{corpus.folder} lacks {', '.join(missing)} ({there}); {corpus.cure()}"
    )
    raise DataError(text) if known else corpus.missing(text)


def _translation(corpus: Source, source: str, target: str) -> str:
    names = [f"smt-{source}-{target}-train.txt"]
    if source == ENGLISH:
        names.append(f"smt-{target}-train.txt")
    paths = (_path(corpus, name) for name in names)
    return next((path for path in paths if _is_there(corpus, path)), "")


def _path(corpus: Source, name: str) -> str:
    return f"{corpus.info.folder}/{name}" if corpus.info.folder else name


def _is_there(corpus: Source, path: str) -> bool:
    return (corpus.folder / path).is_file()


def _names(corpus: Source) -> list[str]:
    folder = corpus.folder / corpus.info.folder
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
