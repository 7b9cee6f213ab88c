"""What does a database's own message mean for the user?"""

from __future__ import annotations

__all__ = ["first_line", "is_locked", "sentence"]

_ANEW = (
    "move it away, with the files -wal and -shm beside it, then `python -m raysearch recover` with "
    "the sweep's folder makes the study anew from the rows"
)
_LOCKED = "is locked"
_SENTENCES = {
    _LOCKED: "is locked by another program: end that one, then run the same command again",
    "readonly": "must be writable, but is read-only",
    "read-only transaction": "must be writable, but is read-only",
    "is full": "cannot be written, the disk is full: make room, then run the same command again",
    "No space left": "cannot be written, its disk is full: make room, then run the same command "
    "again",
    "unable to open": "cannot be opened: does its folder exist, and may it be written to?",
    "not a database": f"must be a database, but is damaged or another kind of file: {_ANEW}",
    "malformed": f"must be a database, but is damaged: {_ANEW}",
    "authentication failed": "must be given a user and a password that it knows, but refused these",
    "no password supplied": "must be given a password, but got none: put it into the URL, or "
    "into ~/.pgpass",
    "resolve host": "must be on a host that is known, but there is none of this name",
    "Connection refused": "must be reached, but no server listens there: is it up?",
    "timeout expired": "must be reached, but its host does not answer",
    "does not exist": "must be there, but the server has no such database or user: create it "
    "there (createdb)",
    "permission denied": "must be writable for this user, who may create tables, but is not",
}
"""Part of a database's own message to what to tell the user."""


def sentence(error: BaseException) -> str:
    """The rest of a sentence that begins with the database's name; never with a password."""
    text = first_line(error)
    for part, meaning in _SENTENCES.items():
        if part in text:
            return meaning
    return f"cannot be used: {text}"


def is_locked(error: BaseException) -> bool:
    """Whether another program has the database locked, which passes."""
    return _LOCKED in first_line(error)


def first_line(error: BaseException) -> str:
    """What the database itself said, in one line; it has neither statement nor password."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".: ") if text else type(error).__name__
