"""What a loader may state about its method beside how to build it; every part is optional.

A `raysearch.methods.base.MethodLoader` states its metrics, notes on its settings and measures by
having the members of `Reported`, `OfEncoder`, `Noted` or `Measuring`. `measures_of`,
`is_of_encoder` and `raysearch.methods.notes_of` return the defaults for one that lacks them. Needs
no torch: tables, reports and figures read this too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from raysearch.run import Run

__all__ = [
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
"""A flat record of a measure; those of one measure have the same columns."""


@runtime_checkable
class Reported(Protocol):
    """A loader that knows its metrics.

    A sweep whose objective is none of them is refused before its first trial, and where nothing
    is known, at the first report of its first trial: a metric that comes with a later report
    only must be named here.
    """

    def metrics(self, config: Any, *, role: str, data_dir: str) -> Collection[str]:
        """Every name with the role before its slash that `Method.evaluate` may return.

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
    """A loader whose trials train more than is exported.

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


@dataclass(frozen=True, kw_only=True)
class SettingNotes:
    """What those who show or plan runs must know about the settings of a method.

    Attributes:
        symbols: Setting to its letter in the paper.
        leading: Settings that a report shows first, in this order.
        self_naming: Settings whose values are clear without the setting's name, such as the
            name of a variant.
        corpora: Settings that name corpora.
        work: Settings that the seconds of a run are proportional to.
        tasks: The setting that lists language pairs as tasks; "" where a method has none.
        diagnostics: Words in the names of metrics on dev that are no scores; a report shows them
            over training.
    """

    symbols: Mapping[str, str] = field(default_factory=dict)
    leading: Sequence[str] = ()
    self_naming: Collection[str] = ()
    corpora: Sequence[str] = ()
    work: Sequence[str] = ()
    tasks: str = ""
    diagnostics: Collection[str] = ()

    def title(self, setting: str) -> str:
        """The setting with its letter: ``critic_clip (c)``."""
        symbol = self.symbols.get(setting)
        return f"{setting} ({symbol})" if symbol else setting


@runtime_checkable
class Noted(Protocol):
    """A loader with notes on its settings."""

    @property
    def notes(self) -> SettingNotes:
        """The notes; imports no torch."""
        ...


class FinishedRuns(Protocol):
    """The complete runs of a sweep, as a measure gets them.

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

        That the data was opened is recorded beforehand, and that it was read once the next run
        is asked for.

        Args:
            runs: Of these.
            role: What is opened beside train and dev.
            what: What it is opened for, in a word.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What an experiment measures beyond its rows; its search space names it as ``measure``.

    Attributes:
        take: The records.
        sentences: What they say, a sentence each.
        panels: Of a figure of labels: geometry to the title of its panel and the label of the
            axis, in their order.
        lines: Of a figure of labels: scaling to its name, first the one on the rating scale.
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
        """Name to measure; imports no torch, as taking one may."""
        ...


def measures_of(loader: object) -> Mapping[str, Measure]:
    """A loader's measures; none by default."""
    return loader.measures if isinstance(loader, Measuring) else {}


def is_of_encoder(loader: object, metric: str) -> bool:
    """Whether a metric is one of the encoder alone (`OfEncoder`); by default, every one is."""
    return loader.of_encoder(metric) if isinstance(loader, OfEncoder) else True
