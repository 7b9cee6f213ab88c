"""What is a slot to Ray Tune: a trial class that is reset, not restarted, for every lease."""

from __future__ import annotations

from typing import Any

from ray import tune

from raysearch.cluster.events import EventKind
from raysearch.cluster.slots import Slot, SlotShape
from raysearch.trial import Lease

__all__ = ["SlotTrainable"]

EVENTS = "events"
"""Key of a Tune result under which the slot's events lie."""
POLL_SECONDS = 1.0
"""A result comes at least so often, so that Tune can stop a trial that is silent."""


class SlotTrainable(tune.Trainable):  # type: ignore[misc]
    """A thin proxy of one slot: Tune's trial is a lease, Tune's actor owns the slot.

    Its config holds ``lease`` (JSON) and ``judged``; `setup` starts the slot with the first
    lease, `reset_config` gives it the next, `step` returns its news, `cleanup` closes it.
    """

    def setup(self, config: dict[str, Any], room: Any, shape: SlotShape) -> None:
        """Start the slot; returns at once, while its workers come up."""
        self._slot = Slot(room, shape, Lease.from_json(config["lease"]), judged=config["judged"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Put the next lease into the slot that is there."""
        self._slot.put(Lease.from_json(new_config["lease"]), judged=new_config["judged"])
        return True

    def step(self) -> dict[str, Any]:
        """The next news; the trial is done with its record."""
        events = self._slot.next_events(POLL_SECONDS)
        return {EVENTS: events, "done": any(event.kind is EventKind.FINISHED for event in events)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a lease's checkpoint is the worker's."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as above."""

    def cleanup(self) -> None:
        """Close the slot."""
        self._slot.close()
