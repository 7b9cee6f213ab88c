"""Optional parts of a loader that describe its method.

A `raysearch.methods.base.MethodLoader` declares its metrics, notes on its settings and measures by
implementing `Reported`, `OfEncoder`, `Noted` or `Measuring`. `measures_of`, `is_of_encoder` and
`raysearch.methods.notes_of` return the defaults for one without them. Does not need torch, since
tables, reports and figures use it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from raysearch.run import Run

__all__ = [
    "LEAST_MOVED",
    "FinishedRuns",
    "Measure",
    "Measuring",
    "Noted",
    "OfEncoder",
    "Record",
    "Reported",
    "SettingNotes",
    "is_of_encoder",
    "measures_of",
]

Record = dict[str, float | int | str]
"""A flat record of a measure; all records of a measure have the same columns."""


@runtime_checkable
class Reported(Protocol):
    """A loader that declares its metrics.

    A sweep with another objective is refused before its first trial; without a declaration, at
    the first report of its first trial. So a metric that first appears in a later report must be
    declared.
    """

    def metrics(self, config: Any, *, role: str, data_dir: str) -> Collection[str]:
        """Every name with this role as its prefix that `Method.evaluate` may return.

        Does not import torch.

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
    """A loader whose trials train more than the exported encoder.

    An exported encoder's card lists the metrics that hold for its weights; by default all.
    """

    def of_encoder(self, metric: str, settings: Mapping[str, Any]) -> bool:
        """Whether a metric depends on what is exported alone, and not on a head that is not.

        Does not import torch.

        Args:
            metric: Its name without the role, such as ``va_pearson``.
            settings: The trial's, as in its row.
        """
        ...


LEAST_MOVED = 0.05
"""An encoder whose sentence embeddings have moved by less of their spread is as good as the one
that it started from, and a score of it is no result of the method."""


@dataclass(frozen=True, kw_only=True)
class SettingNotes:
    """Notes on the settings of a method for display and planning.

    Attributes:
        symbols: Setting to its symbol in the paper.
        leading: Settings that a report shows first, in this order.
        self_naming: Settings whose values are clear without the setting's name, such as the
            name of a variant.
        corpora: Settings that name corpora.
        work: Settings that the seconds of a run are proportional to.
        tasks: The setting that lists language pairs as tasks; "" if a method has none.
        diagnostics: Words in the names of metrics on dev that are not scores; a report shows
            them over training.
        moved: Metric on dev of how far the encoder moved from its start (`methods.movement`); "" if
            a method has none. One below `LEAST_MOVED` is shown as no result of the method.
    """

    symbols: Mapping[str, str] = field(default_factory=dict)
    leading: Sequence[str] = ()
    self_naming: Collection[str] = ()
    corpora: Sequence[str] = ()
    work: Sequence[str] = ()
    tasks: str = ""
    diagnostics: Collection[str] = ()
    moved: str = ""

    def unmoved(self, metrics: Mapping[str, float]) -> str:
        """What to say of a trial whose encoder has hardly moved; "" of any other, and of none.

        Args:
            metrics: The trial's metrics.
        """
        share = metrics.get(f"dev/{self.moved}", math.nan) if self.moved else math.nan
        if not share < LEAST_MOVED:
            return ""
        return (
            f"its embeddings moved by {100 * share:.2g} % of their spread: the score is that of "
            "the untrained encoder, not a result of the method"
        )

    def title(self, setting: str) -> str:
        """The setting with its symbol: ``critic_clip (c)``."""
        symbol = self.symbols.get(setting)
        return f"{setting} ({symbol})" if symbol else setting


@runtime_checkable
class Noted(Protocol):
    """A loader with notes on its settings."""

    @property
    def notes(self) -> SettingNotes:
        """The notes; does not import torch."""
        ...


class FinishedRuns(Protocol):
    """The complete runs of a sweep, as passed to a measure.

    Attributes:
        runs: In order of trial and cell.
        data_dir: Folder of the corpora.
    """

    runs: Sequence[Run]
    data_dir: str

    def config(self, run: Run) -> Any:
        """The settings of a run, an instance of its method's config class."""
        ...

    def restored(self, runs: Iterable[Run], role: str, what: str) -> Iterator[tuple[Run, Any]]:
        """Each run with its method, final weights restored and the role's data opened.

        The opening is recorded beforehand, and its end when the next run is requested.

        Args:
            runs: Some of `runs`.
            role: The role to open beside train and dev.
            what: The purpose, in a word.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measurement for experiments beyond rows; a search space names it as ``measure``.

    Attributes:
        take: Computes the records.
        sentences: Describes them, one sentence each.
        panels: For a figure of labels: geometry to the title of its panel and the label of the
            axis, in order.
        lines: For a figure of labels: scaling to its name, first the one on the rating scale.
    """

    take: Callable[[FinishedRuns], list[Record]]
    sentences: Callable[[Sequence[Mapping[str, Any]]], list[str]] = lambda records: []
    panels: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Measuring(Protocol):
    """A loader whose method measures more than its runs report."""

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Name to measure; does not import torch, though taking one may."""
        ...


def measures_of(loader: object) -> Mapping[str, Measure]:
    """A loader's measures; none by default."""
    return loader.measures if isinstance(loader, Measuring) else {}


def is_of_encoder(loader: object, settings: Mapping[str, Any], metric: str) -> bool:
    """Whether a metric depends on the encoder alone (`OfEncoder`); by default, every one does."""
    return loader.of_encoder(metric, settings) if isinstance(loader, OfEncoder) else True
