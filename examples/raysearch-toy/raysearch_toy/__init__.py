"""A third method: valence from the mean of an encoder's word vectors, by a linear head.

Here is what the command line and a search space ask for, without torch; `raysearch_toy.method`
trains. `raysearch.methods.base` says what each part promises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from raysearch import corpora
from raysearch.config import TrainingConfig, setting, settings_of
from raysearch.methods.description import SettingNotes
from raysearch.methods.stage import Stage
from raysearch.run import Cell

if TYPE_CHECKING:
    import torch

    from raysearch.methods.base import Method


@dataclass(frozen=True, kw_only=True)
class ToyConfig(TrainingConfig):
    """Settings of the toy, beside those that every method has."""

    PAPER: ClassVar = {"learning_rate": 1e-3, "loss": "squared"}
    """The first trial of every sweep."""
    SCORED_ON: ClassVar = ("corpus",)
    """What says on which data a trial is scored."""

    encoder: str = setting("tiny")
    corpus: str = setting("sample")
    """A corpus with valence and arousal."""
    steps: int = setting(40, low=1)
    """Optimizer steps."""
    loss: str = setting("squared", choices=("squared", "absolute"))
    """What is minimised: the squared or the absolute error."""


class ToyLoader:
    """What the entry point names: `raysearch.methods.base.MethodLoader`."""

    config_type = ToyConfig
    notes = SettingNotes(corpora=("corpus",), work=("steps", "batch_size"))
    """For reports, the card of an export and plans; optional, as `metrics` is."""

    def check(self, config: ToyConfig, *, data_dir: str) -> None:
        """Whether the corpus can be read."""
        corpora.load(config.corpus, data_dir, {"train", "dev"})

    def tasks(self, config: ToyConfig) -> tuple[str, ...]:
        """One cell a seed."""
        return (config.corpus,)

    def outline(self, config: ToyConfig) -> tuple[Stage, ...]:
        """One stage, which depends on every setting but how often one looks."""
        return (Stage("train", settings_of(ToyConfig, ""), config.steps),)

    def metrics(self, config: ToyConfig, *, role: str, data_dir: str) -> tuple[str, ...]:
        """What `ToyMethod.evaluate` gives: a sweep for another metric is refused."""
        return (f"{role}/pearson",)

    def build(
        self,
        config: ToyConfig,
        cell: Cell,
        *,
        device: torch.device,
        roles: Sequence[str],
        data_dir: str,
    ) -> Method:
        """A fresh trial."""
        from raysearch_toy.method import ToyMethod

        opened: Any = corpora.load(config.corpus, data_dir, {"train", *roles})
        return ToyMethod(config, opened, stages=self.outline(config), device=device)


LOADER = ToyLoader()
