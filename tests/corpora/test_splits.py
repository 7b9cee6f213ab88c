"""What a corpus's report counts: rows, what was left out, and sentences that the splits share."""

from pathlib import Path

import pytest

from raysearch import corpora
from raysearch.corpora.records import ROLES, Row, Rows, assemble
from raysearch.corpora.registry import corpus_info
from raysearch.corpora.splits import report_splits


def test_rows_removals_and_same_words_are_counted() -> None:
    texts = {
        "train": ["One day.", "two", "THREE", "four"],
        "dev": ["one day", "two", "five"],
        "test": ["three", "Four!", "one day?", "six"],
    }
    rows = [
        Row(f"{role}{at}", role, text, at % 2)
        for role, split in texts.items()
        for at, text in enumerate(split)
    ]
    corpus = assemble(corpus_info("sst2"), Rows(rows, {"blank": 3}), ROLES)
    report = report_splits(corpus)
    assert report.rows == {"train": 2, "dev": 3, "test": 4}
    assert [(one.role, one.reason, one.rows) for one in report.removed] == [
        ("all", "blank", 3),
        ("train", "in test", 1),
        ("train", "in dev", 1),
    ]
    assert report.same_words == {"dev": 1, "test": 2}


@pytest.mark.real_data
def test_the_public_corpora_have_the_shared_sentences_that_were_counted(real_data: Path) -> None:
    found = {
        name: report_splits(corpora.load(name, real_data, ROLES))
        for name in ("emobank", "goemotions")
    }
    emobank, goemotions = found.values()
    assert [one.rows for one in emobank.removed if one.role == "train"] == [53, 49]
    assert [one.rows for one in goemotions.removed if one.role == "train"] == [69, 66]
    assert emobank.same_words == {"dev": 14, "test": 12}
    assert goemotions.same_words == {"dev": 39, "test": 54}
