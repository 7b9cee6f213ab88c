import itertools
import random

import pytest

from raysearch.corpora.absa import load_pair
from raysearch.corpora.absa.views import scan


def find(keys, among, wanted=None, offered=None):
    def split(text):
        return [(one,) for one in text]

    return scan(*(split(keys), split(among)), *(split(wanted or keys), split(offered or among)))


@pytest.mark.parametrize(
    ("keys", "among", "found"),
    [
        ("abc", "abc", [0, 1, 2]),
        ("ac", "abc", [0, 2]),
        ("aa", "aba", [0, 2]),
        ("ba", "ab", [1, -1]),
        ("axb", "ab", [0, -1, 1]),
        ("aaa", "aa", [0, 1, -1]),
        ("", "ab", []),
    ],
)
def test_the_first_that_is_left(keys, among, found):
    assert find(keys, among) == found


@pytest.mark.parametrize(
    ("keys", "wanted", "among", "offered", "found"),
    [
        ("a", "2", "aa", "12", [1]),
        ("a", "3", "aa", "12", [0]),
        ("ab", "21", "aab", "121", [1, 2]),
        ("ab", "21", "aba", "112", [0, 1]),  # the second a would leave no b
        ("aa", "22", "aaa", "122", [1, 2]),
        ("aa", "33", "aaa", "122", [0, 1]),
    ],
)
def test_of_several_the_one_that_is_wanted(keys, wanted, among, offered, found):
    assert find(keys, among, wanted, offered) == found


def test_all_keys_are_found_whenever_they_can_be():
    draw = random.Random(2)
    for _ in range(500):
        among = "".join(draw.choices("abc", k=draw.randint(1, 8)))
        keys = "".join(draw.choices("abc", k=draw.randint(1, 4)))
        wanted = "".join(draw.choices("12", k=len(keys)))
        offered = "".join(draw.choices("12", k=len(among)))
        possible = [
            places
            for places in itertools.combinations(range(len(among)), len(keys))
            if [among[place] for place in places] == list(keys)
        ]
        found = find(keys, among, wanted, offered)
        assert (tuple(found) in possible) if possible else (-1 in found)


def test_like_sentences_pair_by_their_terms(write, marked):
    write("gold-en-train.txt", "Great [food]+ !", "Great [service]+ !", "Great [big wine list]+ !")
    write("smt-xx-train.txt", "Gran [serv]+ !", "Gran [lista]+ !")
    write("cs_xx-en-train.txt", "Great [serv]+ !", "Great [lista]+ !", "Great [food]+ !")
    folder = write("cs_en-xx-train.txt", "Gran [service]+ !", "Gran [big list]+ !")
    views = load_pair(folder, "en-xx", "", {"train"}).views()
    assert [view.t for view in views] == [None, marked("Gran [serv]+ !"), marked("Gran [lista]+ !")]
