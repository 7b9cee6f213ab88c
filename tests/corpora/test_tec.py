"""TEC is given out by its author: the texts here are invented, the file format is real."""

import pytest

from raysearch.corpora import ROLES, load
from raysearch.corpora.tec import PATH
from raysearch.errors import DataError


def lines(*rows):
    return "".join(f"{number}:\t{text}\t:: {emotion}\n" for number, text, emotion in rows)


def test_a_tweet_has_the_characters_that_were_typed_and_the_class_of_its_hashtag(put):
    many = [(100 + at, f"Tweet {at}", "sadness") for at in range(60)]
    folder = put(PATH, lines((7, " &quot;No&quot; &amp; no :: more :) ", "surprise"), *many))
    corpus = load("tec", folder, ROLES)
    found = {
        name: (text, corpus.label_names[label])
        for role in ROLES
        for name, text, label in zip(
            corpus.split(role).ids, corpus.split(role).texts, corpus.split(role).labels, strict=True
        )
    }
    assert found["7-1"] == ('"No" & no :: more :)', "surprise")
    assert found["100-2"] == ("Tweet 0", "sadness") and len(found) == 61


def test_blank_tweets_and_those_with_two_emotions_are_left_out_and_counted(put):
    many = [(100 + at, f"Tweet {at}", "joy") for at in range(60)]
    odd = [(1, " ", "joy"), (2, "What a day", "joy"), (3, "what  A day", "anger"), (4, "X", "joy")]
    corpus = load("tec", put(PATH, lines(*odd, *many)), ROLES)
    assert {r.reason: r.rows for r in corpus.removed} == {"blank": 1, "several labels": 2}
    assert sum(len(corpus.split(role)) for role in ROLES) == 61


def test_a_line_of_another_form_is_refused_with_its_number(put):
    folder = put(PATH, lines((1, "Good", "joy"), (2, "Bad", "love")) + "3 no tabs :: joy\n")
    with pytest.raises(DataError, match=r"with tabs, but got .*line 2.*line 3") as caught:
        load("tec", folder, ROLES)
    assert "put your own copy of tec into" in str(caught.value)
