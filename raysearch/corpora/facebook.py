"""Facebook posts: two raters per post, ratings 1 to 9, no official split.

The label is the mean of both raters. One row of the pinned file (line 72) has ratings but no
message; it is left out and counted. A blank message anywhere else is an error.
"""

from __future__ import annotations

from raysearch.corpora.records import Row, Rows
from raysearch.corpora.source import Source, read_csv

__all__ = ["load"]

PATH = "facebook_va/dataset-fb-valence-arousal-anon.csv"
COLUMNS = ("Anonymized Message", "Valence1", "Valence2", "Arousal1", "Arousal2")
KNOWN_BLANK = 72


def load(source: Source) -> Rows:
    """Rows with the mean of two ratings on the scale 1 to 9; the id is the line.

    Raises:
        DataError: Everything that is wrong with the file, at once.
    """
    rows = []
    dropped: dict[str, int] = {}
    for line, (text, *ratings) in read_csv(source, PATH, COLUMNS):
        numbers = [
            source.rating(PATH, line, column, rating, source.info.scale)
            for column, rating in zip(COLUMNS[1:], ratings, strict=True)
        ]
        if line == KNOWN_BLANK and not text.strip():
            dropped["blank"] = 1
        elif source.not_blank(PATH, line, text):
            label = ((numbers[0] + numbers[1]) / 2, (numbers[2] + numbers[3]) / 2)
            rows.append(Row(f"fb{line}", "", text, label))
    source.finish()
    return Rows(rows, dropped)
