"""What of a URL is secret: of stores and databases, well written or not."""

from __future__ import annotations

import pytest
import sqlalchemy

from raysearch.storage.uri import secret_parts, shown_text, shown_url


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
