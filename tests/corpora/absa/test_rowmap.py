import pytest

from raysearch.corpora.absa.rowmap import scan


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
def test_scan_goes_forward_only(keys, among, found):
    assert scan([(key,) for key in keys], [(one,) for one in among]) == found
