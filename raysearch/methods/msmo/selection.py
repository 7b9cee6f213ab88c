"""What does a stage remember beside its weights: means of its terms, its reports, its best?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["CheckpointSelection"]


class CheckpointSelection:
    """A stage's memory, of one worker; all of it is in the checkpoint.

    Args:
        steps: Steps of the stage.
        selection: ``best`` or ``last``.
        selection_from: Share of the steps from which on a report may be selected.
    """

    def __init__(self, steps: int, selection: str, selection_from: float) -> None:
        self.steps, self.step = steps, 0
        self.reports: list[dict[str, float]] = []
        """Figures of every report of the stage so far, with the ``step`` within the stage."""
        self.best: dict[str, Any] | None = None
        """The selected result of the network, once a report could be selected."""
        self.best_f1 = 0.0
        self._selects, self._from = selection == "best", selection_from * steps
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def add(self, terms: Mapping[str, torch.Tensor | float]) -> None:
        """Count the terms of one step; waits for no device."""
        for name, value in terms.items():
            value = torch.as_tensor(value).detach().double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def means(self) -> dict[str, float]:
        """Means of the terms since the last call, or since the start of the stage."""
        found = {name: float(value) / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        return found

    def selectable(self, f1: float) -> bool:
        """Whether a report with this F1, at this step, takes the place of the selected one.

        The first of equals stays (docs/msmo.md §2.3).
        """
        if not self._selects or self.step < self._from:
            return False
        return self.best is None or f1 > self.best_f1

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors."""
        return {
            "step": self.step,
            "reports": [dict(report) for report in self.reports],
            "best": self.best,
            "best_f1": self.best_f1,
            "sums": {name: float(value) for name, value in self._sums.items()},
            "count": self._count,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take in what `state_dict` gave."""
        self.step, self.best, self.best_f1 = state["step"], state["best"], state["best_f1"]
        self.reports = [dict(report) for report in state["reports"]]
        self._sums = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in state["sums"].items()
        }
        self._count = state["count"]
