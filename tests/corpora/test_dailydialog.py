"""DailyDialog is not part of the tests' data: texts invented, the format that of its archive."""

import pytest

from raysearch.corpora import ROLES, load
from raysearch.errors import DataError


def part(put, name, dialogues, labels):
    put(f"dailydialog/{name}/dialogues_{name}.txt", dialogues)
    return put(f"dailydialog/{name}/dialogues_emotion_{name}.txt", labels)


@pytest.fixture
def folder(put):
    part(put, "validation", "Look ! __eou__ What ? __eou__\n", "6 0 \n")
    part(put, "test", "So sad . __eou__\n", "5 \n")
    return part(
        put,
        "train",
        "Hi . __eou__ I am glad . __eou__\nNo . __eou__ Yes . __eou__ No ! __eou__\n",
        "0 4 \n1 1 \n",
    )


def test_utterances_with_an_emotion_are_rows_of_their_official_split(folder):
    corpus = load("dailydialog", folder, ROLES)
    found = {
        role: (corpus.split(role).ids, corpus.split(role).texts, corpus.split(role).labels.tolist())
        for role in ROLES
    }
    assert found == {
        "train": (("train1-2",), ("I am glad .",), [3]),
        "dev": (("validation1-1",), ("Look !",), [5]),
        "test": (("test1-1",), ("So sad .",), [4]),
    }
    assert corpus.label_names[3] == "happiness"
    # One dialogue of three utterances has two emotions: nobody knows which.
    assert {r.reason: r.rows for r in corpus.removed} == {"no emotion": 2, "count differs": 3}


def test_what_is_wrong_is_told_at_once(put, folder):
    part(put, "validation", "Look ! __eou__\n", "7 \n")
    part(put, "test", "So sad . __eou__\nOh . __eou__\n", "5 \n")
    with pytest.raises(DataError) as caught:
        load("dailydialog", folder, ROLES)
    text = str(caught.value)
    assert (
        "numbers from 0 to 6, but got '7' (line 1)" in text.replace('"', "'")
        or "7 (line 1)" in text
    )
    assert "a line for each of the 2 dialogues, but got 1" in text
