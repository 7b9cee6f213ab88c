"""Sets a home folder and a user name for libraries, if the user has none.

A container or a batch job may run under a user id without an account and without HOME. Ray, torch
and others ask for both when they are imported, and fail. They get a home that does not exist, as
such accounts have on Debian: nothing is read from somebody else's files, as it might be from a
shared folder, and nothing is written. It must be set before these imports, and in the environment,
so that child processes inherit it.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["complete_account"]

NO_HOME = "/nonexistent"


def complete_account() -> None:
    """Set a home folder and a user name for this process, if it has none."""
    if not Path(os.path.expanduser("~")).is_absolute():
        os.environ["HOME"] = NO_HOME
    named = any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME"))
    if not named and hasattr(os, "getuid") and not _listed(os.getuid()):
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"


def _listed(user: int) -> bool:
    """Whether the user id has an account."""
    import pwd

    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
