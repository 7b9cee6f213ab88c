"""Data that no selection may see is opened by one process at a time, and recorded before.

A sweep's openings are recorded before its data is opened (`raysearch.leaderboard.openings`), so
whoever writes there must be alone. In a folder that is a lock, gone with its process. An object
store has none: there it is a claim that its holder keeps alive, and who was killed holds it for
as long as the others need to see that it stands still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from raysearch.api.messages import QUIET, Messages
from raysearch.errors import StoreError
from raysearch.leaderboard.openings import OPENINGS, SCORES, Opening, Openings
from raysearch.storage import open_storage
from raysearch.storage.locks import HeldError, hold_folder
from raysearch.storage.uri import is_uri, join, redacted
from raysearch.training.stages.locks import HeartbeatInterval, StageLocks

__all__ = ["alone", "named", "opened_words"]


@contextmanager
def alone(
    folder: str, role: str, pace: HeartbeatInterval | None = None, *, messages: Messages = QUIET
) -> Iterator[Openings]:
    """The openings of a sweep, to be written by this process only, inside the block.

    Args:
        folder: The sweep's folder or URI.
        role: Of the data that is opened.
        pace: How long a claim in an object store outlives its holder.
        messages: Where to say that another one's claim is waited for.

    Raises:
        StoreError: Another process opens the same data, or nothing can be written; inside, from
            what writes: the place was removed or replaced, so that another process may be there.
    """
    place = join(folder, OPENINGS)
    with ExitStack() as stack:
        if is_uri(folder):
            guard = stack.enter_context(
                _claimed(place, role, pace or HeartbeatInterval(), messages)
            )
        else:
            guard = stack.enter_context(_locked(Path(place), role))
        guard()  # removed between opening and locking
        yield Openings(folder, guard)


@contextmanager
def _locked(place: Path, role: str) -> Iterator[Callable[[], None]]:
    name = f"{role}.lock"
    with ExitStack() as stack:
        try:
            held = stack.enter_context(hold_folder(place, name))
        except HeldError as error:
            raise StoreError(_busy(str(error), role, redacted(place.parent))) from error
        except OSError as error:
            raise StoreError(
                f"`{place}` must be written before data is opened, but cannot be: {error.strerror}"
            ) from error

        def guard() -> None:
            if not held.holds():
                raise StoreError(
                    f"the openings of {named(role)} data must stay where they are while it is "
                    f"opened, but {redacted(place)} (or {name} in it) was removed or replaced: "
                    "nothing that is read is kept there, and this run ends"
                )

        yield guard


@contextmanager
def _claimed(
    place: str, role: str, pace: HeartbeatInterval, messages: Messages
) -> Iterator[Callable[[], None]]:
    holders = StageLocks(open_storage(place), pace)
    deadline = time.monotonic() + pace.stale + 2 * pace.beat
    told = False
    while not holders.claim(role):
        if time.monotonic() > deadline:
            raise StoreError(_busy("another process", role, redacted(place)))
        if not told:
            messages.note(
                f"{redacted(place)}: another process opens the {named(role)} data, or was killed; "
                f"looking for {pace.stale:g} s whether it lives"
            )
            told = True
        time.sleep(pace.look)

    def guard() -> None:
        if not holders.holds(role):
            raise StoreError(
                f"the {named(role)} data of {redacted(place)} must be opened by one process at a "
                f"time, but this one gave no sign of life for {pace.stale:g} s, so that its claim "
                "may have been removed or replaced: nothing that is read is kept there, and this "
                "run ends"
            )

    try:
        yield guard
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
