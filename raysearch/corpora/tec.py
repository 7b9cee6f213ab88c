"""The Twitter Emotion Corpus (TEC): tweets whose hashtag named one of six emotions.

A line is ``number: TAB tweet TAB :: emotion``; the hashtag was taken out by the corpus's author.
HTML entities such as ``&amp;`` are read as the characters that the writer typed. Tweets without
words, and a tweet that occurs with two emotions, are left out and counted. There is no split.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict

from raysearch.corpora.records import Row, Rows, normalise
from raysearch.corpora.source import Source

__all__ = ["load"]

PATH = "tec/Jan9-2012-tweets-clean.txt"
LINE = re.compile(r"(\d+):\t(.*)\t:: (\w+)\s*")


def load(source: Source) -> Rows:
    """Rows with one of six class ids; the id is the number of the tweet and its line.

    Raises:
        DataError: Everything that is wrong with the file, at once.
    """
    names = source.info.label_names
    rows = []
    dropped: dict[str, int] = {}
    for line, content in enumerate(source.lines(PATH), start=1):
        match = LINE.fullmatch(content)
        if match is None or match[3] not in names:
            rule = f"a line must be number:, tweet, :: and one of {', '.join(names)}, with tabs"
            source.problem(PATH, line, rule, repr(content[:60]))
        elif text := html.unescape(match[2]).strip():
            rows.append(Row(f"{match[1]}-{line}", "", text, names.index(match[3])))
        else:
            dropped["blank"] = dropped.get("blank", 0) + 1
    source.finish()
    clear = _unambiguous(rows)
    if len(clear) < len(rows):
        dropped["several labels"] = len(rows) - len(clear)
    return Rows(clear, dropped)


def _unambiguous(rows: list[Row]) -> list[Row]:
    """The rows whose text has one label wherever it occurs."""
    labels = defaultdict(set)
    for row in rows:
        labels[normalise(row.text)].add(row.label)
    return [row for row in rows if len(labels[normalise(row.text)]) == 1]
