"""When does Ray Tune stop a trial: when the study says so, or the run is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raysearch.cluster.breakdown import slot_breakdown
from raysearch.cluster.events import SlotEvent
from raysearch.search.leases import LeaseBook
from raysearch.search.searcher import StudySearcher
from raysearch.search.trainable import EVENTS

__all__ = ["StudyScheduler"]


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler over a `LeaseBook`: first come, first served, and the study's verdicts.

    Args:
        book: The leases.
        searcher: Knows which lease a Tune trial is.
        room: Handle of the mail room: a lease that is stopped is called off there, since Tune
            tells a reused actor nothing until it has the next trial for it.
    """

    def __init__(self, book: LeaseBook, searcher: StudySearcher, room: Any) -> None:
        super().__init__()
        self._book, self._searcher, self._room = book, searcher, room
        self._rested = False
        self._furthest: dict[str, int] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Hand the news on; STOP when the lease is over."""
        lease_id = self._searcher.leases.get(trial.trial_id)
        if lease_id is None:
            return str(TrialScheduler.STOP)
        events = result.get(EVENTS, ())
        self._note_progress(trial, events)
        try:
            stop = self._book.hear(lease_id, events)
        except Exception as error:
            self._book.fail(error)
            stop = True
        if self._book.over:
            self._room.wind_up.remote()
        if not stop:
            if self._book.hangs(lease_id):
                self._room.give_up.remote(lease_id)
            return str(TrialScheduler.CONTINUE)
        self._furthest.pop(trial.trial_id, None)
        self._room.call_off.remote(lease_id)
        return str(TrialScheduler.STOP)

    def _note_progress(self, trial: Any, events: Sequence[SlotEvent]) -> None:
        """A lease that got further than ever starts its count of slots that broke anew."""
        steps = [event.report.step if event.report else event.step for event in events]
        if max(steps, default=0) > self._furthest.get(trial.trial_id, 0):
            self._furthest[trial.trial_id] = max(steps)
            trial.run_metadata.num_failures = 0

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The slot broke: another takes the lease, or the run ends with the slot's error."""
        if trial.should_recover():
            self._book.renew(self._searcher.leases.get(trial.trial_id, ""))
        else:
            told = Path(trial.error_file).read_text("utf-8", "replace")
            self._book.fail(slot_breakdown(told, self._book.plan.slots))

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Nobody in particular: Tune starts pending trials by itself.

        The inherited method looks at every trial of the sweep in every turn of Tune's loop. Here
        idle workers leave, so that their nodes can go, once nothing is left for them.
        """
        if self._book.spare and not self._rested:
            self._rested = True
            self._room.rest.remote()
