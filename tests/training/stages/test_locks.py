"""Claims and pins: one has the turn, the dead are told by their silence, the slow come back."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raysearch.storage.local import LocalStorage
from raysearch.training.stages.locks import HeartbeatInterval, StageLocks

FAST = HeartbeatInterval(beat=0.05, stale=0.4, look=0.02)
SILENT = HeartbeatInterval(beat=60, stale=0.4, look=0.02)


Make = Callable[..., StageLocks]


@pytest.fixture
def holders(tmp_path: Path) -> Iterator[Make]:
    """A maker of holders on one folder; at the end their threads rest."""
    made: list[StageLocks] = []

    def make(pace: HeartbeatInterval = FAST) -> StageLocks:
        made.append(StageLocks(LocalStorage(tmp_path), pace))
        return made[-1]

    yield make
    for holder in made:
        for key in ("k", "j", "other"):
            holder.release(key)


def test_one_has_the_claim(holders: Make) -> None:
    first, second = holders(), holders()
    assert first.claim("k") and not second.claim("k") and not first.claim("k")
    assert second.claim("j")
    first.release("k")
    assert second.claim("k") and not first.claim("k")


def test_never_two_at_once(holders: Make) -> None:
    """Eight rivals, each with its own file, for a second: the claim excludes without a lock."""
    inside, most, won = [0], [0], [0] * 8
    guard = threading.Lock()
    end = time.monotonic() + 1.5

    def compete(number: int) -> None:
        rival = holders(HeartbeatInterval(beat=5, stale=30))
        while time.monotonic() < end:
            if rival.claim("k"):
                with guard:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    won[number] += 1
                time.sleep(0.001)
                with guard:
                    inside[0] -= 1
                rival.release("k")
            time.sleep(0.001 * number)

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and sum(won) > 20


def test_the_living_keep_their_claim_whatever_the_clock_says(
    holders: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = HeartbeatInterval(beat=0.05, stale=2, look=0.02)
    first, second = holders(patient), holders(patient)
    assert first.claim("k")
    monkeypatch.setattr(time, "time", lambda: 0.0)  # this machine lives in 1970
    end = time.monotonic() + 1.5 * patient.stale
    while time.monotonic() < end:
        assert not second.claim("k")
        time.sleep(0.02)


def test_the_silent_lose_their_claim_and_pins(holders: Make) -> None:
    first, second = holders(SILENT), holders(SILENT)
    with first.pinned(["p"]):
        assert first.claim("k")
        began = time.monotonic()
        while not second.claim("k"):
            time.sleep(0.02)
        assert 0.4 <= time.monotonic() - began < 2
        assert second.in_use() == {"k"}  # and the silent one's file is gone
        assert first.claim("other")  # it comes back to life, with what it held
        assert second.in_use() == {"k", "p", "other"}


def test_pins_are_counted(holders: Make) -> None:
    first, second = holders(), holders()
    with first.pinned(["a", "b", "a"]):
        with first.pinned(["a", "c"]):
            assert second.in_use() == first.in_use() == {"a", "b", "c"}
        assert second.in_use() == {"a", "b"}
    assert second.in_use() == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"beat": 1}', '{"beat": 1, "pins": 3}'])
def test_a_file_of_somebody_else_holds_nothing_and_goes(
    holders: Make, tmp_path: Path, text: str
) -> None:
    (tmp_path / "holders").mkdir()
    path = tmp_path / "holders" / "strange.json"
    path.write_text(text)
    ours = holders()
    assert ours.claim("k")
    time.sleep(0.5)
    assert ours.in_use() == {"k"}
    assert not path.exists()


def test_a_dead_process_is_dead_to_one_who_looks_late(holders: Make, tmp_path: Path) -> None:
    (tmp_path / "holders").mkdir()
    path = tmp_path / "holders" / "dead.json"
    path.write_text(json.dumps({"beat": 7, "pins": ["p"], "claims": []}))
    ours = holders()
    assert ours.in_use() == {"p"}  # at the first look nobody is dead
    time.sleep(0.5)
    assert ours.in_use() == frozenset() and not path.exists()


def test_a_place_that_cannot_be_written_is_said_once(
    holders: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: Any, **settings: Any) -> None:
        raise OSError("no")

    ours = holders()
    for operation in ("write", "remove", "files"):
        monkeypatch.setattr(LocalStorage, operation, fail)
    assert ours.claim("k")
    time.sleep(0.2)
    ours.release("k")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "a stage may be computed twice" in caplog.text
