import numpy as np
import pytest

from raysearch.corpora import ROLES, load
from raysearch.corpora.facebook import KNOWN_BLANK, PATH
from raysearch.errors import DataError

HEADER = "Anonymized Message,Valence1,Valence2,Arousal1,Arousal2\r\n"


def _content(last):
    rows = [f"post number {i},{1 + i % 9},9,5,{1 + i % 3}\r\n" for i in range(60)]
    return HEADER + "".join(rows) + last


@pytest.mark.real_data
def test_size_moments_and_the_one_blank_row(real_data):
    corpus = load("facebook", real_data, ROLES)
    labels = np.concatenate([corpus.split(role).labels for role in ROLES])
    assert [(r.reason, r.rows) for r in corpus.removed if r.role == "all"] == [("blank", 1)]
    assert len(labels) == 2894
    np.testing.assert_allclose(labels.std(0) * 8, [1.19, 1.98], atol=0.01)  # carl.md §6
    assert abs(labels[:, 1].mean() - 0.29) < 0.01  # carl.md §4.1 d


def test_labels_are_means_of_two_raters(put):
    corpus = load("facebook", put(PATH, _content("")), ROLES)
    by_id = {
        name: label
        for role in ROLES
        for name, label in zip(corpus.split(role).ids, corpus.split(role).labels, strict=True)
    }
    # line 2 is post 0: valence (1 + 9) / 2 = 5, arousal (5 + 1) / 2 = 3, on the scale 1 to 9
    np.testing.assert_allclose(by_id["fb2"], [0.5, 0.25])
    np.testing.assert_allclose(by_id["fb4"], [0.625, 0.375])


def test_a_blank_message_is_an_error_but_at_the_known_line(put):
    with pytest.raises(DataError, match=r"at least one token, but got '' \(line 62\)"):
        load("facebook", put(PATH, _content(",6,6,3,1\r\n")), ROLES)
    padding = "".join(f"more {i},5,5,5,5\r\n" for i in range(KNOWN_BLANK - 62))
    corpus = load("facebook", put(PATH, _content(padding + ",6,6,3,1\r\n")), ROLES)
    assert [(r.reason, r.rows) for r in corpus.removed] == [("blank", 1)]


def test_ratings_outside_the_scale(put):
    with pytest.raises(DataError, match=r"`Arousal1` must be a number from 1 to 9, but got '10'"):
        load("facebook", put(PATH, _content("x,6,6,10,1\r\n")), ROLES)
