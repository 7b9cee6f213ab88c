"""Tokenises tagged sentences: pieces, the piece that represents a word, parts of long sentences.

A sentence that is longer than the encoder accepts is split into *parts*, between words and never
within an aspect; its words stay together on the word axis, so that no other module needs to know.
No word is ever lost.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raysearch.corpora.absa.records import TaggedSentence
from raysearch.encoders import Encoder
from raysearch.encoders.encoder import combined_digest
from raysearch.encoders.text import check_words, specials_around, word_pieces
from raysearch.errors import DataError, EncoderError
from raysearch.methods.msmo.tags import bieos

__all__ = ["Rows", "Tokenised", "join", "spans", "tokenise"]

_log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]

SPACES = ("\u2581", "\u0120", " ")
"""Pieces that consist of a space only, in SentencePiece, byte-level BPE and as characters; a word
is represented by the piece after it (docs/msmo.md §1.6)."""

KEPT = 64
_CACHE: OrderedDict[str, Tokenised] = OrderedDict()


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokenised:
    """N sentences with W words and A aspects in P parts, concatenated on flat axes.

    Attributes:
        ids: (L,) int64 pieces of all parts, specials included.
        starts: (P + 1,) int64; part p is ``ids[starts[p]:starts[p + 1]]``.
        firsts: (W,) int64, index within its part of the piece that represents a word.
        word_starts: (P + 1,) int64; part p has the words ``word_starts[p]`` onwards.
        labels: (W,) int64, index into `tags.TAGS`.
        parts: (N + 1,) int64; sentence n has the parts ``parts[n]`` onwards.
        begins: (A,) int64, first word of an aspect, counted within its sentence.
        lengths: (A,) int64 >= 1, words of an aspect.
        aspects: (N + 1,) int64; sentence n has the aspects ``aspects[n]`` onwards.
        pad_id: Id of padding.
        split: Sentences that have more than one part.
    """

    ids: Rows
    starts: Rows
    firsts: Rows
    word_starts: Rows
    labels: Rows
    parts: Rows
    begins: Rows
    lengths: Rows
    aspects: Rows
    pad_id: int
    split: int

    def __len__(self) -> int:
        return len(self.parts) - 1

    @property
    def sizes(self) -> Rows:
        """(P,) pieces of each part, specials included."""
        return np.diff(self.starts)

    @property
    def words(self) -> Rows:
        """(N + 1,) sentence n has the words ``words[n]`` onwards."""
        starts: Rows = self.word_starts[self.parts]
        return starts

    @property
    def longest(self) -> Rows:
        """(N,) pieces of each sentence's longest part; N >= 1."""
        longest: Rows = np.maximum.reduceat(self.sizes, self.parts[:-1])
        return longest


def spans(starts: Rows, rows: Rows) -> Rows:
    """The indices ``starts[r]`` to ``starts[r + 1] - 1`` of all rows, one row after another."""
    counts = starts[rows + 1] - starts[rows]
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    found: Rows = np.repeat(starts[rows], counts) + offsets
    return found


def join(parts: Sequence[Tokenised]) -> Tokenised:
    """Several lists of sentences as one, in order; at least one."""

    def ends(name: str) -> Rows:
        arrays = [getattr(part, name) for part in parts]
        shifts = np.cumsum([0, *(array[-1] for array in arrays)])
        shifted = [array[1:] + shift for array, shift in zip(arrays, shifts, strict=False)]
        return np.concatenate([[0], *shifted]).astype(np.int64)

    def flat(name: str) -> Rows:
        return np.concatenate([getattr(part, name) for part in parts])

    return Tokenised(
        ids=flat("ids"),
        starts=ends("starts"),
        firsts=flat("firsts"),
        word_starts=ends("word_starts"),
        labels=flat("labels"),
        parts=ends("parts"),
        begins=flat("begins"),
        lengths=flat("lengths"),
        aspects=ends("aspects"),
        pad_id=parts[0].pad_id,
        split=sum(part.split for part in parts),
    )


def tokenise(
    encoder: Encoder,
    sentences: Sequence[TaggedSentence],
    *,
    max_length: int,
    long_sentences: str,
    where: str,
    marked: bool = True,
) -> Tokenised:
    """Tokenise sentences, cached in the process by encoder and list of sentences.

    Args:
        encoder: Tokenizer and digest.
        sentences: N sentences.
        max_length: Most pieces of a part, specials included.
        long_sentences: ``split`` or ``refuse``.
        where: Description of the sentences, for messages.
        marked: Whether splits avoid aspects. False for sentences that are evaluated, where gold
            marks must not help.

    Raises:
        DataError: A sentence is too long and may not be, or cannot be split.
        EncoderError: `max_length` is more than the encoder has positions.
    """
    words = ("\t".join((*s.words, *s.tags)) for s in sentences)
    key = combined_digest(encoder.digest, str(max_length), long_sentences, str(marked), *words)
    if key not in _CACHE:
        splitter = _Splitter(encoder, max_length, long_sentences, where)
        _CACHE[key] = _flatten(splitter, sentences, marked)
        while len(_CACHE) > KEPT:
            _CACHE.popitem(last=False)
    _CACHE.move_to_end(key)
    return _CACHE[key]


class _Splitter:
    """Pieces of a sentence's words, and their distribution over parts."""

    def __init__(self, encoder: Encoder, max_length: int, long_sentences: str, where: str) -> None:
        tokenizer = encoder.tokenizer
        if max_length > tokenizer.model_max_length:
            raise EncoderError(
                f"`max_length` must be <= {tokenizer.model_max_length}, the positions of this "
                f"encoder, but got {max_length}; lower it"
            )
        check_words(encoder.name, tokenizer)
        self.tokenizer, self.where, self.max_length = tokenizer, where, max_length
        self.refuses = long_sentences == "refuse"
        self.prefix, self.suffix = specials_around(tokenizer)
        self.room = max_length - len(self.prefix) - len(self.suffix)
        known = tokenizer.get_vocab()
        self.spaces = {known[space] for space in SPACES if space in known}

    def pieces(self, sentences: Sequence[TaggedSentence]) -> list[list[list[int]]]:
        """Ids of every word of every sentence; a word without any becomes the unknown one."""
        found = word_pieces(self.tokenizer, [sentence.words for sentence in sentences])
        return [[word or [self.unknown] for word in words] for words in found]

    @property
    def unknown(self) -> int:
        """Id of the unknown word."""
        if self.tokenizer.unk_token_id is None:
            raise EncoderError(
                f"a word of {self.where} has no pieces and the tokenizer of this encoder no token "
                "for unknown words; set its `unk_token`"
            )
        return int(self.tokenizer.unk_token_id)

    def first(self, word: list[int]) -> int:
        """Index within a word of the piece that represents it."""
        return 1 if len(word) > 1 and word[0] in self.spaces else 0

    def cut(self, sentence: TaggedSentence, sizes: Sequence[int], *, marked: bool) -> list[int]:
        """Index of the first word of every part; each part has as many words as fit."""
        if sum(sizes) <= self.room:
            return [0]
        if self.refuses:
            raise DataError(
                f"a sentence must have at most {self.max_length} pieces where `long_sentences` is "
                f"refuse, but one of {self.where} has {sum(sizes)}: "
                f"{' '.join(sentence.words)[:60]!r}; raise `max_length` or set "
                "`long_sentences: split`"
            )
        inner = {word for a in sentence.aspects if marked for word in range(a.begin + 1, a.end + 1)}
        cuts, filled, possible = [0], 0, 0
        for word, size in enumerate(sizes):
            if word not in inner:
                possible = word
            filled += size
            if filled > self.room:
                filled = sum(sizes[possible : word + 1])
                if possible == cuts[-1] or filled > self.room:
                    whole = " ".join(sentence.words[possible : word + 1])
                    raise DataError(
                        f"a word or aspect must have at most {self.room} pieces, but one of "
                        f"{self.where} has more: {whole[:60]!r}; "
                        "raise `max_length`"
                    )
                cuts.append(possible)
        return cuts


def _flatten(splitter: _Splitter, sentences: Sequence[TaggedSentence], marked: bool) -> Tokenised:
    ids: list[int] = []
    firsts: list[int] = []
    starts, word_starts, parts = [0], [0], [0]
    split = 0
    for sentence, words in zip(sentences, splitter.pieces(sentences), strict=True):
        cuts = splitter.cut(sentence, [len(word) for word in words], marked=marked)
        split += len(cuts) > 1
        for begin, end in zip(cuts, [*cuts[1:], len(words)], strict=True):
            ids += splitter.prefix
            for word in words[begin:end]:
                firsts.append(len(ids) - starts[-1] + splitter.first(word))
                ids += word
            ids += splitter.suffix
            starts.append(len(ids))
            word_starts.append(len(firsts))
        parts.append(len(starts) - 1)
    if split:
        _log.info("%d sentences of %s are split at %d", split, splitter.where, splitter.max_length)
    found = [sentence.aspects for sentence in sentences]

    def array(values: Sequence[int]) -> Rows:
        return np.array(values, dtype=np.int64)

    return Tokenised(
        ids=array(ids),
        starts=array(starts),
        firsts=array(firsts),
        word_starts=array(word_starts),
        labels=array([label for sentence in sentences for label in bieos(sentence)]),
        parts=array(parts),
        begins=array([a.begin for aspects in found for a in aspects]),
        lengths=array([a.end - a.begin + 1 for aspects in found for a in aspects]),
        aspects=np.concatenate([[0], np.cumsum(array([len(aspects) for aspects in found]))]),
        pad_id=int(splitter.tokenizer.pad_token_id),
        split=split,
    )
