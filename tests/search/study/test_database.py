from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from raysearch.errors import StoreError
from raysearch.run import Cell
from raysearch.search.space.space import SearchSpace
from raysearch.search.study import connection, database
from raysearch.search.study.ledger import StudyLedger
from raysearch.storage.retry import RetryPolicy


def open_ledger(url: str, space: SearchSpace) -> StudyLedger:
    return StudyLedger.open(url, "toy", space, cells=lambda config: [Cell("toy", 0)])


def refusal(url: str, space: SearchSpace) -> str:
    with pytest.raises(StoreError) as caught:
        open_ledger(url, space)
    text = str(caught.value)
    assert "\n" not in text and "Traceback" not in text
    return text


def test_sqlite_runs_in_wal_mode_without_a_sync_a_write(
    tmp_path: Path, toy_space: SearchSpace
) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space) as ledger:
        with ledger._database._storage.engine.connect() as connection:
            pragmas = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous")
            ]
    assert pragmas == ["wal", 1]  # 1 is NORMAL


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite:////nowhere/at/all/study.db", "cannot be opened: does its folder exist"),
        ("no-url", "`--study` must be a URL as SQLAlchemy takes it"),
        ("nosuch://host/study", "Can't load plugin"),
        ("postgresql+pg8000://user:secret@host/study", "needs a driver that is not installed"),
        ("mysql+pymysql://user:secret@host/study", "needs a driver that is not installed"),
    ],
)
def test_urls_that_lead_nowhere(toy_space: SearchSpace, url: str, sentence: str) -> None:
    said = refusal(url, toy_space)

    assert sentence in said
    assert "secret" not in said


def test_a_file_that_is_no_database(tmp_path: Path, toy_space: SearchSpace) -> None:
    (tmp_path / "study.db").write_text("name,value\n" * 500)
    assert "must be a database" in refusal(f"sqlite:///{tmp_path}/study.db", toy_space)


def test_a_newer_schema_of_optuna(tmp_path: Path, toy_space: SearchSpace) -> None:
    open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space).close()
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0'")
    connection.commit()
    connection.close()
    said = refusal(f"sqlite:///{tmp_path}/study.db", toy_space)
    assert "but another version made it" in said


def test_a_newer_schema_of_ours(tmp_path: Path, toy_space: SearchSpace) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space) as ledger:
        identity = ledger._database.attributes()["raysearch"]
        ledger._database.set_attribute("raysearch", {**identity, "version": 3})
    said = refusal(f"sqlite:///{tmp_path}/study.db", toy_space)
    assert "schema version 3, but this raysearch knows versions up to 2" in said


def test_a_locked_database(
    tmp_path: Path, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.05)
    monkeypatch.setattr(database, "RETRY_LONG", RetryPolicy(seconds=0))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space) as ledger:
        other = sqlite3.connect(tmp_path / "study.db")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked by another program"):
            ledger.ask()
        other.rollback()
        other.close()
        asked = ledger.ask()  # nothing is lost, and nothing was half written
        assert asked is not None and asked.number == 0


@pytest.mark.parametrize("first", [True, False], ids=["opening", "asking"])
def test_a_database_that_is_locked_for_a_while_is_waited_for(
    tmp_path: Path, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    monkeypatch.setattr(connection, "_BUSY_SECONDS", 0.05)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    url, said = f"sqlite:///{tmp_path}/study.db", list[str]()
    other: list[sqlite3.Connection] = []

    def lock(how: str) -> None:
        other.append(sqlite3.connect(tmp_path / "study.db"))
        other[0].execute(f"BEGIN {how}")

    def wait(text: str) -> None:
        said.append(text)
        if other:
            other.pop().close()

    if first:
        lock("EXCLUSIVE")  # as of a copy that is put in place
    with StudyLedger.open(
        url, "toy", toy_space, cells=lambda config: [Cell("a", 0)], on_wait=wait
    ) as ledger:
        if not first:
            lock("IMMEDIATE")  # as of a backup or a browser of databases
        asked = ledger.ask()
        assert asked is not None and asked.number == 0
    locked, free = said
    assert "study.db is locked by another program; trying again for 5 minutes" in locked
    assert free.startswith("the study's database is free again after ")


def with_pragma(monkeypatch: pytest.MonkeyPatch, pragma: str) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # Optuna tries a few times
    connect = connection._connect_sqlite

    def connect_with_pragma(path: str) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(f"PRAGMA {pragma}")
        return connection

    monkeypatch.setattr(connection, "_connect_sqlite", connect_with_pragma)


def test_a_full_disk(
    tmp_path: Path, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    with open_ledger(url, toy_space) as ledger:
        assert ledger.ask()
    with_pragma(monkeypatch, "max_page_count=1")  # no page more than there are
    with open_ledger(url, toy_space.with_overrides({}, trials=500)) as ledger:
        with pytest.raises(StoreError, match="the disk is full"):
            for _ in range(500):
                ledger.ask()
        asked = ledger.asked
    monkeypatch.undo()
    with open_ledger(url, toy_space) as ledger:
        assert ledger.asked == asked == len(ledger.open_configurations())


def test_a_read_only_database(tmp_path: Path, toy_space: SearchSpace) -> None:
    open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space).close()
    if os.geteuid() == 0:  # root may write to any file, but not to a read-only mount
        subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", tmp_path], check=True)
    else:
        tmp_path.chmod(0o555)
    try:
        said = refusal(f"sqlite:///{tmp_path}/study.db", toy_space)
        assert "read-only" in said or "may it be written to" in said
    finally:
        if os.geteuid() == 0:
            subprocess.run(["umount", tmp_path], check=True)
        tmp_path.chmod(0o755)


def test_read_only_is_one_sentence(
    tmp_path: Path, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space).close()
    with_pragma(monkeypatch, "query_only=ON")
    with open_ledger(f"sqlite:///{tmp_path}/study.db", toy_space) as ledger:
        with pytest.raises(StoreError, match="must be writable, but is read-only"):
            ledger.ask()


PROGRAM = """
import os, signal, sys
from pathlib import Path
from raysearch.search.space.space import load_space
from raysearch.search.study.ledger import StudyLedger
from raysearch.storage.retry import RetryPolicy
from raysearch.run import Cell

space = load_space(Path(sys.argv[2])).with_overrides({}, trials=20)
ledger = StudyLedger.open(sys.argv[1], "toy", space, cells=lambda config: [Cell("toy", 0)])
for number in range(5):
    assert ledger.ask().number == number
    ledger.report(number, 1, 1.0 + number)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_outlives_sigkill(tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(
        "method: carl\nobjective: {metric: dev/score}\nbudget: {trials: 20}\n"
        "search: {sigma: {low: 0.01, high: 1}}\n"
    )
    url = f"sqlite:///{tmp_path}/study.db"
    command = [sys.executable, "-c", PROGRAM, url, str(space)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr

    from raysearch.search.space.space import load_space

    with open_ledger(url, load_space(space)) as ledger:
        found = ledger.open_configurations()
    assert [dict(item.reports) for item in found] == [{1: 1.0 + n} for n in range(5)]
