"""The adapter to Ray Tune: it executes the queue silently, without snapshots, one actor a slot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from raysearch.cluster.breakdown import slot_breakdown
from raysearch.cluster.ray_session import HEAD, open_dispatcher
from raysearch.cluster.session_folder import scratch_folder
from raysearch.cluster.slot_trainable import EVENTS, SlotTrainable
from raysearch.events import Event
from raysearch.printable import plural
from raysearch.search.driver import RunQueue
from raysearch.search.plan import SweepPlan, check_room

__all__ = ["StudyScheduler", "StudySearcher", "check_resources", "idle_gpus_note", "run_tune"]


class StudyScheduler(FIFOScheduler):  # type: ignore[misc]
    """Tune's scheduler over a `RunQueue`: first come, first served, with the study's verdicts.

    Args:
        queue: The runs.
        searcher: Maps Tune's trials to runs.
        dispatcher: Handle of the dispatcher. A stopped run is cancelled there, since Tune does not
            notify a reused actor before it has its next trial.
    """

    def __init__(self, queue: RunQueue, searcher: StudySearcher, dispatcher: Any) -> None:
        super().__init__()
        self._queue, self._searcher, self._dispatcher = queue, searcher, dispatcher
        self._drained = False
        self._furthest: dict[str, int] = {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Hand the events on; STOP when the run is over."""
        run_id = self._searcher.runs.get(trial.trial_id)
        if run_id is None:
            return str(TrialScheduler.STOP)
        events = result.get(EVENTS, ())
        self._note_progress(trial, events)
        try:
            stop = self._queue.handle_events(run_id, events)
        except Exception as error:
            self._queue.fail(error)
            stop = True
        if self._queue.over:
            self._dispatcher.wind_up.remote()
        if not stop:
            if self._queue.hangs(run_id):
                self._dispatcher.give_up.remote(run_id)
            return str(TrialScheduler.CONTINUE)
        self._furthest.pop(trial.trial_id, None)
        self._dispatcher.cancel.remote(run_id)
        return str(TrialScheduler.STOP)

    def _note_progress(self, trial: Any, events: Sequence[Event]) -> None:
        """Reset a run's count of broken slots when it gets further than ever."""
        steps = [event.report.step if event.report else event.step for event in events]
        if max(steps, default=0) > self._furthest.get(trial.trial_id, 0):
            self._furthest[trial.trial_id] = max(steps)
            trial.run_metadata.num_failures = 0

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The slot broke: another takes the run, or the run ends with the slot's error."""
        if trial.should_recover():
            self._queue.reset(self._searcher.runs.get(trial.trial_id, ""))
        else:
            text = Path(trial.error_file).read_text("utf-8", "replace")
            self._queue.fail(slot_breakdown(text, self._queue.plan.slots))

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts pending trials by itself.

        The inherited method scans every trial of the sweep in every turn of Tune's loop. This one
        only dismisses idle workers, so that their nodes can scale down, once no run is left.
        """
        if self._queue.spare and not self._drained:
            self._drained = True
            self._dispatcher.drain.remote()


MAX_SLOT_FAILURES = 5
"""How often a slot's process may die without progress of its run."""
NO_LIMIT = 1_000_000_000
"""Tune requires a number of trials; the study ends the search."""


def check_resources(plan: SweepPlan) -> None:
    """Check that a local Ray can hold all slots; a cluster to join may still grow.

    Raises:
        ConfigError: They do not fit: the slots would wait for ever.
    """
    if plan.address is None:
        there = ray.cluster_resources()
        check_room(plan, {name: there.get(name, 0) for name in plan.shape.resources_per_worker})


def idle_gpus_note(plan: SweepPlan) -> str:
    """A sentence where a joined cluster has GPUs that no trial asks for; empty elsewhere."""
    there = ray.cluster_resources().get("GPU", 0)
    if plan.address is None or plan.gpus_per_worker > 0 or there == 0:
        return ""
    return (
        f"the cluster has {there:g} {plural(there, 'GPU')}, and the trials train on CPUs: "
        "`--gpus-per-worker 1` gives each a GPU"
    )


def run_tune(plan: SweepPlan, queue: RunQueue) -> None:
    """Execute runs until the queue is exhausted, over, or failed; Ray must be initialised.

    Tune persists nothing: its files go to a temporary folder, and its result is unused, since the
    study holds everything.
    """
    dispatcher = open_dispatcher()
    searcher = StudySearcher(queue)
    trainable = tune.with_parameters(SlotTrainable, dispatcher=dispatcher, shape=plan.shape)
    with scratch_folder("tune") as scratch:
        tune.Tuner(
            # The actors of slots run on the head node, which is not preempted.
            tune.with_resources(trainable, {HEAD: 0.001}),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=StudyScheduler(queue, searcher, dispatcher),
                num_samples=NO_LIMIT,
                max_concurrent_trials=plan.slots,
                reuse_actors=True,  # keeps the slots' workers warm
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(scratch),
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=MAX_SLOT_FAILURES),
            ),
        ).fit()


class StudySearcher(Searcher):  # type: ignore[misc]
    """Tune's searcher over a `RunQueue`; it has no state beyond the study's.

    An exception in here would reach the caller as text inside a `TuneError`. The queue keeps
    it instead and ends the session, and the sweep raises the original.
    """

    def __init__(self, queue: RunQueue) -> None:
        super().__init__(metric=None, mode=None)
        self._queue = queue
        self.runs: dict[str, str] = {}
        """Tune's trial id to the run's id, for active trials."""

    def set_search_properties(self, *args: Any, **kwargs: Any) -> bool:
        """Nothing to do: the space and the goal are the study's."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next run as a Tune config; None when one may come later."""
        try:
            offer = self._queue.next()
        except Exception as error:
            self._queue.fail(error)
            offer = None
        if offer is None:
            return str(Searcher.FINISHED) if self._queue.exhausted else None
        self.runs[trial_id] = offer.spec.id
        return {"spec": offer.spec.to_json(), "prunable": offer.prunable}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Process the trial's last events, which Tune passes to nobody else, and its end."""
        run_id = self.runs.pop(trial_id, None)
        if run_id is None:
            return
        try:
            self._queue.handle_events(run_id, (result or {}).get(EVENTS, ()))
        except Exception as failure:
            self._queue.fail(failure)
        self._queue.release(run_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the study is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as above."""
