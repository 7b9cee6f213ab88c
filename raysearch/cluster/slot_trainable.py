"""Ray Tune's side of a slot, in a process of the head for each slot.

It imports Ray and no more than it must: neither the study nor torch. What is left is what Ray Tune
and Ray Train import themselves (docs/cluster.md has the measurement).
"""

from __future__ import annotations

from typing import Any

from ray import tune

from raysearch.cluster.slots import Slot
from raysearch.cluster.worker import SlotShape
from raysearch.events import EventKind
from raysearch.run import RunSpec

__all__ = ["EVENTS", "SlotTrainable"]

EVENTS = "events"
"""Key of the slot's events in a Tune result."""
POLL_SECONDS = 1.0
"""Longest interval between two results, so that Tune can stop a silent trial."""


class SlotTrainable(tune.Trainable):  # type: ignore[misc]
    """A thin proxy of one slot: Tune's trial is a run, Tune's actor owns the slot.

    Its config holds ``spec`` (a `RunSpec` as JSON) and ``prunable``. `setup` starts the slot with
    the first run, `reset_config` hands it the next, `step` returns its events, `cleanup` closes it.
    """

    def setup(self, config: dict[str, Any], dispatcher: Any, shape: SlotShape) -> None:
        """Start the slot; returns at once, while its workers come up."""
        self._slot = Slot(
            dispatcher, shape, RunSpec.from_json(config["spec"]), prunable=config["prunable"]
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Put the next run into the existing slot."""
        self._slot.put(RunSpec.from_json(new_config["spec"]), prunable=new_config["prunable"])
        return True

    def step(self) -> dict[str, Any]:
        """The next events; the trial is done with its record."""
        events = self._slot.next_events(POLL_SECONDS)
        return {EVENTS: events, "done": any(event.kind is EventKind.FINISHED for event in events)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a run's checkpoint is the worker's."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above."""

    def cleanup(self) -> None:
        """Close the slot."""
        self._slot.close()
