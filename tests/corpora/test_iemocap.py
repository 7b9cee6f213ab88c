"""IEMOCAP is never on a test machine: its texts here are invented, its file format is real."""

import numpy as np
import pytest
from made_corpora import dialogue

from raysearch.corpora import CORPORA, ROLES, fetch, load
from raysearch.errors import DataError


def _dialogue(put, session, utterances, extra=""):
    for path, content in dialogue(session, utterances, extra).items():
        folder = put(path, content)
    return folder


@pytest.fixture
def folder(put):
    put("iemocap/Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt", b"\x00\x05\x16\x07\xff")
    put("iemocap/Session1/dialog/EmoEvaluation/Attribute/Ses01F_e3_atr.txt", "not read")
    classes = CORPORA["iemocap_classes"].label_names
    many = [(label, "3.0000, 3.0000, 3.0000", f"Line for {label}.") for label in classes]
    _dialogue(put, 1, many)
    _dialogue(put, 2, [("neu", "1.0000, 5.0000, 2.0000", "You said so.")])
    _dialogue(put, 3, [("xxx", "5.5000, 0.5000, 2.0000", "Never mind.")])
    _dialogue(put, 4, [("sad", "2.0000, 2.5000, 2.0000", "He went away.")])
    return _dialogue(
        put,
        5,
        [("hap", "4.0000, 3.0000, 2.0000", "I got it!"), ("neu", "3.0, 3.0, 3.0", "YOU said  so.")],
    )


def test_sessions_are_the_split_of_both_readings(folder):
    for name in ("iemocap", "iemocap_classes"):
        corpus = load(name, folder, ROLES)
        assert corpus.split("dev").ids == ("Ses04F_impro01_F000",)
        assert corpus.split("test").texts == ("I got it!", "YOU said  so.")
        removed = [(r.role, r.reason, r.rows) for r in corpus.removed if r.role == "train"]
        assert removed == [("train", "in test", 1)]  # "You said so."


def test_valence_and_arousal_are_scaled_and_clipped(folder):
    corpus = load("iemocap", folder, ROLES)
    train = dict(zip(corpus.split("train").texts, corpus.split("train").labels, strict=True))
    assert train["Never mind."].tolist() == [1, 0]
    np.testing.assert_allclose(corpus.split("dev").labels, [[0.25, 0.375]])


def test_classes_leave_out_what_has_no_majority(folder):
    corpus = load("iemocap_classes", folder, ROLES)
    assert ("all", "no majority", 1) in [(r.role, r.reason, r.rows) for r in corpus.removed]
    train = corpus.split("train")
    assert [corpus.label_names[label] for label in train.labels] == list(corpus.label_names)
    assert len(corpus.label_names) == 10


def test_problems_are_told_at_once(put, folder):
    _dialogue(
        put,
        2,
        [
            ("neu", "3.0, 3.0, 3.0", "Fine."),
            ("neu", "0.2, nan, 3.0", "Bad ratings."),
            ("neu", "3.0, 3.0, 3.0", "  "),
        ],
        extra="[1 - 2]\tSes02F_impro01_F077\tneu\t[3, 3, 3]\n[3 - 4]\tSes02F_x\tbroken\n",
    )
    with pytest.raises(DataError) as caught:
        load("iemocap", folder, ROLES)
    message = str(caught.value)
    for part in (
        "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt: `V` must be a number from 0.5 to 5.5",
        "`A` must be a number from 0.5 to 5.5, but got 'nan'",
        "at least one token",
        "in the transcription, but got Ses02F_impro01_F077",
        "an utterance must be [times], id, emotion, [V, A, D]",
        "put your own copy of iemocap",
    ):
        assert part in message


def test_unknown_emotion(put, folder):
    _dialogue(put, 2, [("bored", "3.0, 3.0, 3.0", "So what.")])
    with pytest.raises(
        DataError, match="the emotion must be one of ang, dis.*xxx, but got 'bored'"
    ):
        load("iemocap_classes", folder, ROLES)


def test_a_missing_session_is_named(tmp_path):
    with pytest.raises(DataError, match="Session1 to Session5.*own copy.*release form"):
        load("iemocap", tmp_path, ROLES)


def test_it_is_never_downloaded(tmp_path):
    for name in ("iemocap", "iemocap_classes"):
        with pytest.raises(DataError, match="own copy and is never downloaded"):
            fetch(name, tmp_path)
    assert not list(tmp_path.iterdir())
