"""EmoBank: one CSV with its official split, ratings 1 to 5."""

from __future__ import annotations

from raysearch.corpora.records import ROLES, Row, Rows
from raysearch.corpora.source import Source, read_csv

__all__ = ["load"]

PATH = "emobank/emobank.csv"
COLUMNS = ("id", "split", "V", "A", "text")  # D, dominance, is not used by any method here


def load(source: Source) -> Rows:
    """Rows with valence and arousal on the scale 1 to 5.

    Raises:
        DataError: Everything that is wrong with the file, together.
    """
    rows = []
    seen: set[str] = set()
    for line, (name, role, valence, arousal, text) in read_csv(source, PATH, COLUMNS):
        if role not in ROLES:
            source.problem(PATH, line, "`split` must be train, dev or test", repr(role))
        if name in seen:
            source.problem(PATH, line, "`id` must be unique", repr(name))
        seen.add(name)
        label = (
            source.rating(PATH, line, "V", valence, source.info.scale),
            source.rating(PATH, line, "A", arousal, source.info.scale),
        )
        source.not_blank(PATH, line, text)
        rows.append(Row(name, role, text, label))
    source.finish()
    return Rows(rows)
