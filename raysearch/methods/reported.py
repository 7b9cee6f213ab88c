"""What does a loader promise that can say which metrics its trials report?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol, runtime_checkable

__all__ = ["Reported"]


@runtime_checkable
class Reported(Protocol):
    """A `raysearch.methods.base.MethodLoader` that knows its metrics; none need be one.

    A sweep whose objective is none of them is refused before its first trial, and where nothing
    is known, at the first report of its first trial: a metric that comes with a later report
    only must be named here.
    """

    def metrics(self, config: Any, *, role: str, data_dir: str) -> Collection[str]:
        """Every name with the role before its slash that `Method.evaluate` may give.

        Imports no torch.

        Args:
            config: An instance of `config_type`.
            role: ``dev`` or ``test``.
            data_dir: Folder of the corpora.

        Raises:
            RaysearchError: No trial of this config could run, and why.
        """
        ...
