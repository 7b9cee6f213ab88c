"""Which processes does the campaign of faults kill: a driver of raysearch, and one of plain Tune.

    python benchmarks/faults_drivers.py raysearch|tune WORK FOLDER TRIALS STEP_SECONDS

Both begin the sweep in FOLDER or continue it, note in ``told`` every trial that they say is
finished, and write ``result.json`` at the end: for each finished trial its parameter and its
objective. Tune runs as its guide to fault tolerance has it: `Tuner.restore` with unfinished and
errored trials resumed, failures of trials without limit, the study in memory, a snapshot of the
experiment as often as Tune takes one by itself.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from faults_work import WORKS, CarlWork, MapWork

SLOTS = 2
UNRESTORABLE = 3
"""Exit status of a driver of Tune that cannot go on."""
Result = list[tuple[float, float]]


def note_finished(folder: Path, key: float) -> None:
    """The driver says that a trial is finished."""
    with (folder / "told").open("a") as file:
        file.write(f"{key!r}\n")


def raysearch(work: MapWork | CarlWork, folder: Path, trials: int) -> Result:
    """A sweep of raysearch."""
    from raysearch.events import Event, EventKind
    from raysearch.leaderboard import Store
    from raysearch.search.plan import SweepPlan
    from raysearch.search.space.space import SearchSpace
    from raysearch.search.sweep import run_sweep

    space = SearchSpace(
        method=work.method,
        config_type=work.config_type,
        goal=work.goal,
        trials=trials,
        time_seconds=None,
        seeds=1,
        sampler="tpe",
        pruner="none",
        reduction=3,
        setting=work.setting,
        parameters=(work.parameter,),
        source="faults",
    )
    plan = SweepPlan(
        name="faults",
        folder=folder / "sweep",
        space=space,
        cells=lambda config: [work.cell],
        slots=SLOTS,
        runner=work,
        keep="none",
    )
    store = Store(plan.folder)

    def handle_events(event: Event) -> None:
        if event.kind is EventKind.FINISHED and event.record:
            note_finished(folder, event.record.config[work.parameter.name])

    run_sweep(plan, on_trial=store.append, on_event=handle_events)
    columns = [f"config/{work.parameter.name}", f"metric/{work.goal.name}"]
    rows = store.table().to_pylist()
    return [tuple(row[name] for name in columns) for row in rows if row["state"] == "complete"]


def plain_tune(work: MapWork | CarlWork, folder: Path, trials: int) -> Result:
    """A sweep of Ray Tune with Optuna's searcher."""
    from raysearch.cluster.ray_session import shut_doors
    from raysearch.cluster.session_folder import session_folder

    with shut_doors(), session_folder() as place:
        return _tuned(work, folder, trials, str(place))


def _tuned(work: MapWork | CarlWork, folder: Path, trials: int, place_of_ray: str) -> Result:
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    parameter, goal = work.parameter, work.goal

    def train(config: dict[str, Any]) -> None:
        def tell(path: Path, value: float) -> None:
            with tempfile.TemporaryDirectory() as fresh:
                (Path(fresh) / "checkpoint.pt").write_bytes(path.read_bytes())
                tune.report({goal.name: value}, checkpoint=tune.Checkpoint.from_directory(fresh))

        checkpoint = tune.get_checkpoint()
        if checkpoint is None:
            work.run(config[parameter.name], None, tell)
            return
        with checkpoint.as_directory() as kept:
            work.run(config[parameter.name], Path(kept) / "checkpoint.pt", tell)

    class Told(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            note_finished(folder, trial.config[parameter.name])

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        num_cpus=SLOTS,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=place_of_ray,
        address="local",
    )
    trainable = tune.with_resources(train, {"CPU": 1})
    place = str(folder / "tune" / "sweep")
    range_of = tune.loguniform if parameter.log else tune.uniform
    if tune.Tuner.can_restore(place):
        try:
            tuner = tune.Tuner.restore(
                place, trainable=trainable, resume_unfinished=True, resume_errored=True
            )
        except Exception as error:
            sys.stderr.write(f"{error!r}\n")
            sys.exit(UNRESTORABLE)
    else:
        tuner = tune.Tuner(
            trainable,
            param_space={parameter.name: range_of(parameter.low, parameter.high)},
            tune_config=tune.TuneConfig(
                metric=goal.name,
                mode="max",
                num_samples=trials,
                max_concurrent_trials=SLOTS,
                search_alg=OptunaSearch(seed=0),
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=str(folder / "tune"),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=-1),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=2),
                callbacks=[Told()],
            ),
        )
    found = tuner.fit()
    return [
        (result.config[parameter.name], result.metrics[goal.name])
        for result in found
        if not result.error and goal.name in (result.metrics or {})
    ]


DRIVERS = {"raysearch": raysearch, "tune": plain_tune}


def main() -> None:
    """Begin or go on, to the end."""
    system, kind, name, trials, step_seconds = sys.argv[1:]
    folder = Path(name)
    work = WORKS[kind](log=str(folder / "log"), step_seconds=float(step_seconds))
    result = DRIVERS[system](work, folder, int(trials))
    (folder / "result.tmp").write_text(json.dumps(result))
    (folder / "result.tmp").replace(folder / "result.json")


if __name__ == "__main__":
    main()
