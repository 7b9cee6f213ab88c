"""The text of the bundled corpora as their construction gives it."""

import csv
import io
from collections.abc import Callable, Iterator

from corpora.construction import emotions, polarity, reviews, va

from raysearch.corpora.records import Row
from raysearch.corpora.sample import CLASS_COLUMNS, COLUMNS

CONSTRUCTIONS: dict[str, Callable[[], Iterator[Row]]] = {
    "sample": va.sentences,
    "sample_polarity": polarity.sentences,
    "sample_emotions": emotions.sentences,
}


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
