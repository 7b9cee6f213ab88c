"""Paths and URIs: joining names, and removing credentials for display.

A query stays at the end (``s3://bucket/sweeps?region=eu-1`` and ``runs`` make
``s3://bucket/sweeps/runs?region=eu-1``). A displayed URI has no credentials, be it a store's
(``s3://KEY:SECRET@bucket/path?region=…``) or a database's
(``postgresql://user:password@host/db?sslmode=…``). A parameter of a query counts as secret unless
it is known not to be, since libraries keep inventing new names for keys.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from raysearch.errors import ConfigError
from raysearch.names import is_text

__all__ = [
    "absolute",
    "expanded",
    "is_uri",
    "join",
    "last_name",
    "parent",
    "redacted",
    "secret_parts",
    "shown_text",
    "shown_url",
]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"`<>]+")
_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
_HARMLESS = frozenset(
    # stores, as pyarrow knows them
    "scheme endpoint_override region allow_bucket_creation allow_bucket_deletion project_id "
    "retry_limit_seconds replication enable_tls force_virtual_addressing tls_ca_file_path "
    "blob_storage_authority dfs_storage_authority "
    # databases: where they are and how they are spoken to; files that hold a secret are none
    "host hostaddr port dbname user sslmode sslrootcert sslcert sslkey sslcrl passfile service "
    "options connect_timeout application_name client_encoding target_session_attrs channel_binding "
    "gssencmode krbsrvname keepalives keepalives_idle keepalives_interval keepalives_count "
    "tcp_user_timeout charset unix_socket ssl_ca ssl_cert ssl_key read_default_file driver "
    "timeout mode cache uri nolock immutable vfs check_same_thread".split()
)


def shown_url(url: str) -> str:
    """The URL for messages and files, without secrets; a path or a URL without any is unchanged."""
    return _split(url)[0]


def secret_parts(text: str) -> tuple[str, ...]:
    """Names of the secrets in the URLs of a text: ``a password``, ```sas_token```."""
    whole = _split(text)[1]
    inner = (part for found in _IN_TEXT.findall(text) for part in _split(found)[1])
    return tuple(dict.fromkeys((*whole, *inner)))


def shown_text(text: str) -> str:
    """A text, such as a command or a message, with each URL replaced by its `shown_url`."""
    return _IN_TEXT.sub(lambda found: shown_url(found[0]), text)


def _split(url: str) -> tuple[str, tuple[str, ...]]:
    """A URL without its secrets, and the names of these."""
    found = _URL.fullmatch(url)
    if found is None:
        return url, ()
    scheme, rest = found.groups()
    if scheme.lower() in _STORES:
        place, secrets = _store(rest.partition("?")[0])
        query = rest.partition("?")[2]
    else:
        place, query, secrets = _database(rest)
    kept = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        public, inner = _split(value)
        if name.lower() in _HARMLESS:
            kept.append((name, public))
            secrets += inner
        else:
            secrets += (f"`{name}`",)
    if not secrets:
        return url, ()
    query = urlencode(kept, safe=":/@*")
    return f"{scheme}://{place}{'?' if query else ''}{query}", secrets


def _store(place: str) -> tuple[str, tuple[str, ...]]:
    bare = re.sub("^[^@]*:[^@]*@|^[^/@]*@", "", place)
    # A key that is cut off by its own `?`; a port is none.
    bare = re.sub("^[^/]*:(?![0-9]+(/|$)).*", "…", bare, flags=re.DOTALL)
    return bare, () if bare == place else ("a key",)


def _database(rest: str) -> tuple[str, str, tuple[str, ...]]:
    """The part before the query, without a password; the query; the names of the secrets.

    Follows SQLAlchemy: a password ends at the first ``@``, whatever else is in it.
    """
    secrets: tuple[str, ...] = ()
    user = ""
    if found := re.match("([^:/@]*)(:[^@]*)?@", rest):
        rest = rest[found.end() :]
        user = f"{found[1]}@"
        if found[2] is not None or "?" in found[1]:
            secrets, user = ("a password",), f"{found[1].partition('?')[0]}:***@"
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    if "@" in host:  # the rest of a password whose own @ is not written as %40
        secrets, host = ("a password",), host.rpartition("@")[2]
    if not re.fullmatch(r"(\[.*\]|[^:]*)(:[0-9]*)?", host):
        secrets, host = ("a password",), "…"  # cut off before its `@`
    return f"{user}{host}{slash}{path}", query, secrets


_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^?]*)(\?.*)?", re.DOTALL)


def is_uri(uri: str | Path) -> bool:
    """Whether this is a URI, not a path."""
    return _URI.fullmatch(str(uri)) is not None


def join(uri: str | Path, *names: str) -> str:
    """Append names to a path or URI."""
    text = str(uri)
    found = _URI.fullmatch(text)
    if found is None:
        return str(Path(text, *names))
    scheme, path, query = found.groups(default="")
    return scheme + "/".join([path.rstrip("/"), *(quote(name) for name in names)]) + query


def parent(uri: str | Path, levels: int = 1) -> str:
    """The parent of a path or URI, `levels` up."""
    found = _URI.fullmatch(str(uri))
    if found is None:
        return str(Path(uri).parents[levels - 1])
    scheme, path, query = found.groups(default="")
    path = path.rstrip("/")
    for _ in range(levels):
        path = posixpath.dirname(path)
    return scheme + path + query


def last_name(uri: str | Path) -> str:
    """The last component of a path or URI."""
    found = _URI.fullmatch(str(uri))
    return Path(uri).name if found is None else unquote(posixpath.basename(found[2].rstrip("/")))


def absolute(uri: str | Path) -> str:
    """A folder's absolute path, since workers start elsewhere; URIs and "" are unchanged.

    Raises:
        ConfigError: The current folder's name is not valid text.
    """
    text = str(uri)
    if not text or is_uri(text):
        return text
    full = str(Path(text).absolute())
    if not is_text(full):
        raise ConfigError(
            f"folders must have names of UTF-8 text, but got {full!r}; "
            "rename it, or start elsewhere"
        )
    return full


def expanded(path: str | Path) -> Path:
    """The path with ``~`` expanded; ``~who/x`` unchanged if there is no user who."""
    return Path(os.path.expanduser(path))


def redacted(uri: str | Path) -> str:
    """The path or URI for messages and rows, without credentials."""
    return shown_url(str(uri))
