"""Records that carry their own digest."""

import math

import pytest

from raysearch.seal import MARK, digest_of, seal, unseal


def test_a_record_comes_back_and_the_order_of_names_makes_no_difference():
    record = {"b": [1, 2.5, None], "a": {"x": "ü", "y": math.inf}}
    sealed = seal(record)
    assert unseal(sealed) == record
    assert unseal(dict(reversed(sealed.items()))) == record
    assert seal(sealed) == sealed
    assert seal({3: (1, 2)})["seal"] == seal({"3": [1, 2]})["seal"]  # as JSON gives them back


def test_a_record_without_a_seal_is_of_an_older_version():
    assert unseal({"a": 1}) == {"a": 1}


@pytest.mark.parametrize("change", [{"a": 2}, {"b": 1}, {"seal": "x"}, {"seal": None}])
def test_a_changed_record_is_refused(change):
    with pytest.raises(ValueError, match="its seal is of other content"):
        unseal(seal({"a": 1}) | change)


def test_a_seal_that_lost_its_name_is_still_known_as_one():
    sealed = seal({"a": 1})
    with pytest.raises(ValueError, match="the name of its seal is damaged"):
        unseal({"a": 1, "sdal": sealed["seal"]})


def test_a_digest_tells_what_it_is():
    assert digest_of({"a": 1}) == MARK + (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )
