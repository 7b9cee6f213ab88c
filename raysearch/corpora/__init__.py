"""Corpora: registry, download with checksums, loaders, bundled samples.

``load("emobank", data_dir(), {"train", "dev"})`` returns frozen splits of the opened roles only,
with labels in [0, 1] or class ids, and no text of dev or test in train. Corpora named
``sample…`` are bundled and need no data folder. Language pairs with marked aspects (task
``absa``) are loaded by `absa.load_pair`, one pair at a time.

To add a corpus: add its files and their SHA-256 to `registry`, one loader file, and one line to
`LOADERS`; the tests for every corpus then run on it. `load` is the only access to a corpus: it
checks the roles first, reads, and passes the rows to `records.assemble`. Nothing is cached on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from raysearch.corpora import (
    dailydialog,
    emobank,
    emotales,
    facebook,
    goemotions,
    iemocap,
    polarity,
    sample,
    tec,
)
from raysearch.corpora.download import CheckResult, Progress, check, fetch
from raysearch.corpora.records import ROLES, Corpus, Removal, Rows, Split, assemble, normalise
from raysearch.corpora.registry import CORPORA, CorpusFile, CorpusInfo, Task, corpus_info
from raysearch.corpora.source import Source, data_dir
from raysearch.errors import DataError, RoleError

__all__ = [
    "CORPORA",
    "LOADERS",
    "ROLES",
    "CheckResult",
    "Corpus",
    "CorpusFile",
    "CorpusInfo",
    "Progress",
    "Removal",
    "Split",
    "Task",
    "check",
    "corpus_info",
    "data_dir",
    "fetch",
    "load",
    "normalise",
]

LOADERS: dict[str, Callable[[Source], Rows]] = {
    "sample": sample.load,
    "sample_polarity": sample.load,
    "sample_emotions": sample.load,
    "emobank": emobank.load,
    "facebook": facebook.load,
    "emotales": emotales.load,
    "iemocap": iemocap.load,
    "iemocap_classes": iemocap.load_classes,
    "goemotions": goemotions.load,
    "goemotions_ekman": goemotions.load,
    "tec": tec.load,
    "dailydialog": dailydialog.load,
    "mr": polarity.load,
    "sst2": polarity.load,
    "cr": polarity.load,
    "subj": polarity.load,
    "mpqa": polarity.load,
}
"""The loader of every corpus except those of task ``absa``, which `absa.load_pair` reads."""


def load(name: str, folder: str | Path, roles: Collection[str]) -> Corpus:
    """Read a corpus and keep the splits of the opened roles.

    Args:
        name: Its name in `CORPORA`.
        folder: The data folder (`data_dir`); ignored for bundled corpora.
        roles: Which of train, dev and test to open, at least one.

    Raises:
        DataError: Unknown name, language pairs (`absa.load_pair` reads them), missing file, or
            rows that do not match the description.
        RoleError: No role, or an unknown one.
    """
    info = corpus_info(name)
    if info.task == "absa":
        raise DataError(
            f"corpus {name} must be read pair by pair (`raysearch.corpora.absa.load_pair`), as "
            "method msmo does, but was asked for as one corpus of sentences; such are: "
            + ", ".join(sorted(LOADERS))
        )
    if isinstance(roles, str) or not roles or not set(roles) <= set(ROLES):
        got = repr(roles) if isinstance(roles, str) else ", ".join(sorted(roles)) or "none"
        raise RoleError(
            f"`roles` must be one or more of {', '.join(ROLES)}, but got {got} (corpus {name})"
        )
    root = sample.FOLDER if info.origin == "bundled" else Path(folder)
    return assemble(info, LOADERS[name](Source(info, root)), roles)
