"""What becomes of a command whose output nobody takes any more, as after `| head`?

It goes on, its words go nowhere, and its exit code is its own: a sweep of hours does not end for
a reader's sake, and rich would end it in silence. Of a terminal that is gone the same is true.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from raysearch.cli.output import as_it_is

__all__ = ["lasting_output", "leave"]

_GONE = (errno.EPIPE, errno.EIO)


class _Lasting:
    """A stream of text that forgets what cannot be delivered; otherwise as the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.note = ""
        """Said on standard error when nobody takes the output any more; empty for nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any stream; nothing is raised where the reader is gone."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        """Have what is still buffered, and what is to come, go nowhere; say so once."""
        if error.errno not in _GONE:
            raise error
        leave(self._stream)
        if self.note:
            sys.stderr.write(f"raysearch: {self.note}\n")


@contextmanager
def lasting_output(note: str = "") -> Iterator[None]:
    """Inside the block neither output raises because its reader is gone.

    Args:
        note: Said on standard error when that happens to standard output; empty for nothing.
    """
    within = as_it_is()
    if isinstance(within, _Lasting):
        before, within.note = within.note, note
        try:
            yield
        finally:
            within.note = before
        return
    streams = sys.stdout, sys.stderr
    out, err = (_Lasting(stream or open(os.devnull, "w")) for stream in streams)  # noqa: SIM115
    out.note = note
    sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        for stream in (out, err):
            with suppress(OSError):  # a full disk has been said, or the exit says so
                stream.flush()


def leave(stream: TextIO) -> None:
    """Have a stream that can take no more lead nowhere, so that the exit's flush is quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
