"""What is in the files of a corpus of language pairs, and what had to be mended in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from raysearch.corpora.absa.files import (
    gold_file,
    gold_languages,
    open_corpus,
    pair_files,
    pairs,
)
from raysearch.corpora.absa.pairs import read_views
from raysearch.corpora.absa.records import AlignedViews, TaggedSentence
from raysearch.corpora.absa.tagged import TaggedFile, read_tagged
from raysearch.corpora.absa.views import PairReport, mixed_runs
from raysearch.errors import DataError

__all__ = ["CorpusReport", "LanguageReport", "report_corpus"]

ROLES = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class LanguageReport:
    """The gold files of a language; what is not there has no entry.

    Attributes:
        language: For example ``es``.
        rows: Role (train, dev, test) to number of sentences.
        aspects: Role to number of aspects.
        normalised: Sentences in BIEOS.
        mixed: Aspects of mixed polarity.
        in_train: Role (dev, test) to sentences whose words are word for word (in NFC) those of
            a sentence of train. They are kept, as published results have them.
    """

    language: str
    rows: Mapping[str, int]
    aspects: Mapping[str, int]
    normalised: int
    mixed: int
    in_train: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class CorpusReport:
    """The languages and the translated pairs of a corpus."""

    name: str
    languages: tuple[LanguageReport, ...]
    pairs: tuple[PairReport, ...]


def report_corpus(corpus: str, folder: str | Path) -> CorpusReport:
    """Read every file of a corpus of language pairs.

    Args:
        corpus: A name in `CORPORA` of task ``absa``, or the path of a folder of such files.
        folder: The data folder.

    Raises:
        DataError: Unknown corpus, no gold file, or files that are wrong or do not pair; the
            problems of all gold files at once, then those of the first pair that has any.
    """
    place = open_corpus(corpus, folder)
    languages = gold_languages(place)
    if not languages:
        raise DataError(
            f"corpus {corpus} must have files such as gold-en-train.txt, but "
            f"{place.folder / place.info.folder} has none; {place.cure()}"
        )
    gold = {
        language: {
            role: read_tagged(place, path)
            for role in ROLES
            if (path := gold_file(place, language, role))
        }
        for language in languages
    }
    place.finish()
    found = []
    for pair in pairs(place):
        files = pair_files(place, pair, ("train",))
        views, report = read_views(place, files)
        if report is not None:
            found.append(replace(report, in_views=_in_views(views, gold.get(files.target, {}))))
    return CorpusReport(
        name=corpus,
        languages=tuple(_language(language, files) for language, files in gold.items()),
        pairs=tuple(found),
    )


def _in_views(views: Iterable[AlignedViews], gold: Mapping[str, TaggedFile]) -> dict[str, int]:
    words = {_words(one) for row in views for one in (row.st, row.ts, row.t) if one is not None}
    return {
        role: sum(_words(one) in words for one in file.sentences)
        for role, file in gold.items()
        if role != "train"
    }


def _language(language: str, files: Mapping[str, TaggedFile]) -> LanguageReport:
    train = {_words(one) for one in files["train"].sentences} if "train" in files else set()
    return LanguageReport(
        language=language,
        rows={role: len(file) for role, file in files.items()},
        aspects={
            role: sum(len(one.aspects) for one in file.sentences) for role, file in files.items()
        },
        normalised=sum(file.normalised for file in files.values()),
        mixed=sum(mixed_runs(file.sentences) for file in files.values()),
        in_train={
            role: sum(_words(one) in train for one in file.sentences)
            for role, file in files.items()
            if role != "train" and train
        },
    )


def _words(sentence: TaggedSentence) -> str:
    """What two sentences with equal words have in common, however their letters are composed."""
    return unicodedata.normalize("NFC", " ".join(sentence.words))
