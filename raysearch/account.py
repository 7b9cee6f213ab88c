"""What do libraries find that ask for the user's home and name, where the user has none?

A container or a batch job may run under a number that stands in no list of users, without HOME.
Ray, torch and others ask when they are imported, and fail. They are told a home that is not
there, as such accounts have on Debian: nothing of somebody else is read from it, as it might be
from a shared folder, and nothing is written. It must be set before they are imported, and so
that the processes which are started inherit it.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["complete_account"]

NO_HOME = "/nonexistent"


def complete_account() -> None:
    """Give this process a home folder and a user's name, where it has none."""
    if not Path(os.path.expanduser("~")).is_absolute():
        os.environ["HOME"] = NO_HOME
    named = any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME"))
    if not named and hasattr(os, "getuid") and not _listed(os.getuid()):
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"


def _listed(user: int) -> bool:
    """Whether the list of users knows this number."""
    import pwd

    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
