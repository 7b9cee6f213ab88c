"""Loads the corpora of a CARL trial and checks them before anything trains.

Does not need torch, so that a sweep reports missing data before it starts Ray.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from raysearch import corpora
from raysearch.corpora.records import Corpus, Split, frozen
from raysearch.errors import ConfigError, DataError, MissingDataError
from raysearch.methods.carl.config import CarlConfig
from raysearch.sources import remembered

__all__ = [
    "POLES",
    "check",
    "hash_order",
    "load_corpora",
    "rateable",
    "text_hash",
    "training_corpora",
]

POLES: tuple[str, ...] = ("negative", "positive")
"""Labels of a polarity corpus that can be read as valence 0 and 1; see `training_rows`."""


def check(config: CarlConfig, *, data_dir: str) -> None:
    """See `methods.base.MethodLoader.check`."""
    load_corpora(config, data_dir, {"train", "dev"})


def load_corpora(config: CarlConfig, data_dir: str, roles: Collection[str]) -> dict[str, Corpus]:
    """Every corpus that the settings name, training corpora first, without duplicates.

    Args:
        config: Names the corpora.
        data_dir: Folder of the corpora.
        roles: The roles to open.

    Raises:
        ConfigError: A corpus is of another task than the setting that names it.
        DataError: Corpora cannot be read; the message lists all of them.
    """
    opened = tuple(sorted(roles))
    names = dict.fromkeys((*config.corpora, *config.probed))
    loaded = {}
    problems: list[DataError] = []
    for name in names:
        try:
            loaded[name] = _corpus(name, data_dir, opened)
        except DataError as error:
            problems.append(error)
    if problems:
        raise MissingDataError.joined(problems)
    _check_tasks(config, loaded)
    return loaded


def rateable(corpus: Corpus) -> bool:
    """Whether CARL can be trained on a corpus: it has ratings, or positive and negative labels."""
    return corpus.task == "va" or (corpus.task == "polarity" and corpus.label_names == POLES)


@remembered
def _corpus(name: str, data_dir: str, roles: tuple[str, ...]) -> Corpus:
    """A corpus, cached while its files are unchanged; it is frozen, so all trials share it."""
    return corpora.load(name, data_dir, roles)


def _check_tasks(config: CarlConfig, loaded: dict[str, Corpus]) -> None:
    asked = (
        ("va_corpora", config.va_corpora, "va"),
        ("class_corpora", config.class_corpora, "classes"),
        ("polarity_corpora", config.polarity_corpora, "polarity"),
    )
    problems = [
        "`corpora` must name corpora of task va, or of task polarity with the labels negative and "
        f"positive, but {name} is of task {loaded[name].task} with the labels "
        + ", ".join(loaded[name].label_names)
        for name in config.corpora
        if not rateable(loaded[name])
    ]
    problems += [
        f"`{field}` must name corpora of task {task}, but {name} is of task {loaded[name].task}"
        for field, names, task in asked
        for name in names
        if loaded[name].task != task
    ]
    if problems:
        raise ConfigError(problems)


NEUTRAL_AROUSAL = 0.5
"""Value of what a polarity corpus lacks: the middle of the scaled axis, for every row."""


def training_corpora(corpora: Sequence[Corpus], rows: int, seed: int) -> list[Corpus]:
    """The training corpora as CARL uses them: rated, with at most `rows` rows of train.

    Negative and positive become valence 0 and 1 with arousal 0.5. That is an extension: the
    paper's training corpora have valence-arousal ratings.

    Under a limit every corpus contributes in proportion, at least one row. Its rows are ordered by
    a hash of text, id and seed, and the corpora take turns such that row r of a corpus of N is
    due at r / N (Adams's method), so that a smaller choice is a subset of a larger one.

    Args:
        corpora: `corpora.rateable`, opened with train.
        rows: Most rows of train over all corpora; 0 takes all. At least one for each corpus.
        seed: Determines the rows.
    """
    rated = [_rated(corpus) for corpus in corpora]
    sizes = [len(corpus.split("train")) for corpus in rated]
    if not 0 < rows < sum(sizes):
        return rated
    due = sorted((row / size, at) for at, size in enumerate(sizes) for row in range(size))
    turns = [at for _, at in due[:rows]]
    return [_limited(corpus, turns.count(at), seed) for at, corpus in enumerate(rated)]


def _rated(corpus: Corpus) -> Corpus:
    if corpus.task == "va":
        return corpus
    splits = []
    for role in corpus.roles:
        split = corpus.split(role)
        arousal = np.full(len(split), NEUTRAL_AROUSAL)
        labels = np.stack([split.labels, arousal], axis=1).astype(np.float32)
        splits.append((role, replace(split, labels=frozen(labels))))
    names = ("valence", "arousal")
    return replace(corpus, task="va", label_names=names, scale=(0.0, 1.0), _splits=tuple(splits))


def _limited(corpus: Corpus, rows: int, seed: int) -> Corpus:
    """The corpus with this many rows of train, in its own order; other roles whole."""
    splits = []
    for role in corpus.roles:
        split = corpus.split(role)
        if role == "train":
            chosen = sorted(hash_order(split, seed)[:rows])
            split = Split(
                texts=tuple(split.texts[row] for row in chosen),
                labels=frozen(split.labels[chosen]),
                ids=tuple(split.ids[row] for row in chosen),
            )
        splits.append((role, split))
    return replace(corpus, _splits=tuple(splits))


def hash_order(split: Split, seed: int) -> list[int]:
    """The rows of a split ordered by a hash of text, id and seed: any first N are a sample."""
    return sorted(
        range(len(split)), key=lambda row: text_hash(split.texts[row] + split.ids[row], seed)
    )


def text_hash(text: str, seed: int) -> bytes:
    """A seeded hash that orders texts the same way on every machine."""
    return hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=16).digest()
