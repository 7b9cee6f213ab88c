"""The bundled corpora, written by the project itself, for a machine without data.

``sample`` (valence and arousal), ``sample_polarity``, ``sample_emotions`` and ``sample_reviews``
(five languages, marked aspects) are constructed from clauses written for this project, without
any lexicon or other corpus. Licence: Apache-2.0, as the project. They show that a method runs and
whether it learns anything; they are no evidence about real text. The code that constructs them is
in ``tests/corpora/construction``; a test compares the files with its output byte for byte.
"""

from __future__ import annotations

from pathlib import Path

from raysearch.corpora.records import ROLES, Row, Rows
from raysearch.corpora.source import Source, read_csv

__all__ = ["CLASS_COLUMNS", "COLUMNS", "FOLDER", "REVIEWS", "load"]

FOLDER = Path(__file__).parent
"""Folder of the bundled files."""

REVIEWS = FOLDER / "reviews"
"""Folder of ``sample_reviews``."""

COLUMNS = {"va": ("id", "split", "valence", "arousal", "text")}
CLASS_COLUMNS = ("id", "split", "label", "text")


def load(source: Source) -> Rows:
    """Rows of a bundled corpus, checked like any other.

    Raises:
        DataError: The installed file was changed.
    """
    info = source.info
    path = f"{info.name}.csv"
    rows = []
    columns = COLUMNS.get(info.task, CLASS_COLUMNS)
    for line, (name, role, *labels, text) in read_csv(source, path, columns):
        if role not in ROLES:
            source.problem(path, line, "`split` must be train, dev or test", repr(role))
        source.not_blank(path, line, text)
        if info.task == "va":
            valence, arousal = (
                source.rating(path, line, column, value, info.scale)
                for column, value in zip(COLUMNS["va"][2:4], labels, strict=True)
            )
            rows.append(Row(name, role, text, (valence, arousal)))
        elif labels[0] in info.label_names:
            rows.append(Row(name, role, text, info.label_names.index(labels[0])))
        else:
            rule = f"`label` must be one of {', '.join(info.label_names)}"
            source.problem(path, line, rule, repr(labels[0]))
    source.finish()
    return Rows(rows)
