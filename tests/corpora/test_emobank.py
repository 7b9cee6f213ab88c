import time

import numpy as np
import pytest

from raysearch.corpora import ROLES, Removal, load
from raysearch.errors import DataError

PATH = "emobank/emobank.csv"
HEADER = "id,split,V,A,D,text\n"
GOOD = 'a,train,3.0,3.0,3.2,"Well, "" he said."\nb,dev,1,5,3,Two.\nc,test,4,2,3,"Three\nlines."\n'


@pytest.mark.real_data
def test_official_split_without_the_shared_texts(real_data):
    corpus = load("emobank", real_data, ROLES)
    assert [len(corpus.split(role)) for role in ROLES] == [7984, 991, 1000]
    assert corpus.removed == (
        Removal(role="train", reason="in test", rows=53, texts=16),
        Removal(role="train", reason="in dev", rows=49, texts=20),
        Removal(role="dev", reason="in test", rows=9, texts=5),
    )


@pytest.mark.real_data
def test_first_row_and_moments_of_the_real_file(real_data):
    corpus = load("emobank", real_data, ROLES)
    train = corpus.split("train")
    assert train.ids[0] == "110CYL068_1036_1079"
    assert train.texts[0] == 'Remember what she said in my last letter? "'
    np.testing.assert_allclose(train.labels[0], [0.5, 0.5])
    ratings = np.concatenate([corpus.split(role).labels for role in ROLES]) * 4
    np.testing.assert_allclose(ratings.std(0), [0.349, 0.260], atol=0.003)  # carl.md §6
    assert abs(np.corrcoef(ratings.T)[0, 1] - 0.04) < 0.015


@pytest.mark.real_data
def test_loads_well_under_a_second(real_data):
    start = time.process_time()
    load("emobank", real_data, {"train", "dev"})
    assert time.process_time() - start < 1.0


def test_quotes_line_breaks_and_scale(put):
    corpus = load("emobank", put(PATH, HEADER + GOOD), ROLES)
    assert corpus.split("train").texts == ('Well, " he said.',)
    assert corpus.split("test").texts == ("Three\nlines.",)
    assert corpus.split("dev").labels.tolist() == [[0, 1]]
    np.testing.assert_allclose(corpus.split("test").labels, [[0.75, 0.25]])


def test_a_byte_order_mark_is_no_part_of_the_header(put):
    content = b"\xef\xbb\xbf" + (HEADER + GOOD).encode()
    assert load("emobank", put(PATH, content), ROLES).split("dev").texts == ("Two.",)


def test_every_problem_is_told_at_once(put):
    rows = (
        "d,valid,3,3,3,Wrong split.\n"
        "e,train,NaN,3,3,No valence.\n"
        "f,train,3,high,3,No arousal.\n"
        "g,train,0.5,5.5,3,Both outside.\n"
        "h,train,3,3,3,  \n"
        "a,train,3,3,3,Twice the same id.\n"
        "i,train,3,3,3,Too,many,cells\n"
    )
    with pytest.raises(DataError) as caught:
        load("emobank", put(PATH, HEADER + GOOD + rows), {"train"})
    message = str(caught.value)
    for part in (
        "`split` must be train, dev or test, but got 'valid' (line 6)",
        "`V` must be a number from 1 to 5, but got 'NaN' (line 7), '0.5' (line 9)",
        "`A` must be a number from 1 to 5, but got 'high' (line 8), '5.5' (line 9)",
        "the text must have at least one token, but got '  ' (line 10)",
        "`id` must be unique, but got 'a' (line 11)",
        "a row must have 6 columns, but got 8 (line 12)",
        "data fetch emobank",
    ):
        assert part in message
    assert message.count("\n") == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        (HEADER, "has a header only"),
        ("id,split,V,text\na,train,3,x\n", "but A lack in the header id,split,V,text"),
        (HEADER + 'a,train,3,3,3,"never closed\n', "the row must be valid CSV"),
        ("\n" + HEADER, "lack in the header"),
    ],
)
def test_files_that_are_no_corpus(put, content, message):
    with pytest.raises(DataError, match=message):
        load("emobank", put(PATH, content), {"train"})


def test_missing_file_says_where_to_put_it(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}/emobank/emobank.csv is missing.*data fetch"):
        load("emobank", tmp_path, {"train"})
