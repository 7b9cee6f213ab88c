"""Sentences with marked aspects, their views, and language pairs.

Tags are those of the files: ``O`` or ``T-POS``, ``T-NEG``, ``T-NEU`` for every word. An aspect
is a maximal run of words that are not ``O`` (msmo.md §1.2): two touching aspects are one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raysearch.errors import RoleError

__all__ = [
    "PAIR_ROLES",
    "POLARITIES",
    "VIEWS",
    "AlignedViews",
    "Aspect",
    "PairCorpus",
    "TaggedSentence",
]

POLARITIES: tuple[str, ...] = ("POS", "NEG", "NEU")
"""In the order of the label index (msmo.md §1.2)."""

VIEWS: tuple[str, ...] = ("s", "st", "ts", "t")
"""D_S the source sentence; D_ST the source sentence with target aspect terms; D_TS the
translation with source aspect terms; D_T the translation (msmo.md §1.5)."""

PAIR_ROLES: tuple[str, ...] = ("train", "dev", "unlabelled", "target_train", "target_dev", "test")
"""``train``: all views of the source's training sentences. ``dev``: the source's development
sentences, the only ones for selection. ``unlabelled``: words of the target's training sentences.
``target_train``: the same with gold labels, for the Supervised row alone. ``target_dev``: for an
oracle. ``test``: the target's test sentences."""


@dataclass(frozen=True)
class Aspect:
    """A marked aspect term.

    Attributes:
        begin: Index of its first word.
        end: Index of its last word.
        polarity: One of `POLARITIES`: that of its first word.
    """

    begin: int
    end: int
    polarity: str


@dataclass(frozen=True)
class TaggedSentence:
    """Words and their tags, of equal number, at least one."""

    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """The maximal runs of marked words, from left to right."""
        found: list[Aspect] = []
        begin = -1
        for index, tag in enumerate((*self.tags, "O")):
            if tag == "O" and begin >= 0:
                found.append(Aspect(begin, index - 1, self.tags[begin].removeprefix("T-")))
                begin = -1
            elif tag != "O" and begin < 0:
                begin = index
        return tuple(found)


@dataclass(frozen=True)
class AlignedViews:
    """All views of one source sentence; the k-th aspect of each is the same aspect.

    Attributes:
        row: Its row in the source's training file, from 0.
        s: The source sentence (D_S).
        st: The source sentence with target aspect terms (D_ST), or None.
        ts: The translation with source aspect terms (D_TS), or None.
        t: The translation (D_T), or None: a sentence whose aspects were lost has none of the three.
    """

    row: int
    s: TaggedSentence
    st: TaggedSentence | None = None
    ts: TaggedSentence | None = None
    t: TaggedSentence | None = None


@dataclass(frozen=True, kw_only=True)
class PairCorpus:
    """A language pair of a corpus, with the opened roles only.

    Attributes:
        name: Name of the corpus.
        pair: For example ``en-es``.
        source: Source language, ``en``.
        target: Target language, ``es``.
        digests: SHA-256 (hex) of the content: of each of `VIEWS` if ``train`` was opened (of
            nothing if a view is missing), and of the sentences of each other opened role, by its
            name. ``s`` is the same in every pair of one source.
        notes: What was repaired or left out when reading, one sentence each with its count.
    """

    name: str
    pair: str
    source: str
    target: str
    digests: Mapping[str, str]
    notes: tuple[str, ...] = ()
    _views: tuple[AlignedViews, ...] = ()
    _sentences: Mapping[str, tuple[TaggedSentence, ...]] = field(default_factory=dict, repr=False)
    roles: tuple[str, ...] = ()

    def views(self) -> tuple[AlignedViews, ...]:
        """The training sentences in order of row; needs role ``train``.

        Raises:
            RoleError: The role was not opened.
        """
        self._check("train")
        return self._views

    def sentences(self, role: str) -> tuple[TaggedSentence, ...]:
        """The sentences of a role other than ``train``; those of ``unlabelled`` are all ``O``.

        Raises:
            RoleError: The role was not opened.
        """
        self._check(role)
        return self._sentences[role]

    def _check(self, role: str) -> None:
        if role not in self.roles:
            raise RoleError(
                f"role `{role}` of corpus {self.name}, pair {self.pair} must be opened before it "
                f"is read, but it was loaded with roles {', '.join(self.roles)}; search code "
                "opens train, unlabelled and dev only"
            )
