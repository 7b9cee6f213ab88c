"""The stage cache in every kind of place: what is kept, what is evicted, what heals."""

import os
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysearch.errors import StoreError
from raysearch.storage.local import LEFTOVER_SECONDS, LocalStorage
from raysearch.storage.whole import temporary_beside
from raysearch.training.stages.cache import ClaimAbandoned, HeartbeatInterval, StageCache, Summary

FAST = HeartbeatInterval(beat=0.1, stale=1.0, look=0.05)


def state(value: float = 1.0, size: int = 3) -> dict[str, Any]:
    return {"x": torch.full((size,), value), "nested": {"list": [1, 2.5, "three", None, True]}}


def caches(root: str, **settings: Any) -> tuple[StageCache, StageCache]:
    """Two caches on one root, as two processes have them."""
    return StageCache(root, pace=FAST, **settings), StageCache(root, pace=FAST, **settings)


def entry_bytes(root: str) -> int:
    """Size of an entry of `state(size=1000)`."""
    cache = StageCache(root)
    cache.put("size", state(size=1000))
    size = cache.summary().bytes
    cache._store.remove("size.stage")
    return size


def test_what_was_put_is_got_by_others_bit_by_bit(root: str) -> None:
    ours, theirs = caches(root)
    assert not theirs.has("k") and theirs.get("k") is None
    wanted = {"x": torch.randn(50, 7), "half": torch.randn(3).bfloat16(), "n": {"a": [1, (2, 3)]}}
    ours.put("k", wanted)
    got = theirs.get("k")
    assert theirs.has("k") and got is not None
    assert torch.equal(got["x"], wanted["x"]) and torch.equal(got["half"], wanted["half"])
    assert got["n"] == wanted["n"]
    assert theirs.summary().entries == 1


def test_the_same_state_is_the_same_bytes(tmp_path: Path) -> None:
    ours, theirs = caches(str(tmp_path / "a"))[0], StageCache(tmp_path / "b")
    ours.put("k", state())
    theirs.put("k", state())
    first, second = (tmp_path / name / "k.stage" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_turn_computes_once_and_then_gives(root: str) -> None:
    ours, theirs = caches(root)
    with ours.claimed("k") as got:
        assert got is None
        with pytest.raises(ClaimAbandoned), theirs.claimed("k", lambda: True):
            pytest.fail("two have the turn")
        with theirs.claimed("other") as other:  # another stage is free meanwhile
            assert other is None
        ours.put("k", state(2.0))
    with theirs.claimed("k") as got:
        assert got is not None and float(got["x"][0]) == 2.0


def test_a_turn_that_failed_is_free_for_the_next(root: str) -> None:
    ours, theirs = caches(root)
    with pytest.raises(RuntimeError), ours.claimed("k"):
        raise RuntimeError("a trial that fails")
    with theirs.claimed("k", lambda: True) as got:
        assert got is None


def test_waiting_asks_idle_and_leaves_the_generators_alone(tmp_path: Path) -> None:
    ours, theirs = caches(str(tmp_path))
    asked: list[float] = []

    def idle() -> bool:
        asked.append(time.monotonic())
        return len(asked) == 4

    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    with ours.claimed("k"), pytest.raises(ClaimAbandoned), theirs.claimed("k", idle):
        pytest.fail("two have the turn")
    assert len(asked) == 4 and 0.05 < asked[-1] - asked[0] < 2
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
    assert before == after


def cut(raw: bytes) -> bytes:
    return raw[:-7]


def flipped(raw: bytes) -> bytes:
    return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": cut,
    "cut in the header": lambda raw: raw[:100],
    "one bit flipped": flipped,
    "a bit of the header": lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
    "bytes appended": lambda raw: raw + b"\0",
    "empty": lambda raw: b"",
    "foreign": lambda raw: b"PK\x03\x04 something else" * 100,
    "foreign json": lambda raw: b"[]".ljust(511) + b"\n" + raw[512:],
    "another kind": lambda raw: raw.replace(b'"kind": "stage"', b'"kind": "staga"'),
    "under another name": lambda raw: raw.replace(b'"key": "k"', b'"key": "j"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_removed_and_computed_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache = StageCache(tmp_path, pace=FAST)
    cache.put("k", state(1.0))
    path = tmp_path / "k.stage"
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    with cache.claimed("k") as got:
        assert got is None
        assert not path.exists()
        cache.put("k", state(1.0))
    assert path.read_bytes() == whole
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is damaged, was removed and is computed again" in caplog.text


def test_a_damaged_object_heals_too(s3_uri: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = StageCache(s3_uri, pace=FAST)
    cache.put("k", state())
    with cache._store.open("k.stage") as file:
        raw = file.read()
    cache._store.write("k.stage", [raw[:-1]])
    assert cache.get("k") is None and not cache.has("k")
    assert len(caplog.records) == 1


def test_code_in_an_entry_is_never_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (os.mkdir, (str(tmp_path / "sprung"),))

    cache = StageCache(tmp_path)
    with pytest.raises(TypeError, match="`trap` is a Trap"):
        cache.put("k", {"trap": Trap()})
    torch.save({"trap": Trap()}, tmp_path / "k.stage")  # as earlier versions wrote an entry
    assert cache.get("k") is None
    assert not (tmp_path / "sprung").exists() and not cache.has("k")
    assert "is damaged, was removed" in caplog.text


def test_the_least_recently_used_goes_first(root: str) -> None:
    size = entry_bytes(root)
    cache = StageCache(root, 3 * size + size // 2, pace=FAST)
    pause = 1.1 if root.startswith("s3") else 0.02  # S3 tells times in seconds
    for key in "abc":
        cache.put(key, state(size=1000))
        time.sleep(pause)
    assert cache.get("a") is not None
    time.sleep(pause)
    cache.put("d", state(size=1000))
    assert [cache.has(key) for key in "abcd"] == [True, False, True, True]
    time.sleep(pause)
    cache.put("e", state(size=1000))
    assert [cache.has(key) for key in "abcde"] == [True, False, False, True, True]
    assert cache.summary() == Summary(3, 3 * size)


def test_entries_in_use_by_anybody_stay(root: str) -> None:
    size = entry_bytes(root)
    ours, theirs = caches(root, limit_bytes=3 * size)
    for key in "abc":
        ours.put(key, state(size=1000))
    with theirs.pin(["a", "b", "not there"]):
        ours.put("d", state(size=1000))
        assert [ours.has(key) for key in "abcd"] == [True, True, False, True]
    (theirs._store).remove("d.stage")
    ours.put("c", state(size=1000))
    with theirs.pin(["b", "c"]):
        (ours._store).remove("a.stage")
        with theirs.claimed("a") as got:  # claimed, and put before the turn is over
            assert got is None
            theirs.put("a", state(size=1000))
            ours.put("d", state(size=1000))
            assert [ours.has(key) for key in "abcd"] == [True, True, True, False]
        ours.put("d", state(size=1000))
        assert [ours.has(key) for key in "abcd"] == [False, True, True, True]


def test_an_entry_that_is_being_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = entry_bytes(str(tmp_path))
    ours, theirs = caches(str(tmp_path), limit_bytes=size)
    ours.put("a", state(size=1000))
    opened = LocalStorage.open

    def slow_open(store: LocalStorage, name: str) -> Any:
        file = opened(store, name)
        if name == "a.stage":
            ours.put("b", state(size=1000))
        return file

    monkeypatch.setattr(LocalStorage, "open", slow_open)
    assert theirs.get("a") is not None
    monkeypatch.undo()
    assert theirs.has("a") and not theirs.has("b")
    ours.put("b", state(size=1000))
    assert not theirs.has("a") and theirs.has("b")


def test_what_finds_no_room_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    size = entry_bytes(str(tmp_path))
    cache = StageCache(tmp_path, size, pace=FAST)
    cache.put("a", state(size=1000))
    cache.put("big", state(size=2000))
    assert cache.has("a") and not cache.has("big")  # nothing is evicted for what cannot fit
    with cache.pin(["a"]):
        cache.put("b", state(size=1000))
    assert cache.has("a") and not cache.has("b")
    assert len(caplog.records) == 2
    cache.put("a", state(size=1000))  # the entry that is replaced does not count
    assert cache.summary() == Summary(1, size)


def test_without_room_nobody_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ours, theirs = caches(str(tmp_path), limit_bytes=0)
    with ours.claimed("k") as first, theirs.claimed("k", lambda: True) as second:
        assert first is None and second is None
        ours.put("k", state())
    assert ours.summary() == Summary(0, 0) and caplog.records == []


def test_a_full_disk_costs_the_entry_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = StageCache(tmp_path, pace=FAST)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # writes fail half way, really
    try:
        with cache.claimed("k") as got:
            assert got is None
            cache.put("k", state(size=100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(caplog.records) == 1 and "could not be kept for other trials" in caplog.text
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
    with cache.claimed("k", lambda: True) as got:
        assert got is None


def test_a_disk_that_is_full_for_claims_too_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **settings: Any) -> None:
        raise OSError(28, "No space left on device")

    cache = StageCache(tmp_path, pace=FAST)
    monkeypatch.setattr(LocalStorage, "write", full)
    with cache.pin(["k", "j"]), cache.claimed("k") as got:
        assert got is None
        cache.put("k", state())
        time.sleep(0.3)
    assert sorted(record.name.rpartition(".")[2] for record in caplog.records) == [
        "cache",
        "locks",
    ]


def test_leftovers_of_killed_writers_go_after_an_hour(tmp_path: Path) -> None:
    old, new = (temporary_beside(tmp_path / "a.stage") for _ in range(2))
    (tmp_path / "holders").mkdir()
    held = temporary_beside(tmp_path / "holders" / "c.json")
    for path in (old, new, held):
        path.write_bytes(b"half")
    past = time.time() - LEFTOVER_SECONDS - 1
    os.utime(old, (past, past))
    os.utime(held, (past, past))
    cache = StageCache(tmp_path)
    assert not old.exists() and not held.exists() and new.exists()
    assert cache.summary() == Summary(0, 0)


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="must be a folder that can be written, but .*/file is"):
        StageCache(tmp_path / "file")
    with pytest.raises(StoreError, match="Not a directory"):
        StageCache(f"file://{tmp_path}/file/below")


def test_a_uri_that_leads_nowhere(s3_uri: str) -> None:
    with pytest.raises(StoreError, match="must be a folder or a URI that pyarrow can open"):
        StageCache("gopher://hole/stages")
    with pytest.raises(StoreError, match="pyarrow can open") as caught:
        StageCache(
            s3_uri.replace("s3://", "s3://someone:word@none").replace(
                "&allow_bucket_creation=true", ""
            )
        )
    assert "word" not in str(caught.value) and "s3://none" in str(caught.value)


def test_the_default_limit(tmp_path: Path, s3_uri: str) -> None:
    limit = StageCache.default_limit(tmp_path)
    assert limit is not None and 0 < limit <= 50 * 10**9
    assert StageCache.default_limit(s3_uri) is None


def test_nothing_stays_behind_when_all_is_let_go(root: str) -> None:
    cache = StageCache(root, pace=FAST)
    with cache.pin(["a", "a", "b"]), cache.pin(["a"]), cache.claimed("c"):
        time.sleep(0.3)
        assert len(cache._store.files("holders")) == 1
    assert cache._store.files("holders") == [] and cache.summary() == Summary(0, 0)
    time.sleep(0.2)
    assert cache._store.files("holders") == []
