r"""Word-tag-category files: sentences with marked aspects, read and written.

One word per line, ``word<TAB>tag<TAB>category``, an empty line after each sentence (msmo.md §1.3).
The category is ignored. Tags are ``O`` and ``T-POS``, ``T-NEG``, ``T-NEU``; some files also have
sentences in BIEOS (msmo.md §1.5.4), whose ``B-x``, ``I-x``, ``E-x``, ``S-x`` are read as ``T-x``.
Then two touching aspects are one, as in every sentence of the other scheme.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from raysearch.corpora.absa.records import POLARITIES, TaggedSentence
from raysearch.corpora.source import Source

__all__ = ["CATEGORY", "TAGS", "TaggedFile", "read_tagged", "tagged_text"]

TAGS: tuple[str, ...] = ("O", *(f"T-{polarity}" for polarity in POLARITIES))
"""The tags of a sentence in memory."""

CATEGORY = "NONE-CATE"
"""Content of the third column when writing, as in the translated files."""

READ_AS = {tag: tag for tag in TAGS} | {
    f"{part}-{polarity}": f"T-{polarity}" for part in "BIES" for polarity in POLARITIES
}
COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class TaggedFile:
    """The content of a file.

    Attributes:
        path: The file, relative to the folder of its `Source`.
        sentences: Its sentences in order.
        lines: Line of the first word of each, from 1.
        normalised: Number of sentences in BIEOS.
    """

    path: str
    sentences: tuple[TaggedSentence, ...]
    lines: tuple[int, ...]
    normalised: int

    def __len__(self) -> int:
        return len(self.sentences)


def read_tagged(source: Source, path: str) -> TaggedFile:
    """Read one file; adds all of its problems to the source.

    A carriage return before a line end and a byte order mark are ignored; the last sentence
    needs no empty line. The result is valid only after `Source.finish`.

    Args:
        source: The folder.
        path: The file, relative to it.

    Raises:
        DataError: The file is missing, unreadable, empty or not UTF-8.
    """
    sentences: list[TaggedSentence] = []
    lines: list[int] = []
    words: list[str] = []
    tags: list[str] = []
    begin = normalised = 0
    text = source.lines(path)
    text[0] = text[0].removeprefix("\ufeff")
    for number, line in enumerate([*text, ""], start=1):
        if line.strip(" \r"):
            word, tag = _word(source, path, number, line.rstrip("\r"))
            begin = begin or number
            words.append(word)
            tags.append(tag)
        elif words:
            read = tuple(READ_AS.get(tag, "O") for tag in tags)
            normalised += read != tuple(tags)
            sentences.append(TaggedSentence(tuple(words), read))
            lines.append(begin)
            words, tags, begin = [], [], 0
    return TaggedFile(
        path=path, sentences=tuple(sentences), lines=tuple(lines), normalised=normalised
    )


def _word(source: Source, path: str, number: int, line: str) -> tuple[str, str]:
    """Word and tag of a line; adds problems to the source."""
    columns = line.split("\t")
    if len(columns) != COLUMNS:
        rule = "a line must be `word<TAB>tag<TAB>category`, three columns"
        source.problem(path, number, rule, f"{len(columns)}")
        return "", "O"
    word, tag, _ = columns
    if not word.strip():
        source.problem(path, number, "`word` must not be empty", repr(word))
    if tag not in READ_AS:
        rule = f"`tag` must be {', '.join(TAGS)} or such a tag in BIEOS"
        source.problem(path, number, rule, repr(tag))
    return word, tag


def tagged_text(sentences: Iterable[TaggedSentence]) -> str:
    r"""The text of a file: three columns, lines ending in ``\n``, the category always the same.

    Args:
        sentences: Words must contain no tab and no line end; those of `read_tagged` and
            `semeval` contain none.
    """
    return "".join(
        "".join(
            f"{word}\t{tag}\t{CATEGORY}\n"
            for word, tag in zip(sentence.words, sentence.tags, strict=True)
        )
        + "\n"
        for sentence in sentences
    )
