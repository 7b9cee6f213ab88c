"""Retries operations on a store that does not answer, or refuses credentials that have expired.

An operation that fails for a temporary reason is retried with growing pauses, for as long as its
`RetryPolicy` allows. After a refusal the store is reopened first, so that renewed credentials
(environment, ``~/.aws``, the machine's role) are used. Failures are logged: the first at once,
then every `TELL_SECONDS`.

Each attempt has retries of its own below this, which are not logged: see
`raysearch.storage.objects`.
"""

from __future__ import annotations

import errno
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, TypeVar

from raysearch.storage.base import Bytes, Storage, StoredFile

__all__ = [
    "RETRY_LONG",
    "RETRY_SHORT",
    "RetryPolicy",
    "RetryReason",
    "RetryingStorage",
    "UnansweredError",
    "retry_reason",
]

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

TELL_SECONDS = 30.0
"""Seconds between log messages about a store that keeps failing."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long an operation is retried, in seconds.

    Attributes:
        seconds: No attempt starts later than this after the first one; 0 for a single attempt.
        first: The pause after the first attempt; each further one is twice as long. Each is
            shortened by up to a half at random, so that many slots do not return at once.
        longest: Upper limit of a pause.
    """

    seconds: float = 20.0
    first: float = 0.5
    longest: float = 15.0


RETRY_SHORT = RetryPolicy()
"""For somebody who waits at the terminal."""

RETRY_LONG = RetryPolicy(seconds=300.0)
"""For a sweep's workers and driver: minutes of an outage cost less than ending the sweep."""


class RetryReason(Enum):
    """Why an operation is retried."""

    SILENT = "does not answer"
    REFUSED = "refuses the credentials"


class UnansweredError(OSError):
    """The store failed for as long as it was retried; the message is a sentence for the user."""


_REFUSED = re.compile(
    r"expired.?token|token.?refresh.?required|invalid.?(access.?key|token|client.?token)|request.?expired"
    r"|signature.?does.?not.?match|missing.?authentication.?token|access.?denied"
    r"|HTTP status 40[013]\) during Head"  # a response to HEAD has no body that names the error
    r"|UNAUTHENTICATED|PERMISSION_DENIED|AuthenticationFailed",
    re.IGNORECASE,
)
_SILENT = re.compile(
    r"slow.?down|throttl|too.?many.?requests|internal.?(failure|error)|service.?unavailable"
    r"|request.?time(d.?)?out|network.?connection|curl|HTTP status (5\d\d|408|409|429)|server.?busy"
    r"|\b(UNAVAILABLE|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED|INTERNAL)\b",
    re.IGNORECASE,
)
_SILENT_NUMBERS = {
    errno.EAGAIN,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EPIPE,
    errno.EREMOTEIO,
    errno.ESTALE,  # NFS, whose server was restarted
    errno.ETIMEDOUT,
}


def retry_reason(error: OSError) -> RetryReason | None:
    """Why an operation may be worth retrying; None when it is not.

    pyarrow raises plain OSErrors whose text names the store's own error.
    """
    if error.errno is not None:
        return RetryReason.SILENT if error.errno in _SILENT_NUMBERS else None
    text = str(error)
    if _REFUSED.search(text):
        return RetryReason.REFUSED
    return RetryReason.SILENT if _SILENT.search(text) else None


class RetryingStorage:
    """A store whose operations are retried; otherwise like the store itself.

    Args:
        uri: The root for display.
        opened: Opens the store again.
        retry: How long an operation is retried.

    Raises:
        OSError: The store cannot be opened.
    """

    def __init__(
        self, uri: str, opened: Callable[[], Storage], retry: RetryPolicy, *, make: bool
    ) -> None:
        self.uri, self._opened, self._policy = uri, opened, retry
        self._store: Storage | None = None
        self._do(lambda store: store.make() if make else None)

    def make(self) -> None:
        """See `Storage.make`."""
        self._do(lambda store: store.make())

    def open(self, name: str) -> BinaryIO:
        """See `Storage.open`."""
        return self._do(lambda store: store.open(name))

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return self._do(lambda store: store.exists(name))

    def write(self, name: str, parts: Sequence[Bytes], *, lasting: bool = True) -> None:
        """See `Storage.write`."""
        self._do(lambda store: store.write(name, parts, lasting=lasting))

    def fill(self, name: str, writer: Callable[[BinaryIO], object]) -> None:
        """See `Storage.fill`."""
        self._do(lambda store: store.fill(name, writer))

    def touch(self, name: str) -> None:
        """See `Storage.touch`."""
        self._do(lambda store: store.touch(name))

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        self._do(lambda store: store.remove(name))

    def files(self, folder: str = "") -> list[StoredFile]:
        """See `Storage.files`."""
        return self._do(lambda store: store.files(folder))

    def tree(self) -> list[StoredFile]:
        """See `Storage.tree`."""
        return self._do(lambda store: store.tree())

    def remove_folder(self, name: str) -> None:
        """See `Storage.remove_folder`."""
        self._do(lambda store: store.remove_folder(name))

    def free_bytes(self) -> int | None:
        """See `Storage.free_bytes`."""
        return self._do(lambda store: store.free_bytes())

    def _do(self, operation: Callable[[Storage], _Answer]) -> _Answer:
        """Call the operation until it returns.

        Raises:
            UnansweredError: It failed for as long as the policy allows.
            OSError: Retrying is useless.
        """
        began = time.monotonic()
        chance = secrets.SystemRandom()  # must not change the training's generators
        pause, logged = self._policy.first, None
        while True:
            try:
                # A local variable: another thread may drop the store at any moment.
                store = self._store or self._opened()
                self._store = store
                answer = operation(store)
            except OSError as error:
                why, now = retry_reason(error), time.monotonic()
                if why is None:
                    raise
                if now + pause - began > self._policy.seconds:
                    raise UnansweredError(self._sentence(why, error, now - began)) from error
                if logged is None or now - logged >= TELL_SECONDS:
                    left = self._policy.seconds - (now - began)
                    self._tell(why, left, _reason(error) if logged is None else "")
                    logged = now
                if why is RetryReason.REFUSED:  # opened again, with renewed credentials
                    self._store = None
                time.sleep(pause * chance.uniform(0.5, 1.0))
                pause = min(2 * pause, self._policy.longest)
                continue
            if logged is not None:
                _log.warning("%s answers again, after %.0f s", self.uri, time.monotonic() - began)
            return answer

    def _tell(self, why: RetryReason, left: float, reason: str) -> None:
        if reason:
            text = "%s %s and is asked again for up to %.0f s: %s"
            _log.warning(text, self.uri, why.value, left, reason)
        else:
            _log.warning("%s still %s; %.0f s are left", self.uri, why.value, left)

    def _sentence(self, why: RetryReason, error: OSError, seconds: float) -> str:
        if why is RetryReason.REFUSED:
            rule, cure = (
                "must accept this machine's credentials, but has refused them",
                "renew them and",
            )
        else:
            rule, cure = "must answer, but has not", "when it does,"
        return (
            f"`{self.uri}` {rule} for {seconds:.0f} s ({_reason(error)}); {cure} run the "
            "same command again: what is finished is kept"
        )


def _reason(error: OSError) -> str:
    """The store's own message, on one line."""
    return " ".join(str(error).split())
