"""What is tried again, for how long, and what is said meanwhile."""

import errno
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.errors import StoreError
from raysearch.storage import RetryPolicy, UnansweredError, open_storage
from raysearch.storage.local import LocalStorage
from raysearch.storage.retry import RETRY_LONG, RetryingStorage, RetryReason, retry_reason

QUICK = RetryPolicy(seconds=0.5, first=0.01, longest=0.05)
SLOW_DOWN = OSError("When uploading part: AWS Error SLOW_DOWN during UploadPart operation")
EXPIRED = OSError(
    "When listing: AWS Error UNKNOWN (HTTP status 400) during ListObjectsV2 operation: Unable to "
    "parse ExceptionName: ExpiredToken Message: The provided token has expired."
)

ERRORS = [  # as pyarrow 26 gave them, shortened
    (str(SLOW_DOWN), RetryReason.SILENT),
    ("AWS Error INTERNAL_FAILURE during UploadPart operation: We encountered", RetryReason.SILENT),
    ("AWS Error SERVICE_UNAVAILABLE during GetObject operation: ", RetryReason.SILENT),
    ("AWS Error UNKNOWN (HTTP status 502) during PutObject operation", RetryReason.SILENT),
    ("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7,", RetryReason.SILENT),
    ("google::cloud::Status(UNAVAILABLE: Retry policy exhausted", RetryReason.SILENT),
    (str(EXPIRED), RetryReason.REFUSED),
    ("AWS Error UNKNOWN (HTTP status 400) during HeadObject operation: No", RetryReason.REFUSED),
    ("AWS Error ACCESS_DENIED during PutObject operation", RetryReason.REFUSED),
    ("AWS Error INVALID_ACCESS_KEY_ID during PutObject operation", RetryReason.REFUSED),
    ("google::cloud::Status(UNAUTHENTICATED: ...)", RetryReason.REFUSED),
    ("AWS Error NO_SUCH_BUCKET during CreateMultipartUpload operation", None),
    ("AWS Error UNKNOWN (HTTP status 301) during HeadBucket operation", None),
]


class Flaky(LocalStorage):
    """Fails with the given errors, one a look, before it answers."""

    def __init__(self, root: Path, errors: list[OSError]) -> None:
        super().__init__(root)
        self.errors = errors

    def exists(self, name: str) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        return super().exists(name)


def patient(
    tmp_path: Path, errors: list[OSError], retry: RetryPolicy = QUICK
) -> tuple[RetryingStorage, list[int]]:
    """A store that fails, and a list that grows when it is opened."""
    opened: list[int] = []

    def flaky() -> Flaky:
        opened.append(1)
        return Flaky(tmp_path, errors)

    return RetryingStorage("s3://b/p", flaky, retry, make=False), opened


@pytest.mark.parametrize("text, expected", ERRORS)
def test_which_errors_pass(text: str, expected: RetryReason | None) -> None:
    assert retry_reason(OSError(text)) is expected


def test_a_full_disk_does_not_pass_and_a_stale_handle_does() -> None:
    assert retry_reason(OSError(errno.ENOSPC, "No space left on device")) is None
    assert retry_reason(FileNotFoundError(errno.ENOENT, "curl SLOW_DOWN")) is None
    assert retry_reason(OSError(errno.ESTALE, "Stale file handle")) is RetryReason.SILENT


def test_what_passes_is_told_once_and_then_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, opened = patient(tmp_path, [SLOW_DOWN] * 3)
    assert store.exists("x") is False
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith("s3://b/p does not answer and is asked again for up to 0 s: When")
    assert last.startswith("s3://b/p answers again, after ") and opened == [1]


def test_what_works_is_not_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, _ = patient(tmp_path, [])
    store.write("x", [b"1"])
    assert store.exists("x") and caplog.records == []


def test_after_a_refusal_the_store_is_opened_anew(tmp_path: Path) -> None:
    store, opened = patient(tmp_path, [EXPIRED, EXPIRED])
    assert store.exists("x") is False and len(opened) == 3


@pytest.mark.parametrize(
    "error, sentence",
    [
        (SLOW_DOWN, "`s3://b/p` must answer, but has not for 0 s (When uploading part: .*); when"),
        (EXPIRED, "`s3://b/p` must accept this machine's credentials, but has refused them for"),
    ],
)
def test_patience_ends_with_a_sentence(tmp_path: Path, error: OSError, sentence: str) -> None:
    store, _ = patient(tmp_path, [error] * 100)
    sentence = sentence.replace("(When", r"\(When").replace(".*)", r".*\)")
    with pytest.raises(UnansweredError, match=sentence) as caught:
        store.exists("x")
    assert "run the same command again: what is finished is kept" in str(caught.value)


def test_what_does_not_pass_is_raised_at_once(tmp_path: Path) -> None:
    errors = [OSError("AWS Error NO_SUCH_BUCKET during PutObject"), SLOW_DOWN]
    store, _ = patient(tmp_path, errors)
    with pytest.raises(OSError, match="NO_SUCH_BUCKET"):
        store.exists("x")
    assert errors == [SLOW_DOWN]


def test_pauses_grow_to_their_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    clock = iter(range(10_000))
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    store, _ = patient(tmp_path, [SLOW_DOWN] * 8, RETRY_LONG)
    store.exists("x")
    wanted = [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, wanted, strict=True))


def test_a_long_silence_is_told_every_half_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + 10))
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    store, _ = patient(tmp_path, [SLOW_DOWN] * 100, RETRY_LONG)
    with pytest.raises(UnansweredError, match="for 290 s"):
        store.exists("x")
    assert len(caplog.records) == 10  # at 0, 30, ... 270 s
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_waiting_leaves_the_training_s_generators_alone(tmp_path: Path) -> None:
    def state() -> list[Any]:
        numpy = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
        return [random.getstate(), numpy, torch.get_rng_state().tolist()]

    store, _ = patient(tmp_path, [SLOW_DOWN] * 3)
    before = state()
    store.exists("x")
    assert state() == before


@pytest.mark.parametrize("uri", ["s3://AK:word@@/", "s3://AK:word@b/p q", "gopher://AK:word@b/p"])
def test_a_uri_that_means_nothing_shows_no_key(uri: str) -> None:
    with pytest.raises(StoreError, match="must be a folder or a URI that pyarrow") as caught:
        open_storage(uri)
    assert "word" not in str(caught.value)


def test_gcs_is_bounded_too(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr("raysearch.storage.objects.GCS_SECONDS", 1)
    store = open_storage(
        "gs://anonymous@b/p?scheme=http&endpoint_override=127.0.0.1:1",
        make=False,
        retry=RetryPolicy(seconds=0),
    )
    with pytest.raises(UnansweredError, match="`gs://b/p.* must answer, but has not for"):
        store.exists("x")


def test_a_file_made_in_a_stream_is_whole_or_not_there(tmp_path: Path) -> None:
    store = open_storage(tmp_path)
    store.fill("x", lambda file: file.write(b"12"))

    def broken(file: Any) -> None:
        file.write(b"3")
        raise RuntimeError("a bug")

    writer: Callable[[Any], None] = broken
    with pytest.raises(RuntimeError):
        store.fill("x", writer)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"12"
