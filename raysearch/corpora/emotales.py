"""EmoTales: column-oriented JSON, many raters per sentence, ratings 1 to 9, no split.

The label is the mean of the raters, computed here: ``ANNOTATOR_n`` is the evaluation (valence),
``ANNOTATOR_n_ACT`` the activation (arousal). The columns ``HUMAN`` and ``avg_action`` of the
file look like these means but are shifted against the sentences (they correlate with the raters'
means at .10 and .14 only; carl.md §6), so they are never read. Sentences that nobody rated
are left out and counted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from raysearch.corpora.records import Row, Rows
from raysearch.corpora.source import Source
from raysearch.errors import DataError
from raysearch.json_text import read_json

__all__ = ["load"]

PATH = "emotales/emotales_data.json"
VALENCE = re.compile(r"ANNOTATOR_\d+")
AROUSAL = re.compile(r"ANNOTATOR_\d+_ACT")


def load(source: Source) -> Rows:
    """Rows with the raters' means; the id is the tale and the number of the row, from 1.

    Raises:
        DataError: Everything that is wrong with the file, at once; rows count from 1.
    """
    columns = _columns(source)
    rows = []
    unrated = 0
    for number, text in enumerate(columns["SENTENCE"], start=1):
        valence = _mean(source, columns, VALENCE.fullmatch, number)
        arousal = _mean(source, columns, AROUSAL.fullmatch, number)
        if not isinstance(text, str):
            source.problem(PATH, number, "`SENTENCE` must be text", repr(text))
        elif valence is None and arousal is None:
            unrated += 1
        elif valence is None or arousal is None:
            rule = "a sentence must have both ANNOTATOR_n and ANNOTATOR_n_ACT, or neither"
            source.problem(PATH, number, rule, "one of them")
        elif source.not_blank(PATH, number, text):
            tale = columns["ID"][number - 1]
            rows.append(Row(f"{tale}-{number}", "", text, (valence, arousal)))
    source.finish()
    return Rows(rows, {"unrated": unrated} if unrated else {})


def _columns(source: Source) -> dict[str, list[Any]]:
    """Every column as a list, in order of the rows; both forms of JSON columns are read."""
    try:
        table = read_json(source.text(PATH))
    except json.JSONDecodeError as error:
        raise DataError(
            f"`{PATH}` must be JSON, but got {error.msg} "
            f"({source.folder / PATH}:{error.lineno}); {source.cure()}"
        ) from None
    except ValueError as error:
        raise DataError(
            f"`{PATH}` must be JSON, but {error} ({source.folder / PATH}); {source.cure()}"
        ) from None
    if not isinstance(table, dict) or not all(isinstance(c, dict | list) for c in table.values()):
        raise DataError(
            f"`{PATH}` must be an object of columns, but got another form "
            f"({source.folder / PATH}); {source.cure()}"
        )
    columns = {k: list(c.values()) if isinstance(c, dict) else c for k, c in table.items()}
    lacking = [name for name in ("SENTENCE", "ID") if name not in columns]
    lacking += [
        example
        for pattern, example in ((VALENCE, "ANNOTATOR_1"), (AROUSAL, "ANNOTATOR_1_ACT"))
        if not any(pattern.fullmatch(name) for name in columns)
    ]
    lengths = {len(column) for column in columns.values()}
    if lacking or len(lengths) != 1 or lengths == {0}:
        what = f"{', '.join(lacking)} lack" if lacking else f"the lengths are {sorted(lengths)}"
        raise DataError(
            f"`{PATH}` must have columns SENTENCE, ID, ANNOTATOR_n and ANNOTATOR_n_ACT of equal "
            f"length, but {what} ({source.folder / PATH}); {source.cure()}"
        )
    return columns


def _mean(
    source: Source,
    columns: dict[str, list[Any]],
    wanted: Callable[[str], object],
    number: int,
) -> float | None:
    """Mean of the ratings that exist in one row of the wanted columns; None without any."""
    ratings = [
        source.rating(PATH, number, name, column[number - 1], source.info.scale)
        for name, column in columns.items()
        if wanted(name) and not _absent(column[number - 1])
    ]
    return math.fsum(ratings) / len(ratings) if ratings else None


def _absent(value: object) -> bool:
    """Whether a rater skipped a sentence: null, or NaN as written by pandas."""
    return value is None or (isinstance(value, float) and math.isnan(value))
