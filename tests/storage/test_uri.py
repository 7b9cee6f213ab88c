"""Places: what lies below what, and what of a URI may be shown."""

import os
from pathlib import Path

import pytest
import sqlalchemy

from raysearch.errors import ConfigError
from raysearch.storage.uri import (
    absolute,
    expanded,
    is_uri,
    join,
    last_name,
    parent,
    redacted,
    secret_parts,
    shown_text,
    shown_url,
)

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


@pytest.mark.parametrize(
    "url",
    [
        "results/carl",
        "/folder/a:b@c",
        "auto",
        "sqlite:////home/me/study.db",
        "sqlite:///study.db?timeout=5",
        "s3://b/p?region=eu-1&scheme=http&endpoint_override=127.0.0.1%3A9000",
        "s3://b/p?endpoint_override=http://host:9000",
        "gs://b/p?retry_limit_seconds=10",
        "file:///home/a:b@c/x",
        "hdfs://node:8020/p",
        "postgresql://host/db",
        "postgresql://host:5432/db",
        "postgresql+psycopg://me@host/db?sslmode=verify-full&options=-csearch_path%3Dx",
        "postgresql://me@[::1]:5432/db",
        "postgresql:///db?host=/var/run&user=me",
        "https://arxiv.org/abs/2502.20613",
        "http://127.0.0.1:8265",
        "ray://head:10001",
    ],
)
def test_nothing_secret(url: str) -> None:
    assert secret_parts(url) == () and shown_url(url) == url
    assert secret_parts(f"--x={url}") == () and shown_text(f"see {url}") == f"see {url}"


@pytest.mark.parametrize(
    ("url", "shown", "secret"),
    [
        ("s3://AK:word@b/p", "s3://b/p", "a key"),
        ("s3://AK@b/p", "s3://b/p", "a key"),
        ("s3://AK:wo?rd@b/p", "s3://…", "a key"),
        ("s3://b/p?access_key=AK&secret_key=word&region=r", "s3://b/p?region=r", "`secret_key`"),
        ("S3://AK:word@b/p", "S3://b/p", "a key"),
        ("abfss://c@a.dfs.core.windows.net/p?sas_token=word", "abfss://a.dfs.core", "`sas_token`"),
        (
            "s3://b/p?endpoint_override=http://me:word@h:9000",
            "s3://b/p?endpoint_override=http://me:***@h:9000",
            "a password",
        ),
        ("postgresql://me:word@host/db", "postgresql://me:***@host/db", "a password"),
        ("postgresql://me:wo/r?d@host/db", "postgresql://me:***@host/db", "a password"),
        ("postgresql://me:wo@rd@host/db", "postgresql://me:***@host/db", "a password"),
        ("postgresql://:word@host/db", "postgresql://:***@host/db", "a password"),
        ("postgresql://host/db?password=word", "postgresql://host/db", "`password`"),
        ("postgresql://host/db?PassWord=word&port=5", "postgresql://host/db?port=5", "`PassWord`"),
        ("postgresql://h?password=wo@rd", "postgresql://h:***@rd", "a password"),
        ("postgresql://host/db?sslpassword=word", "postgresql://host/db", "`sslpassword`"),
        ("mssql:///?odbc_connect=PWD%3Dword", "mssql:///", "`odbc_connect`"),
        ("http://me:word@host:8265", "http://me:***@host:8265", "a password"),
        ("postgresql://me:word", "postgresql://…", "a password"),
    ],
)
def test_secrets_are_named_and_not_shown(url: str, shown: str, secret: str) -> None:
    assert secret in secret_parts(url) and secret in secret_parts(f"--stages={url}")
    assert shown_url(url).startswith(shown) and "word" not in shown_url(url).lower()
    assert shown_text(f"cannot open '{url}': no") == f"cannot open '{shown_url(url)}': no"


@pytest.mark.parametrize("password", ["a", "p:q", "p/q?r", "p%40q", "#;&=", "sp ace", "p" * 300])
def test_whatever_the_database_layer_takes_for_a_password_is_not_shown(password: str) -> None:
    url = f"postgresql://me:{password}@host:5432/db?sslmode=require"
    assert sqlalchemy.engine.make_url(url).password
    assert shown_url(url) == "postgresql://me:***@host:5432/db?sslmode=require"
    made = sqlalchemy.URL.create("mysql", "me", password, "host", query={"passwd": password})
    assert shown_url(made.render_as_string(hide_password=False)) == "mysql://me:***@host"
