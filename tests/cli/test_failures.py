"""What of a library's or the system's failures does the user read?"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import optuna
import pyarrow.parquet
import pytest
import sqlalchemy
import torch

from raysearch.cli import check, main
from raysearch.cli.failures import said_of


def of_pyarrow(folder: Path) -> None:
    (folder / "rows.parquet").write_bytes(b"no Parquet file at all")
    pyarrow.parquet.read_table(folder / "rows.parquet")


def of_sqlalchemy(folder: Path) -> None:
    sqlalchemy.create_engine(f"sqlite:///{folder}/none/study.db").connect()


def of_optuna(folder: Path) -> None:
    optuna.load_study(study_name="none", storage=optuna.storages.InMemoryStorage())


def of_torch(folder: Path) -> None:
    (folder / "weights.pt").write_bytes(pickle.dumps({"a": 1}, protocol=2)[:-3] + b"garbage")
    torch.load(folder / "weights.pt", weights_only=True)


def of_ray(folder: Path) -> None:
    from ray.exceptions import GetTimeoutError

    raise GetTimeoutError("nobody\nanswers")


def of_system(folder: Path) -> None:
    (folder / "file").touch()
    os.listdir(folder / "file")


def of_memory(folder: Path) -> None:
    raise MemoryError


def bug(folder: Path) -> None:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (of_pyarrow, "pyarrow must do what it is asked, but says: "),
        (of_sqlalchemy, "sqlalchemy must do what it is asked, but says: "),
        (of_optuna, "optuna must do what it is asked, but says: "),
        (of_torch, "torch must do what it is asked, but says: "),
        (of_ray, "ray must do what it is asked, but says: nobody answers; run the same command"),
        (of_system, "/file must be usable, but the system says: Not a directory ("),
        (of_memory, "this machine must have memory for what runs, but has none left"),
    ],
)
def test_it_is_one_sentence_with_its_place(
    failure: Callable[[Path], None],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check, "run", lambda args: failure(tmp_path))
    assert main(["check"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and "Traceback" not in error
    assert failure is of_memory or "raysearch.cli:" in error


def test_a_bug_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "run", lambda args: bug(tmp_path))
    with pytest.raises(ZeroDivisionError):
        main(["check"])


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert said_of(OSError(13, "Permission denied", "rows")) == (
        "rows must be usable, but the system says: Permission denied (raysearch); mend that and "
        "run the same command again"
    )
    assert said_of(OSError("a sentence without a number")) is None
