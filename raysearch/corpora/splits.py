"""What the splits of a corpus of sentences hold, what was left out, and what they still share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raysearch.corpora.records import ROLES, Corpus, Removal
from raysearch.corpora.seen import words

__all__ = ["SplitReport", "report_splits"]


@dataclass(frozen=True, kw_only=True)
class SplitReport:
    """The splits of one corpus.

    Attributes:
        name: The corpus.
        rows: Rows of each role, after removal.
        removed: What was left out, by role and reason.
        same_words: Rows of dev and of test that have the words of a row of train and differ from it
            in punctuation only. They are kept, as the corpus's official split has them.
    """

    name: str
    rows: Mapping[str, int]
    removed: Sequence[Removal]
    same_words: Mapping[str, int]


def report_splits(corpus: Corpus) -> SplitReport:
    """Count rows, removals and shared sentences of a corpus that was opened with all roles."""
    found = {
        role: [tuple(words(text)) for text in corpus.split(role).texts] for role in corpus.roles
    }
    train = set(found["train"])
    return SplitReport(
        name=corpus.name,
        rows={role: len(found[role]) for role in ROLES},
        removed=corpus.removed,
        same_words={role: sum(one in train for one in found[role]) for role in ("dev", "test")},
    )
