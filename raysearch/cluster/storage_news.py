"""How does the user, who sees no worker's log, hear of a store that keeps a worker waiting?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["storage_news"]


class _Teller(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


@contextmanager
def storage_news(tell: Callable[[str], object]) -> Iterator[None]:
    """Inside, `tell` gets every warning of `raysearch.storage` in this process, any thread's."""
    handler, log = _Teller(tell), logging.getLogger("raysearch.storage")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
