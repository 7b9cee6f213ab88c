import pytest

from raysearch.corpora import CORPORA, ROLES, load
from raysearch.corpora.goemotions import EKMAN, EMOTIONS
from raysearch.errors import DataError

LABELS = "\n".join((*EMOTIONS, "neutral"))


def test_ekman_groups_hold_each_emotion_once():
    grouped = [emotion for emotions in EKMAN.values() for emotion in emotions]
    assert sorted(grouped) == sorted(EMOTIONS)
    assert tuple(sorted(EKMAN)) == CORPORA["goemotions_ekman"].label_names
    assert len(EMOTIONS) == 27


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["goemotions", "goemotions_ekman"])
def test_size_is_that_of_the_paper_less_shared_texts(name, real_data):
    corpus = load(name, real_data, ROLES)
    dropped = {r.reason: r.rows for r in corpus.removed if r.role == "all"}
    read = 43410 + 5426 + 5427 - sum(dropped.values())
    assert read == 29425  # carl.md §2: "GoEmotions-10 29K"
    assert [len(corpus.split(role)) for role in ROLES] == [23386, 2948, 2984]


def test_both_readings_hold_the_same_rows_in_matching_classes(any_data):
    fine, coarse = (load(n, any_data, ROLES) for n in ("goemotions", "goemotions_ekman"))
    assert fine.digest != coarse.digest
    home = {emotion: group for group, emotions in EKMAN.items() for emotion in emotions}
    assert fine.split("dev").ids == coarse.split("dev").ids
    for a, b in zip(fine.split("dev").labels, coarse.split("dev").labels, strict=True):
        assert home[fine.label_names[a]] == coarse.label_names[b]


def _folder(put, train="", labels=LABELS):
    put("goemotions/labels.txt", labels)
    put("goemotions/dev.tsv", "So glad.\t17\tdev1\n")
    put("goemotions/test.tsv", "So sad.\t25\ttest1\n")
    return put("goemotions/train.tsv", "Thank you!\t15\ttrain1\n" + train)


def test_neutral_and_several_labels_are_left_out_and_counted(put):
    folder = _folder(put, "Ok.\t27\ta\nHm.\t4,27\tb\nYes, love it\t0,18\tc\n")
    corpus = load("goemotions", folder, ROLES)
    assert corpus.split("train").texts == ("Thank you!",)
    assert corpus.split("train").labels.tolist() == [EMOTIONS.index("gratitude")]
    assert {r.reason: r.rows for r in corpus.removed} == {"neutral": 1, "several labels": 2}


def test_bad_lines_are_told_at_once(put):
    folder = _folder(put, "two cells\t3\nx\t28\td\ny\t\te\n \t3\tf\n")
    with pytest.raises(DataError) as caught:
        load("goemotions", folder, ROLES)
    message = str(caught.value)
    assert "a line must be text, labels, id, but got 'two cells\\t3' (line 2)" in message
    assert "labels must be numbers from 0 to 27, with commas, but got '28' (line 3), ''" in message
    assert "at least one token, but got ' ' (line 5)" in message


def test_other_labels_are_an_error(put):
    with pytest.raises(DataError, match="the labels must be admiration, amusement"):
        load("goemotions", _folder(put, labels="joy\nsadness\n"), ROLES)


def test_line_ends_of_windows_are_no_text(put):
    parts = {
        "train": "".join(f"Thank you {n}!\t15\ttrain{n}\n" for n in range(3)),
        "dev": "So glad.\t17\tdev1\n",
        "test": "So sad.\t25\ttest1\n",
    }
    loaded = {}
    for end in ("\n", "\r\n"):
        put("goemotions/labels.txt", f"{LABELS}\n".replace("\n", end).encode())
        for role, text in parts.items():
            folder = put(f"goemotions/{role}.tsv", text.replace("\n", end).encode())
        loaded[end] = load("goemotions", folder, ROLES)
    assert loaded["\n"].digest == loaded["\r\n"].digest
    assert loaded["\r\n"].split("dev").ids == ("dev1-dev1",)
