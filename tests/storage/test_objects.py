"""Objects in an S3 that throttles, breaks off, stalls and refuses."""

import threading
import time
from pathlib import Path

import pytest
import torch
from storage.s3_server import S3Server

from raysearch.cluster.worker import _broken
from raysearch.errors import StoreError
from raysearch.run import Cell, RunSpec
from raysearch.storage import RetryPolicy, UnansweredError, open_storage
from raysearch.training import checkpoint as checkpoint_module
from raysearch.training.checkpoint import (
    has_weights,
    load_checkpoint,
    load_weights,
    remove_checkpoint,
    save_checkpoint,
)

QUICK = RetryPolicy(seconds=60, first=0.05, longest=0.2)
BIG = bytes(12 << 20)  # more than one part of an upload


def put(s3: S3Server, *parts: bytes, retry: RetryPolicy = QUICK) -> bytes:
    """Write over an object, and what is there afterwards."""
    store = open_storage(s3.uri("bucket/objects"), retry=retry)
    try:
        store.write("x", parts)
    finally:
        s3.fail()
        found = open_storage(s3.uri("bucket/objects")).open("x").read()
    return found


@pytest.mark.parametrize("what", ["slow_down", "internal", "cut"])
def test_a_put_that_fails_is_put_again(
    s3: S3Server, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    s3.fail({"what": what, "when": "PUT .*/x", "times": 5})  # pyarrow itself asks 3 times
    assert put(s3, b"what ", b"it is: ", what.encode()) == f"what it is: {what}".encode()
    assert "does not answer and is asked again" in caplog.messages[0]
    assert caplog.messages[-1].startswith("s3://bucket/objects?scheme=http&endpoint_override=")


@pytest.mark.parametrize("part", ["partNumber=2", "POST .*/x.uploadId"])
def test_an_upload_cut_off_leaves_what_was_there(s3: S3Server, part: str) -> None:
    assert put(s3, b"old") == b"old"
    s3.fail({"what": "cut", "when": part})
    with pytest.raises(UnansweredError, match="must answer, but has not for"):
        put(s3, BIG, b"new", retry=RetryPolicy(seconds=0))
    assert open_storage(s3.uri("bucket/objects")).open("x").read() == b"old"
    assert put(s3, BIG, b"new") == BIG + b"new"


def test_small_objects_take_one_request_and_large_ones_are_read_in_one(s3: S3Server) -> None:
    store = open_storage(s3.uri("bucket/objects"))
    s3.fail()
    store.write("x", [b"1", b"2"])
    assert len(s3.asked()) == 1
    store.write("x", [BIG])
    s3.fail()
    assert len(store.open("x").read()) == len(BIG)
    assert [line.split()[1] for line in s3.asked()] == ["HEAD", "GET"]


@pytest.mark.parametrize("what", ["cut_answer", "stall"])
def test_a_read_that_stops_half_way_is_read_again(s3: S3Server, what: str) -> None:
    put(s3, BIG, b"end")
    s3.fail({"what": what, "when": "GET .*/x", "times": 1, "seconds": 30})
    began = time.monotonic()
    assert open_storage(s3.uri("bucket/objects")).open("x").read() == BIG + b"end"
    assert time.monotonic() - began < 20  # less than the 30 s of the stall


def test_renewed_credentials_are_taken(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of credentials, as a role's or a login's, that another process renews."""
    file = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def renew(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\n")

    renew("old-key")
    store = open_storage(s3.uri("bucket/objects"), retry=QUICK)
    store.write("x", [b"1"])
    s3.fail({"what": "expired", "key": "old-key"})
    timer = threading.Timer(1.0, renew, ["new-key"])
    timer.start()
    store.write("x", [b"2"])
    assert store.open("x").read() == b"2"
    assert s3.asked("expired PUT") and not s3.asked("expired HEAD")
    timer.join()


def test_credentials_that_stay_refused_end_in_a_sentence(s3: S3Server) -> None:
    store = open_storage(s3.uri("bucket/objects"), retry=RetryPolicy(seconds=0.5, first=0.1))
    s3.fail({"what": "expired"})
    for look in (lambda: store.exists("x"), lambda: store.files(), lambda: store.write("x", [b""])):
        with pytest.raises(UnansweredError, match="must accept this machine's credentials, but"):
            look()
    with pytest.raises(StoreError, match="credentials, but has refused them for 0 s"):
        open_storage(s3.uri("bucket/objects", user="AK:word@"), retry=RetryPolicy(seconds=0))


def test_folders_of_objects_go(s3: S3Server) -> None:
    store = open_storage(s3.uri("bucket/folders"))
    for name in ("a/1", "a/2", "b/1"):
        store.write(name, [b"123"])
    assert {(file.name, file.size) for file in store.tree()} == {("a/1", 3), ("a/2", 3), ("b/1", 3)}
    store.remove_folder("a")
    store.remove_folder("a")
    store.remove("b/2")
    assert [file.name for file in store.tree()] == ["b/1"]


def test_checkpoints_come_and_go(s3: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    place = s3.uri("bucket/leases/00001-a-s0/checkpoint.safetensors")
    folder = s3.uri("bucket/leases/00001-a-s0")
    spec = RunSpec(sweep="s", number=1, cell=Cell("a", 0), method="m", config={}, folder=folder)
    assert load_checkpoint(place) is None
    s3.fail({"what": "internal", "when": "PUT", "times": 4})
    save_checkpoint(place, {"x": torch.arange(5), "step": 3})
    found = load_checkpoint(place)
    assert found is not None and found["step"] == 3 and found["x"].tolist() == [0, 1, 2, 3, 4]
    caplog.clear()
    open_storage(folder).write("checkpoint.safetensors", [b"PK\3\4 damaged"])
    assert load_checkpoint(place) is None and "is damaged and not read" in caplog.text
    caplog.clear()
    remove_checkpoint(spec)
    assert load_checkpoint(place) is None and not caplog.text


def test_a_traceback_lies_with_the_run_and_its_row_names_no_key(s3: S3Server) -> None:
    folder = s3.uri("bucket/leases/00001-a-s0", user="AK:word@")
    spec = RunSpec(sweep="s", number=1, cell=Cell("a", 0), method="m", config={}, folder=folder)
    open_storage(s3.uri("bucket"))
    trial = _broken(spec, ValueError("a bug"))
    assert trial.reason.startswith("ValueError: a bug (see s3://bucket/leases/00001-a-s0/error.txt")
    assert "word" not in trial.to_json()
    with open_storage(s3.uri("bucket/leases/00001-a-s0")).open("error.txt") as file:
        assert file.read() == b"ValueError: a bug\n"


def test_a_store_that_is_gone_costs_no_trial(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StoreError ends the sweep with its sentence; a checkpoint is not taken for absent."""
    monkeypatch.setattr(checkpoint_module, "RETRY_LONG", RetryPolicy(seconds=0))
    folder = s3.uri("bucket/gone")
    spec = RunSpec(sweep="s", number=1, cell=Cell("a", 0), method="m", config={}, folder=folder)
    place = s3.uri("bucket/gone/checkpoint.safetensors")
    s3.fail({"what": "slow_down"})
    for act in (
        lambda: load_checkpoint(place),
        lambda: save_checkpoint(place, {}),
        lambda: has_weights(spec),
        lambda: load_weights(spec),
        lambda: remove_checkpoint(spec),
    ):
        with pytest.raises(StoreError, match="must answer, but has not for"):
            act()
