"""How is data opened that no selection may see: by one process at a time, and told before.

A sweep's openings are recorded before its data is opened (`raysearch.leaderboard.openings`), so
whoever writes there must be alone. In a folder that is a lock, gone with its process. An object
store has none: there it is a claim that its holder keeps alive, and who was killed holds it for
as long as the others need to see that it stands still.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raysearch.errors import StoreError
from raysearch.leaderboard.openings import Opening, Openings
from raysearch.storage import open_storage
from raysearch.storage.folder_lock import HeldError, hold_folder
from raysearch.storage.place import is_uri, shown
from raysearch.training.stage_holders import Holders, Pace

__all__ = ["SCORES", "alone", "named", "opened_words"]

SCORES = "scores"
"""What `raysearch evaluate` opens data for; a study's measure has a name of its own."""


@contextmanager
def alone(folder: str, role: str, pace: Pace | None = None) -> Iterator[Openings]:
    """The openings of a sweep, to be written by this process only, inside the block.

    Args:
        folder: The sweep's folder or URI.
        role: Of the data that is opened.
        pace: How long a claim in an object store outlives its holder.

    Raises:
        StoreError: Another process opens the same data, or nothing can be written.
    """
    openings = Openings(folder, make=True)
    with ExitStack() as stack:
        if is_uri(folder):
            stack.enter_context(_claimed(openings.place, role, pace or Pace()))
        else:
            stack.enter_context(_locked(Path(openings.place), role))
        yield openings


@contextmanager
def _locked(place: Path, role: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_folder(place, f"{role}.lock"))
        except HeldError as error:
            raise StoreError(_busy(str(error), role, shown(place.parent))) from error
        except OSError as error:
            raise StoreError(
                f"`{place}` must be written before data is opened, but cannot be: {error.strerror}"
            ) from error
        yield


@contextmanager
def _claimed(place: str, role: str, pace: Pace) -> Iterator[None]:
    holders = Holders(open_storage(place), pace)
    deadline = time.monotonic() + pace.stale + 2 * pace.beat
    told = False
    while not holders.claim(role):
        if time.monotonic() > deadline:
            raise StoreError(_busy("another process", role, shown(place)))
        if not told:
            sys.stderr.write(
                f"{shown(place)}: another process opens the {named(role)} data, or was killed; "
                f"looking for {pace.stale:g} s whether it lives\n"
            )
            told = True
        time.sleep(pace.look)
    try:
        yield
    finally:
        holders.release(role)


def opened_words(opening: Opening) -> str:
    """When, by whom and for what data was opened before, and what became of it."""
    if opening.damaged:
        return "opened before (the record of it is damaged)"
    text = f"opened at {opening.began} by {opening.by}"
    if opening.what != SCORES:
        text += f" for the {opening.what}"
    if not opening.finished:
        text += " (begun, not finished: no reading was kept)"
    return text


def named(role: str) -> str:
    """A role as a reader has it: ``target dev``."""
    return role.replace("_", " ")


def _busy(who: str, role: str, where: str) -> str:
    return (
        f"the {named(role)} data of {where} must be opened by one process at a time, but {who} "
        "does so now; wait for it, then run the same command again, which shows what it read"
    )
