import pytest

from raysearch.corpora import ROLES, load
from raysearch.errors import DataError

SIZES = {"mr": 10662, "sst2": 9613 - 3, "cr": 3771, "subj": 10000, "mpqa": 10603}


@pytest.mark.real_data
@pytest.mark.parametrize("name", SIZES)
def test_sizes_of_the_real_files(name, real_data):
    corpus = load(name, real_data, ROLES)
    assert sum(len(corpus.split(role)) for role in ROLES) == SIZES[name]
    assert corpus.task == "polarity"


@pytest.mark.real_data
def test_sst2_keeps_its_official_split(real_data):
    corpus = load("sst2", real_data, ROLES)
    assert [len(corpus.split(role)) for role in ROLES] == [6920 - 3, 872, 1821]
    assert corpus.split("train").labels[0] == 1
    assert corpus.split("train").texts[0].startswith("a stirring , funny and finally")


@pytest.mark.parametrize("name", ["mr", "subj"])
def test_bytes_of_windows_1252_become_marks_not_control_characters(name, any_data):
    corpus = load(name, any_data, ROLES)
    text = " ".join(text for role in ROLES for text in corpus.split(role).texts)
    assert "…" in text
    assert "–" in text
    assert not any("\x80" <= sign <= "\x9f" for sign in text)


def test_sst2_is_utf_8(any_data):
    test = load("sst2", any_data, {"test"}).split("test")
    assert any("crème brûlée" in text for text in test.texts)


def _lines(count=60):
    return "".join(f"{i % 2} opinion number {i} \n" for i in range(count))


def test_label_and_text(put):
    corpus = load("cr", put("sentiment/custrev.all", _lines()), ROLES)
    labels = {
        name: (text, label)
        for role in ROLES
        for name, text, label in zip(
            corpus.split(role).ids,
            corpus.split(role).texts,
            corpus.split(role).labels,
            strict=True,
        )
    }
    assert labels["line1"] == ("opinion number 0", 0)
    assert labels["line4"] == ("opinion number 3", 1)


def test_bad_lines_are_told_at_once(put):
    content = _lines() + "2 too high\nno label\n1 \n0\n"
    with pytest.raises(DataError) as caught:
        load("cr", put("sentiment/custrev.all", content), ROLES)
    message = str(caught.value)
    assert (
        "\"0 text\" or \"1 text\", but got '2 too high' (line 61), 'no label' (line 62)" in message
    )
    assert "at least one token, but got '' (line 63), '' (line 64)" in message


def test_problems_of_all_three_files_are_told_together(put):
    for part in ("train", "dev", "test"):
        folder = put(f"sentiment/stsa.binary.{part}", "x\n")
    with pytest.raises(DataError) as caught:
        load("sst2", folder, ROLES)
    assert all(f"stsa.binary.{part}:" in str(caught.value) for part in ("train", "dev", "test"))


@pytest.mark.parametrize(("name", "path"), [("mr", "rt-polarity.all"), ("subj", "subj.all")])
def test_utf_8_where_windows_1252_is_due_is_refused(put, name, path):
    content = _lines() + "1 a fianc\u00e9 \u2013 and a dash\n"
    load(name, put(f"sentiment/{path}", content.encode("cp1252")), ROLES)
    with pytest.raises(DataError, match=rf"{path}` must be cp1252, .* is UTF-8, of which cp1252"):
        load(name, put(f"sentiment/{path}", content.encode()), ROLES)
