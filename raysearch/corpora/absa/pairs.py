"""Loads a language pair, and reports on the files of all pairs.

A file is opened only if its role is: after loading ``train`` and ``dev`` there are no labels of
the target in memory.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from raysearch.corpora.absa.code_switching import switch, switch_randomly, terms
from raysearch.corpora.absa.files import (
    PairFiles,
    gold_file,
    gold_languages,
    open_corpus,
    pair_files,
    pairs,
)
from raysearch.corpora.absa.noise import misalign
from raysearch.corpora.absa.records import (
    PAIR_ROLES,
    VIEWS,
    AlignedViews,
    PairCorpus,
    TaggedSentence,
)
from raysearch.corpora.absa.tagged import TAGS, TaggedFile, read_tagged
from raysearch.corpora.absa.views import PairReport, TrainFiles, align, map_rows, mixed_runs
from raysearch.corpora.source import Source
from raysearch.errors import ConfigError, DataError, RoleError
from raysearch.printable import counted, plural

__all__ = [
    "CorpusReport",
    "LanguageReport",
    "load_pair",
    "missing_views",
    "read_views",
    "report_corpus",
]

CODE_SWITCH = ("files", "built")
SWITCHED = ("aspects", "random")


def load_pair(
    corpus: str,
    pair: str,
    folder: str | Path,
    roles: Collection[str],
    *,
    translated: bool = True,
    code_switch: str = "files",
    switched: str = "aspects",
    alignment_noise: float = 0.0,
    noise_seed: int = 0,
) -> PairCorpus:
    """Read a language pair and keep the opened roles.

    Args:
        corpus: A name in `CORPORA` of task ``absa``, or the path of a folder of such files.
        pair: Source and target language, such as ``en-es``.
        folder: The data folder (`data_dir`); ignored for bundled corpora and paths.
        roles: Which of `PAIR_ROLES` to open, at least one.
        translated: Whether ``train`` has the views beside D_S; without them no file of
            translations is opened.
        code_switch: ``files`` reads D_ST and D_TS, ``built`` makes them from source,
            translation and aspects.
        switched: Which words change their language: ``aspects``, or ``random``, as many words
            outside of them (see `code_switching`; needs ``built``).
        alignment_noise: Fraction of the translation's aspects that are aligned wrongly (see
            `noise`), 0 to 1; needs ``built``.
        noise_seed: Determines the wrongly aligned aspects, and the words of ``random``.

    Raises:
        DataError: Unknown corpus, missing files, rows that are wrong or cannot be paired, or a
            labelled file without an aspect.
        ConfigError: The pair is not two languages, or views cannot be made.
        RoleError: No role, or an unknown one.
    """
    if isinstance(roles, str) or not roles or not set(roles) <= set(PAIR_ROLES):
        got = repr(roles) if isinstance(roles, str) else ", ".join(sorted(roles)) or "none"
        raise RoleError(
            f"`roles` must be one or more of {', '.join(PAIR_ROLES)}, but got {got} "
            f"(corpus {corpus}, pair {pair})"
        )
    _check_built(code_switch, switched, alignment_noise)
    source = open_corpus(corpus, folder)
    files = pair_files(source, pair, roles, translated=translated)
    sentences = _sentences(source, files)
    views: tuple[AlignedViews, ...] = ()
    notes: tuple[str, ...] = ()
    if "train" in roles:
        views, report = read_views(source, files, built=code_switch == "built")
        missing = _no_translation(files) if translated else ()
        notes = missing if report is None else report.notes()
        if code_switch == "built" and report is not None:
            views, more = _built(views, switched, alignment_noise, noise_seed)
            notes += more
    _check_aspects(source, _labelled(files, sentences, views))
    digests = {name: _view_digest(views, name) for name in VIEWS} if "train" in roles else {}
    return PairCorpus(
        name=corpus,
        pair=pair,
        source=files.source,
        target=files.target,
        digests=digests | {role: _digest(rows) for role, rows in sentences.items()},
        notes=notes,
        _views=views,
        _sentences=sentences,
        roles=tuple(role for role in PAIR_ROLES if role in roles),
    )


def missing_views(pair: PairCorpus) -> tuple[str, ...]:
    """Those of `VIEWS` that no training sentence has; needs role ``train``.

    Raises:
        RoleError: The role was not opened.
    """
    views = pair.views()
    return tuple(name for name in VIEWS if all(getattr(view, name) is None for view in views))


def read_views(
    source: Source, files: PairFiles, *, built: bool = False
) -> tuple[tuple[AlignedViews, ...], PairReport | None]:
    """The aligned views of the training sentences, with D_ST and D_TS from the files.

    Args:
        source: The corpus.
        files: Its files of the pair, including role ``train``.
        built: Whether D_ST and D_TS will be built. Their files are then only used to pair rows
            if source and translation have different lengths.

    Returns:
        The views, and the report on the files; None without a translation.

    Raises:
        DataError: A file is wrong, or the rows cannot be paired.
    """
    s = read_tagged(source, files.roles["train"])
    if not files.translation:
        source.finish()
        rows = enumerate(s.sentences)
        return tuple(AlignedViews(row=row, s=one) for row, one in rows), None
    t = read_tagged(source, files.translation)
    st: TaggedFile | None = None
    ts: TaggedFile | None = None
    if files.source_switched and not (built and len(s) == len(t)):
        st = read_tagged(source, files.source_switched)
        ts = read_tagged(source, files.target_switched)
    source.finish()
    read = TrainFiles(s=s, t=t, st=st, ts=ts)
    row_map = map_rows(source, read)
    return align(files.pair, replace(read, st=None, ts=None) if built else read, row_map)


def _check_built(code_switch: str, switched: str, noise: float) -> None:
    if code_switch not in CODE_SWITCH:
        raise ConfigError(
            f"`code_switch` must be {' or '.join(CODE_SWITCH)}, but got {code_switch!r}"
        )
    if switched not in SWITCHED:
        raise ConfigError(f"`switched` must be {' or '.join(SWITCHED)}, but got {switched!r}")
    if switched != "aspects" and code_switch != "built":
        raise ConfigError(
            f"`switched` must be aspects unless `code_switch` is built, but got {switched} with "
            f"{code_switch}: the files have aspects switched already"
        )
    if not 0 <= noise <= 1:
        raise ConfigError(f"`alignment_noise` must be from 0 to 1, but got {noise}")
    if noise and code_switch != "built":
        raise ConfigError(
            f"`alignment_noise` must be 0 unless `code_switch` is built, but got {noise} with "
            f"{code_switch}: the files are aligned already"
        )


def _sentences(source: Source, files: PairFiles) -> dict[str, tuple[TaggedSentence, ...]]:
    """The sentences of the opened roles other than ``train``; ``unlabelled`` without tags."""
    read = {
        role: read_tagged(source, path) for role, path in files.roles.items() if role != "train"
    }
    source.finish()
    sentences = {role: file.sentences for role, file in read.items()}
    if "unlabelled" in sentences:
        sentences["unlabelled"] = tuple(
            TaggedSentence(one.words, ("O",) * len(one.words)) for one in sentences["unlabelled"]
        )
    return sentences


def _labelled(
    files: PairFiles,
    sentences: Mapping[str, Sequence[TaggedSentence]],
    views: Sequence[AlignedViews],
) -> dict[str, Sequence[TaggedSentence]]:
    """The files whose labels are read, to their sentences."""
    found = {
        path: sentences[role]
        for role, path in files.roles.items()
        if role in sentences and role != "unlabelled"
    }
    if views:
        found[files.roles["train"]] = [view.s for view in views]
        found[files.translation] = [view.t for view in views if view.t is not None]
    return found


def _check_aspects(source: Source, labelled: Mapping[str, Sequence[TaggedSentence]]) -> None:
    """Refuse a labelled file without an aspect: it teaches none, and F1 on it is always 0.

    Args:
        source: The corpus.
        labelled: Files whose labels are read, to their sentences.

    Raises:
        DataError: There are such files; all are listed.
    """
    problems = [
        f"{source.folder / path}: a labelled file must have aspects (tags {', '.join(TAGS[1:])}), "
        f"but its {counted(len(rows), 'sentence')} {plural(len(rows), 'has', 'have')} none"
        for path, rows in labelled.items()
        if rows and not any(one.aspects for one in rows)
    ]
    if problems:
        raise DataError("\n".join([*problems, source.cure()]))


def _built(
    views: tuple[AlignedViews, ...], switched: str, noise: float, seed: int
) -> tuple[tuple[AlignedViews, ...], tuple[str, ...]]:
    """The views with D_T misaligned and D_ST and D_TS built from it, and notes on it."""
    misaligned = misalign({view.row: view.t for view in views if view.t is not None}, noise, seed)
    pairs = {view.row: (view.s, t) for view in views if (t := misaligned.sentences.get(view.row))}
    if switched == "aspects":
        made = {row: (switch(s, terms(t)), switch(t, terms(s))) for row, (s, t) in pairs.items()}
        notes = ["D_ST and D_TS built from source, translation and aspects"]
    else:
        random = switch_randomly(pairs, seed)
        made = dict(random.sentences)
        notes = [
            f"D_ST and D_TS built with words outside of aspects switched: {random.swaps} swaps, "
            f"seed {seed}, {random.shorter} shorter than the aspect and {random.left} left out, "
            "as no other word was free"
        ]
    if noise:
        short = misaligned.asked - misaligned.wrong
        left = f" ({short} fewer than asked for: no other word is free)" if short else ""
        notes.append(
            f"{misaligned.wrong} of {misaligned.aspects} aspects aligned wrongly, seed {seed}{left}"
        )
    return tuple(
        replace(view, st=made[view.row][0], ts=made[view.row][1], t=pairs[view.row][1])
        if view.row in pairs
        else view
        for view in views
    ), tuple(notes)


def _no_translation(files: PairFiles) -> tuple[str, ...]:
    wanted = f"smt-{files.source}-{files.target}-train.txt"
    return (f"no translation of the source sentences ({wanted}): source sentences alone",)


def _view_digest(views: Iterable[AlignedViews], name: str) -> str:
    """Digest of one view with its rows; missing ones are left out."""
    rows = ((view.row, getattr(view, name)) for view in views)
    return _digest_of({row: one for row, one in rows if one is not None})


def _digest(sentences: Iterable[TaggedSentence]) -> str:
    return _digest_of(dict(enumerate(sentences)))


def _digest_of(sentences: Mapping[int, TaggedSentence]) -> str:
    """SHA-256 (hex) over row, words and tags."""
    digest = hashlib.sha256()
    for row, one in sentences.items():
        words, tags = "\x1f".join(one.words), "\x1f".join(one.tags)
        digest.update(f"{row}\x1d{words}\x1d{tags}\x1e".encode())
    return digest.hexdigest()


ROLES = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class LanguageReport:
    """Report on the gold files of a language; missing ones have no entry.

    Attributes:
        language: For example ``es``.
        rows: Role (train, dev, test) to number of sentences.
        aspects: Role to number of aspects.
        normalised: Sentences in BIEOS.
        mixed: Aspects of mixed polarity.
        in_train: Role (dev, test) to sentences that are word for word (in NFC) in train. They
            are kept, as in published results.
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
        DataError: Unknown corpus, no gold file, files that are wrong or do not pair, or a
            labelled file without an aspect; the problems of all gold files at once, then those
            of the first pair that has any.
    """
    source = open_corpus(corpus, folder)
    languages = gold_languages(source)
    if not languages:
        raise DataError(
            f"corpus {corpus} must have files such as gold-en-train.txt, but "
            f"{source.folder / source.info.folder} has none; {source.cure()}"
        )
    gold = {
        language: {
            role: read_tagged(source, path)
            for role in ROLES
            if (path := gold_file(source, language, role))
        }
        for language in languages
    }
    source.finish()
    _check_aspects(source, _labelled_gold(source, gold))
    found = []
    for pair in pairs(source):
        files = pair_files(source, pair, ("train",))
        views, report = read_views(source, files)
        if report is not None:
            found.append(replace(report, in_views=_in_views(views, gold.get(files.target, {}))))
    return CorpusReport(
        name=corpus,
        languages=tuple(_language(language, files) for language, files in gold.items()),
        pairs=tuple(found),
    )


def _labelled_gold(
    place: Source, gold: Mapping[str, Mapping[str, TaggedFile]]
) -> dict[str, Sequence[TaggedSentence]]:
    """The gold files that are read with their labels; a target's training sentences are not."""
    sources = {pair_files(place, pair, ()).source for pair in pairs(place)}
    return {
        gold_file(place, language, role): file.sentences
        for language, files in gold.items()
        for role, file in files.items()
        if role != "train" or language in sources
    }


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
    """A key for sentences with equal words, in any Unicode composition."""
    return unicodedata.normalize("NFC", " ".join(sentence.words))
