"""What does a loader promise that can say which metrics its trials report, and what they are of?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol, runtime_checkable

__all__ = ["OfEncoder", "Reported"]


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


@runtime_checkable
class OfEncoder(Protocol):
    """A `raysearch.methods.base.MethodLoader` whose trials train more than is exported.

    An exported encoder's card lists what holds for its weights; all metrics where a loader does
    not say.
    """

    def of_encoder(self, metric: str) -> bool:
        """Whether a metric is one of the encoder alone, and not of a head that stays behind.

        Imports no torch.

        Args:
            metric: Its name behind the role, such as ``va_pearson``.
        """
        ...
