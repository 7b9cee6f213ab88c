"""How does Ray Tune run the leases: silent, without snapshots, one reused actor a slot."""

from __future__ import annotations

import ray
from ray import tune

from raysearch.cluster.ray_session import HEAD, open_mailroom
from raysearch.cluster.session_folder import scratch_folder
from raysearch.search.leases import LeaseBook
from raysearch.search.plan import SweepPlan, check_room
from raysearch.search.schedulers import StudyScheduler
from raysearch.search.searcher import StudySearcher
from raysearch.search.trainable import SlotTrainable

__all__ = ["check_resources", "run_tune"]

MAX_SLOT_FAILURES = 5
"""So often the process that owns a slot may die without the lease getting further in between."""
NO_LIMIT = 1_000_000_000
"""Tune wants a number of trials; the study ends the search."""


def check_resources(plan: SweepPlan) -> None:
    """See that a Ray of our own can hold all slots; a cluster to join may still grow.

    Raises:
        ConfigError: The slots would wait for ever.
    """
    if plan.address is None:
        there = ray.cluster_resources()
        check_room(plan, {name: there.get(name, 0) for name in plan.shape.resources_per_worker})


def run_tune(plan: SweepPlan, book: LeaseBook) -> None:
    """Run leases until the book has no more, it is over, or it failed; Ray is up.

    Tune keeps nothing: its files go to a temporary folder, and its own result is of no use
    here, since the study has all of it.
    """
    room = open_mailroom()
    searcher = StudySearcher(book)
    trainable = tune.with_parameters(SlotTrainable, room=room, shape=plan.shape)
    with scratch_folder("tune") as scratch:
        tune.Tuner(
            tune.with_resources(trainable, {HEAD: 0.001}),
            tune_config=tune.TuneConfig(
                search_alg=searcher,
                scheduler=StudyScheduler(book, searcher, room),
                num_samples=NO_LIMIT,
                max_concurrent_trials=plan.slots,
                reuse_actors=True,
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
