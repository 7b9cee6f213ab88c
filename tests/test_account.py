"""A user without home and without a name has both for the libraries that ask."""

from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path

import pytest

from raysearch.account import NO_HOME, complete_account

NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process under a number that stands in no list of users."""

    def unknown(user: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    for name in ("HOME", *NAMES):
        monkeypatch.setenv(name, "")  # put back afterwards, whatever is set meanwhile
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("nobody")
def test_user_without_passwd_entry() -> None:
    with pytest.raises(RuntimeError, match="home"):
        Path.home()
    complete_account()
    assert Path.home() == Path(NO_HOME) and not Path.home().exists()
    assert getpass.getuser() == "uid-4242"


@pytest.mark.usefixtures("nobody")
def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/scratch/me")
    monkeypatch.setenv("USER", "me")
    before = dict(os.environ)
    complete_account()
    assert dict(os.environ) == before


def test_listed_user_without_home_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", *NAMES):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    complete_account()
    assert dict(os.environ) == before
