"""Acceptance test 10 of carl.md §7: the loader's valence agrees with a lexicon.

The real file is given out on request and is not part of the tests' data. The test therefore
runs on a synthetic file in its format (`made_corpora`), whose HUMAN column is shifted against the
sentences as the real one's is; and on the real file as well wherever it lies in the data folder.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from made_corpora import TALE_WORDS, as_json, emotales

from raysearch.corpora import ROLES, load
from raysearch.corpora.emotales import PATH
from raysearch.errors import DataError

SYNTHETIC = "synthetic"


def lexicon_score(text):
    found = [TALE_WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in TALE_WORDS]
    return sum(found) / len(found) if found else 0.0


def _folders():
    """The synthetic file, and the real one where it is."""
    real = Path(os.environ["RAYSEARCH_REAL_DATA"])
    return [SYNTHETIC] + ([str(real)] if (real / PATH).exists() else [])


@pytest.mark.parametrize("where", _folders())
def test_mean_of_annotators_agrees_with_a_lexicon(where, put):
    folder = put(PATH, as_json(emotales())) if where == SYNTHETIC else where
    corpus = load("emotales", folder, ROLES)
    texts = [text for role in ROLES for text in corpus.split(role).texts]
    valence = np.concatenate([corpus.split(role).labels[:, 0] for role in ROLES])
    scores = np.array([lexicon_score(text) for text in texts])
    assert np.corrcoef(valence, scores)[0, 1] > 0.2
    if where == SYNTHETIC:
        human = dict(zip(emotales()["SENTENCE"], emotales()["HUMAN"], strict=True))
        wrong = np.array([human[text] for text in texts])
        assert abs(np.corrcoef(wrong, scores)[0, 1]) < 0.2  # the column that must not be read


@pytest.mark.parametrize("form", ["object", "list"])
def test_label_is_the_mean_over_those_who_rated(put, form):
    columns = emotales()
    corpus = load("emotales", put(PATH, as_json(columns, form)), ROLES)
    for role in ROLES:
        split = corpus.split(role)
        for name, label in zip(split.ids, split.labels, strict=True):
            row = int(name.rpartition("-")[2]) - 1
            assert name.startswith(columns["ID"][row])
            for place, suffix in enumerate(("", "_ACT")):
                rated = [columns[f"ANNOTATOR_{n}{suffix}"][row] for n in range(1, 7)]
                rated = [value for value in rated if value is not None]
                assert 4 <= len(rated) <= 6
                expected = (sum(rated) / len(rated) - 1) / 8
                assert label[place] == pytest.approx(expected, abs=1e-6)


def test_labels_do_not_depend_on_the_misleading_columns(put):
    columns = emotales()
    digest = load("emotales", put(PATH, as_json(columns)), ROLES).digest
    columns["HUMAN"] = columns["avg_action"] = ["nonsense"] * len(columns["SENTENCE"])
    assert load("emotales", put(PATH, as_json(columns)), ROLES).digest == digest


def test_unrated_rows_are_left_out_and_counted(put):
    columns = emotales()
    for name in columns:
        if name.startswith("ANNOTATOR"):
            columns[name][4] = None
            columns[name][9] = float("nan")
    corpus = load("emotales", put(PATH, as_json(columns)), ROLES)
    assert [(r.reason, r.rows) for r in corpus.removed] == [("unrated", 2)]
    assert sum(len(corpus.split(role)) for role in ROLES) == 118


def test_problems_are_told_at_once(put):
    columns = emotales()
    columns["ANNOTATOR_1"][0] = 12
    columns["ANNOTATOR_2_ACT"][1] = "high"
    columns["SENTENCE"][2] = "  "
    columns["SENTENCE"][3] = None
    for number in range(1, 7):
        columns[f"ANNOTATOR_{number}_ACT"][5] = None
    with pytest.raises(DataError) as caught:
        load("emotales", put(PATH, as_json(columns)), ROLES)
    message = str(caught.value)
    for part in (
        "`ANNOTATOR_1` must be a number from 1 to 9, but got 12 (line 1)",
        "`ANNOTATOR_2_ACT` must be a number from 1 to 9, but got 'high' (line 2)",
        "at least one token, but got '  ' (line 3)",
        "`SENTENCE` must be text, but got None (line 4)",
        "must have both ANNOTATOR_n and ANNOTATOR_n_ACT, or neither, but got one of them (line 6)",
        "at commit eb55906",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"SENTENCE": [', r"must be JSON, but got Expecting value \(.*:1\)"),
        ("[1, 2]", "must be an object of columns"),
        ('{"SENTENCE": "x"}', "must be an object of columns"),
        ('{"SENTENCE": ["x"], "ANNOTATOR_1": [3]}', "ID, ANNOTATOR_1_ACT lack"),
        (
            '{"SENTENCE": ["x"], "ID": [], "ANNOTATOR_1": [3], "ANNOTATOR_1_ACT": [3]}',
            r"the lengths are \[0, 1\]",
        ),
        ('{"SENTENCE":[],"ID":[],"ANNOTATOR_1":[],"ANNOTATOR_1_ACT":[]}', r"lengths are \[0\]"),
    ],
)
def test_files_that_are_no_table(put, content, message):
    with pytest.raises(DataError, match=message):
        load("emotales", put(PATH, content), ROLES)


def test_missing_file_names_repository_and_commit(tmp_path):
    with pytest.raises(DataError, match="put data/emotales_data.json of .*DA_literary_SA.*eb55906"):
        load("emotales", Path(tmp_path), ROLES)
