"""A study on a PostgreSQL server: who may drive it, and what when the server is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from postgres import PASSWORD, PostgresServer

from raysearch.errors import StoreError
from raysearch.run import Cell, Run
from raysearch.search.space.space import SearchSpace
from raysearch.search.study import server as study_server
from raysearch.search.study.connection import driver_url
from raysearch.search.study.ledger import StudyLedger

MakeTrial = Callable[..., Run]
CELL = Cell("toy", 0)


def open_ledger(url: str, space: SearchSpace, **more: Any) -> StudyLedger:
    return StudyLedger.open(url, "toy", space, cells=lambda config: [CELL], **more)


def refusal(url: str, space: SearchSpace) -> str:
    with pytest.raises(StoreError) as caught:
        open_ledger(url, space)
    text = str(caught.value)
    assert "\n" not in text and PASSWORD not in text and "wrong-one" not in text
    return text


def test_what_cannot_be_reached_is_one_sentence(
    postgres: PostgresServer, toy_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = refusal(postgres.url(password="wrong-one"), toy_space)
    assert "postgresql+psycopg://tester:***@127.0.0.1" in wrong
    assert "a user and a password that it knows, but refused these" in wrong
    assert "no such database" in refusal(postgres.url(base="nobody_made_it"), toy_space)
    assert "refused these" in refusal(postgres.url(user="nobody"), toy_space)
    nowhere = f"postgresql://tester:{PASSWORD}@no-such-host.invalid/study"
    assert "there is none of this name" in refusal(nowhere, toy_space)
    nobody = f"postgresql://tester:{PASSWORD}@127.0.0.1:1/study"
    assert "no server listens there" in refusal(nobody, toy_space)
    assert "write an @ in a password as %40" in refusal(f"postgresql:/{PASSWORD}", toy_space)
    assert "%40" in refusal(f"postgresql://me:{PASSWORD}@host:port/study", toy_space)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = refusal(postgres.url(), toy_space)
    assert "needs a driver that is not installed" in said
    assert said.endswith("pip install 'raysearch[postgres]'")


def test_a_user_who_may_not_write(postgres: PostgresServer, toy_space: SearchSpace) -> None:
    postgres.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    said = refusal(postgres.url(user="reader"), toy_space)
    assert "must be writable for this user" in said


def test_one_driver_at_a_time_wherever_it_runs(
    postgres: PostgresServer, toy_space: SearchSpace, tmp_path: Path
) -> None:
    url = postgres.url_in(tmp_path)
    with open_ledger(url, toy_space) as ledger:
        began = time.monotonic()
        said = refusal(url, toy_space)
        assert 5 <= time.monotonic() - began < 30
        assert f"but process {os.getpid()} on " in said
        assert "runs the study `toy` in postgresql" in said
        other = StudyLedger.open(url, "another", toy_space, cells=lambda config: [CELL])
        other.close()  # another sweep of the same database
        assert ledger.ask()
    open_ledger(url, toy_space).close()


PROGRAM = """
import sys, time
from pathlib import Path
from raysearch.search.space.space import load_space
from raysearch.search.study.ledger import StudyLedger
from raysearch.run import Cell

space = load_space(Path(sys.argv[2]))
ledger = StudyLedger.open(sys.argv[1], "toy", space, cells=lambda config: [Cell("toy", 0)])
assert ledger.ask().number == 0
print("open", flush=True)
time.sleep(600)
"""


def test_a_killed_driver_lets_go_at_once(postgres: PostgresServer, tmp_path: Path) -> None:
    from raysearch.search.space.space import load_space

    path = tmp_path / "space.yaml"
    path.write_text(
        "method: carl\nobjective: {metric: dev/score}\nbudget: {trials: 20}\n"
        "search: {sigma: {low: 0.01, high: 1}}\n"
    )
    url = postgres.url_in(tmp_path)
    command = [sys.executable, "-c", PROGRAM, url, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == b"open\n"
        driver.send_signal(signal.SIGKILL)
        began = time.monotonic()
        with open_ledger(url, load_space(path)) as ledger:
            assert time.monotonic() - began < 5
            assert [item.number for item in ledger.open_configurations()] == [0]


def test_each_side_notices_a_lost_host(
    postgres: PostgresServer, toy_space: SearchSpace, tmp_path: Path
) -> None:
    with open_ledger(postgres.url_in(tmp_path), toy_space) as ledger:
        with ledger._database._storage.engine.connect() as connection:
            said = [
                connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout")
            ]
            here = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore
    assert said == ["30", "10", "60000"]
    assert (here["keepalives_idle"], here["tcp_user_timeout"]) == ("30", "60000")


@pytest.fixture
def restarted(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Stops the server; it is back after a second. Holds the times of it."""
    monkeypatch.setattr(study_server, "_PAUSE_SECONDS", 0.1)
    times = [time.monotonic()]
    postgres.stop()
    thread = threading.Timer(1.0, postgres.start)
    thread.start()
    yield times
    thread.join()


def test_a_server_that_is_started_again(
    postgres: PostgresServer,
    toy_space: SearchSpace,
    make_trial: MakeTrial,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    heard: list[str] = []
    with open_ledger(postgres.url_in(tmp_path), toy_space, on_wait=heard.append) as ledger:
        assert ledger.ask()
        request.getfixturevalue("restarted")
        second = ledger.ask()
        assert second is not None and second.number == 1
        assert not ledger.report(0, 1, 0.5)
        ledger.finish_cell(0, make_trial(0, CELL))
        numbers = [item.number for item in ledger.open_configurations()]
    gone, back = heard
    assert "has gone (" in gone and gone.endswith("trying again for 5 minutes, trials run on")
    assert PASSWORD not in gone
    assert back.startswith("the study's database is back after ")
    assert numbers == [1]


def test_a_commit_whose_echo_was_lost_is_not_repeated(
    postgres: PostgresServer,
    toy_space: SearchSpace,
    make_trial: MakeTrial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is stopped after each commit in turn, before the driver hears of it."""
    monkeypatch.setattr(study_server, "_PAUSE_SECONDS", 0.0)
    url = postgres.url_in(tmp_path)
    with open_ledger(url, replace(toy_space, trials=3)) as ledger:
        engine = ledger._database._storage.engine
        losses = []

        def lose(connection: sqlalchemy.Connection) -> None:
            """Commit, then end the session, so that SQLAlchemy's own commit finds none."""
            raw: Any = connection.connection.dbapi_connection
            raw.commit()
            pid = raw.info.backend_pid
            losses.append(pid)
            postgres.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            sqlalchemy.event.remove(engine, "commit", lose)
            raise sqlalchemy.exc.OperationalError(
                "COMMIT", {}, Exception("server closed the connection"), None, True
            )

        def with_loss(call: Callable[[], Any]) -> Any:
            sqlalchemy.event.listen(engine, "commit", lose)
            return call()

        asked = [with_loss(ledger.ask) for _ in range(3)]
        with_loss(lambda: ledger.report(0, 1, 0.5))
        for number in (0, 1):
            record = make_trial(number, CELL, provenance={"proposed": asked[number].origin})
            assert with_loss(lambda n=number, r=record: ledger.finish_cell(n, r)) == record
        assert len(losses) == len(set(losses)) == 6
        assert [item.number for item in asked] == [0, 1, 2]
        assert ledger.ask() is None
        assert [item.number for item in ledger.open_configurations()] == [2]
        assert len(ledger._database.trials()) == 3
        assert len(list(ledger.finished_trials())) == 2


def test_a_server_that_stays_away_ends_the_run(
    postgres: PostgresServer,
    toy_space: SearchSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(study_server, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(study_server, "_PAUSE_SECONDS", 0.1)
    url = postgres.url_in(tmp_path)
    with open_ledger(url, toy_space) as ledger:
        assert ledger.ask()
        postgres.stop()
        try:
            with pytest.raises(StoreError, match="nothing that it took is lost: run the same"):
                ledger.ask()
        finally:
            postgres.start()
    with open_ledger(url, toy_space) as ledger:
        assert [item.number for item in ledger.open_configurations()] == [0]


def test_who_lost_the_lock_meanwhile_stops(
    postgres: PostgresServer,
    toy_space: SearchSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(study_server, "_PAUSE_SECONDS", 0.1)
    url = postgres.url_in(tmp_path)
    with open_ledger(url, toy_space) as first:
        assert first.ask()
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ '{}'"
        postgres.execute(end.format(f"raysearch process {os.getpid()}"))
        with open_ledger(url, toy_space) as second:
            assert second.ask()
        with pytest.raises(StoreError, match="while the connection was lost process .* took it"):
            first.report(0, 1, 0.5)
        with open_ledger(url, toy_space) as third:
            assert [dict(item.reports) for item in third.open_configurations()] == [{}, {}]


def test_the_driver_that_the_extra_installs() -> None:
    def name(url: str) -> str:
        return driver_url(sqlalchemy.engine.make_url(url)).drivername

    assert name("postgresql://host/study") == "postgresql+psycopg"
    assert name("postgresql+pg8000://host/study") == "postgresql+pg8000"
    assert name("mysql+pymysql://host/study") == "mysql+pymysql"
