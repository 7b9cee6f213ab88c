"""Places: what lies below what, and what of a URI may be shown."""

import os
from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.storage.uri import absolute, expanded, is_uri, join, last_name, parent, redacted

QUERY = "scheme=http&endpoint_override=127.0.0.1:9000&region=us-east-1"


@pytest.mark.parametrize(
    "place, names, expected",
    [
        ("results/carl", ["leases", "00001-a-s0"], "results/carl/leases/00001-a-s0"),
        ("/r", ["x"], "/r/x"),
        ("s3://b/p", ["x"], "s3://b/p/x"),
        ("s3://b", ["x"], "s3://b/x"),
        ("s3://b/p/?x=y", ["leases", "1"], "s3://b/p/leases/1?x=y"),
        ("s3://b/p?x=y/z", ["leases"], "s3://b/p/leases?x=y/z"),
        ("s3://b/p", ["50% of it?"], "s3://b/p/50%25%20of%20it%3F"),
        ("file:///", ["a"], "file:///a"),
    ],
)
def test_a_query_stays_at_the_end(place: str, names: list[str], expected: str) -> None:
    assert join(place, *names) == expected
    assert parent(expected, len(names)) == place.replace("p/?", "p?")
    assert last_name(expected) == names[-1]


def test_the_empty_place_and_uris_are_absolute_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("") == "" and absolute("gs://b/p") == "gs://b/p"
    assert absolute("x") == str(tmp_path / "x")
    assert is_uri("s3://b") and not is_uri("/a/b") and not is_uri(Path("s3:/b"))


@pytest.mark.parametrize(
    "place, expected",
    [
        ("/folder/with@sign", "/folder/with@sign"),
        (f"s3://b/p?{QUERY}", f"s3://b/p?{QUERY}"),
        (f"s3://AKIA:word@b/p?{QUERY}", f"s3://b/p?{QUERY}"),
        ("s3://AKIA:wo/rd@b/p", "s3://b/p"),  # a slash that should have been %2F
        ("s3://AKIA:w?rd@b/p?x=y", "s3://…"),
        ("hdfs://node:8020/p", "hdfs://node:8020/p"),
        ("abfs://account@host/c", "abfs://host/c"),
        ("s3://b/p@home/x", "s3://b/p@home/x"),
        ("s3://b/p?region=eu-1&sas_token=word&scheme=https", "s3://b/p?region=eu-1&scheme=https"),
    ],
)
def test_credentials_are_not_shown(place: str, expected: str) -> None:
    assert redacted(place) == expected


def test_a_folder_whose_name_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrow would end in a UnicodeEncodeError, after the sweep has begun."""
    bad = os.fsencode(tmp_path) + b"/bad\xff"
    os.mkdir(bad)
    monkeypatch.chdir(os.fsdecode(bad))
    with pytest.raises(ConfigError, match=r"names of UTF-8 text, but got .*bad\\udcff"):
        absolute("results")
    assert absolute("s3://bucket/x") == "s3://bucket/x"


def test_the_home_of_nobody_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/x") == Path("/home/me/x")
    assert expanded("~no-such-user-here/x") == Path("~no-such-user-here/x")
