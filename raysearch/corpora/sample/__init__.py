"""Which text does a bare machine have: four corpora that the project wrote itself.

``sample`` (valence and arousal), ``sample_polarity`` and ``sample_emotions`` are constructed by
`va`, `polarity` and `emotions` from clauses written for this project, ``sample_reviews`` (five
languages, aspects marked) by `reviews`; no lexicon and no other corpus went into them. Licence:
Apache-2.0, as the project. They show that a method runs and whether it learns anything; they are
no evidence about real text.

The CSV files beside this module and the files in ``reviews`` are the corpora; `constructed` and
`constructed_reviews` give their text, and tests compare the two byte for byte.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from raysearch.corpora.assemble import Row, Rows
from raysearch.corpora.records import ROLES
from raysearch.corpora.sample import emotions, polarity, reviews, va
from raysearch.corpora.source import Source
from raysearch.corpora.tables import read_csv

__all__ = ["CONSTRUCTIONS", "FOLDER", "REVIEWS", "constructed", "constructed_reviews", "load"]

FOLDER = Path(__file__).parent
"""Where the bundled files lie."""

REVIEWS = FOLDER / "reviews"
"""Where those of ``sample_reviews`` lie."""

CONSTRUCTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "sample": va.sentences,
    "sample_polarity": polarity.sentences,
    "sample_emotions": emotions.sentences,
}

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


def constructed(name: str, label_names: tuple[str, ...]) -> str:
    r"""The CSV text of a bundled corpus as its construction gives it, lines ending in ``\n``.

    Args:
        name: ``sample``, ``sample_polarity`` or ``sample_emotions``.
        label_names: Its names in the registry; classes are written by name.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS["va"] if name == "sample" else CLASS_COLUMNS)
    for row in CONSTRUCTIONS[name]():
        if isinstance(row.label, tuple):
            cells = [f"{value:.2f}" for value in row.label]
        else:
            cells = [label_names[row.label]]
        writer.writerow([row.id, row.role, *cells, row.text])
    return text.getvalue()


def constructed_reviews() -> dict[str, str]:
    """The files of ``sample_reviews`` as the construction gives them: name to text.

    Names and format are those of spec msmo.md §1.3: ``gold-XX-{train,dev,test}.txt``,
    ``smt-XX-train.txt``, ``cs_XX-en-train.txt`` and ``cs_en-XX-train.txt``.
    """
    return reviews.files()
