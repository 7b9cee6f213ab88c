"""GoEmotions: Reddit comments with exactly one emotion that is not neutral.

The paper's "GoEmotions-10, 29K" has the size of this selection (29,425 rows of all splits, carl.md
§2); its grouping into ten is unknown. So there are two versions of our own: ``goemotions`` keeps
the 27 classes, ``goemotions_ekman`` groups them by the Ekman taxonomy of the corpus's authors
(Demszky et al. 2020, and the mapping published with their data). Neither is the paper's task.
"""

from __future__ import annotations

from collections.abc import Iterator

from raysearch.corpora.records import ROLES, Row, Rows
from raysearch.corpora.registry import CORPORA
from raysearch.corpora.source import Source

__all__ = ["EKMAN", "load"]

EKMAN: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("admiration", "amusement", "approval", "caring", "desire", "excitement"),
        *("gratitude", "joy", "love", "optimism", "pride", "relief"),
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
}
"""Ekman group -> emotions of the 27."""

EMOTIONS = CORPORA["goemotions"].label_names
NEUTRAL = str(len(EMOTIONS))
LABELS = "goemotions/labels.txt"


def load(source: Source) -> Rows:
    """Rows with one class id; neutral comments and those with several emotions are counted.

    Raises:
        DataError: Everything that is wrong with the files, at once.
    """
    names = tuple(source.lines(LABELS))
    if names != (*EMOTIONS, "neutral"):
        rule = f"the labels must be {', '.join(EMOTIONS)}, neutral, in this order"
        source.problem(LABELS, 1, rule, ", ".join(names))
    class_ids = _class_ids(source.info.label_names)
    rows = []
    dropped: dict[str, int] = {}
    for role in ROLES:
        for line, (text, labels, name) in _comments(source, f"goemotions/{role}.tsv"):
            if "," in labels or labels == NEUTRAL:
                reason = "neutral" if labels == NEUTRAL else "several labels"
                dropped[reason] = dropped.get(reason, 0) + 1
            else:
                rows.append(Row(f"{role}{line}-{name}", role, text, class_ids[int(labels)]))
    source.finish()
    return Rows(rows, dropped)


def _class_ids(classes: tuple[str, ...]) -> list[int]:
    """Class id of each of the 27 emotions: itself, or its Ekman group."""
    if classes == EMOTIONS:
        return list(range(len(EMOTIONS)))
    home = {emotion: group for group, emotions in EKMAN.items() for emotion in emotions}
    return [classes.index(home[emotion]) for emotion in EMOTIONS]


def _comments(source: Source, path: str) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """Line number, and text, label ids and comment id, of the well-formed lines."""
    known = {str(number) for number in range(len(EMOTIONS) + 1)}
    for line, content in enumerate(source.lines(path), start=1):
        cells = content.split("\t")
        if len(cells) != 3:
            source.problem(path, line, "a line must be text, labels, id", repr(content[:40]))
        elif not set(cells[1].split(",")) <= known:
            rule = f"labels must be numbers from 0 to {len(EMOTIONS)}, with commas"
            source.problem(path, line, rule, repr(cells[1]))
        elif source.not_blank(path, line, cells[0]):
            yield line, (cells[0], cells[1], cells[2])
