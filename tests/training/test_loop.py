"""The loop: resumed = straight, terms averaged, updates that share a step, stages shared."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from gloo import on_two_workers

from raysearch import distributed
from raysearch.config import TrainingConfig
from raysearch.errors import RunError, UnhealthyError
from raysearch.methods.base import Stage, Update
from raysearch.run import Report
from raysearch.training.checkpoint import load_checkpoint, save_checkpoint
from raysearch.training.loop import TICK_STEPS, Fit
from raysearch.training.progress import NullListener
from raysearch.training.rungs import report_rungs
from raysearch.training.seed import seed_everything
from raysearch.training.stages.cache import StageCache
from raysearch.training.steps import warmup_then_linear


class Toy:
    """A linear model with dropout, two backward passes a step, two stages."""

    name = "toy"

    def __init__(self, steps: Sequence[int] = (12, 13), *, nan_at: int | None = None) -> None:
        self.model = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
        self.optimizers = {"main": torch.optim.AdamW(self.model.parameters(), lr=0.1)}
        self.provenance: Mapping[str, str] = {}
        self.steps, self.nan_at = steps, nan_at
        self.begun: list[str] = []
        self.taken = 0
        self.unhealthy = False

    def stages(self) -> Sequence[Stage]:
        return [Stage(f"stage{i}", (), n) for i, n in enumerate(self.steps)]

    def begin(self, stage: Stage, state: Mapping[str, Any] | None = None) -> None:
        self.begun.append(stage.name)
        if state is not None:
            self.model.load_state_dict(state)

    def batches(self, stage: Stage, epoch_seed: int) -> Iterator[Any]:
        generator = torch.Generator().manual_seed(epoch_seed)
        for _ in range(5):
            yield torch.randn(8, 4, generator=generator)

    def updates(self, batch: torch.Tensor, step: int) -> Iterator[Update]:
        self.taken += 1
        loss = self.model(batch).square().mean()
        yield Update("main", 0.8 * loss, {"one": loss}, step=False)
        assert self.model[1].weight.grad is not None
        other = self.model(batch + 1).abs().mean()
        other = other * math.nan if self.nan_at == self.taken else other
        yield Update("main", 0.2 * other, {"two": other})

    def evaluate(self, role: str) -> dict[str, float]:
        torch.rand(3)  # evaluation may draw; the training must not notice
        return {f"{role}/x": float(self.model[1].weight.detach().sum())}

    def check_health(self, terms: Mapping[str, float], metrics: Mapping[str, float]) -> None:
        if self.unhealthy:
            raise UnhealthyError("collapsed: 0.0")

    def state_dict(self) -> dict[str, Any]:
        return self.model.state_dict()

    def finish(self, stage: Stage) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "main": self.optimizers["main"].state_dict()}

    def accept(self, stage: Stage, result: Mapping[str, Any]) -> None:
        self.model.load_state_dict(result["model"])
        self.optimizers["main"].load_state_dict(result["main"])

    def save_encoder(self, folder: str) -> None: ...


class Recorder(NullListener):
    """A listener that can stop, die like a machine after so many reports, or lose its node or
    its link to the others, while the trial is given to another.
    """

    def __init__(
        self,
        *,
        stop_after: int = 99,
        die_after: int = 99,
        notice_after: int = 999,
        lost_after: int = 99,
    ) -> None:
        self.reports: list[Report] = []
        self.stop_after, self.die_after, self.lost_after = stop_after, die_after, lost_after
        self.notice_after, self.asked = notice_after, 0

    def report(self, report: Report) -> None:
        self.reports.append(report)
        if len(self.reports) == self.die_after:
            raise KeyboardInterrupt

    def stopped(self) -> bool:
        return len(self.reports) >= self.stop_after

    def preempted(self) -> bool:
        self.asked += 1
        return self.asked > self.notice_after

    def owns(self) -> bool:
        return len(self.reports) < self.lost_after


def fit(
    path: Path, listener: Recorder, method: Toy | None = None, **settings: Any
) -> tuple[Fit, Toy]:
    seed_everything(1)
    method = method or Toy()
    config = TrainingConfig(**{"reports": 5, "checkpoint_seconds": 0, **settings})
    cache = StageCache(path / "stages")
    return Fit(
        method,
        config,
        seed=7,
        checkpoint=path / "c.pt",
        listener=listener,
        keys=["k0", "k1"],
        cache=cache,
    ), method


def values(listener: Recorder) -> list[tuple[int, int, dict[str, float]]]:
    return [(r.rung, r.step, dict(r.metrics)) for r in listener.reports]


def test_reports_and_terms(tmp_path: Path) -> None:
    listener = Recorder()
    run, method = fit(tmp_path, listener)
    assert run.run()
    assert [(r.rung, r.step) for r in listener.reports] == [
        (1, 5),
        (2, 10),
        (3, 15),
        (4, 20),
        (5, 25),
    ]
    assert set(listener.reports[0].metrics) == {"train/one", "train/two", "dev/x"}
    assert method.begun == ["stage0", "stage1"]


@pytest.mark.parametrize("die_after", [1, 2, 3, 4, 5])
def test_resumed_equals_straight_bit_by_bit(tmp_path: Path, die_after: int) -> None:
    straight = Recorder()
    fit(tmp_path / "a", straight)[0].run()
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "b", Recorder(die_after=die_after))[0].run()
    resumed = Recorder()
    run, method = fit(tmp_path / "b", resumed)
    assert run.run()
    assert values(resumed) == values(straight)
    assert method.taken == 25 - 5 * die_after


@pytest.mark.parametrize("steps", [1, 5, 7, 12, 13, 24, 25])
def test_a_preempted_trial_redoes_no_step(tmp_path: Path, steps: int) -> None:
    """In the middle, at a report, at the end of a stage and of the trial."""
    straight, first, second = Recorder(), Recorder(notice_after=steps - 1), Recorder()
    fit(tmp_path / "straight", straight)[0].run()
    run, method = fit(tmp_path / "lost", first, checkpoint_seconds=1e9)
    assert not run.run()
    assert method.taken == steps
    assert len(first.reports) == (steps - 1) // 5  # the one that is due waits for the next worker
    run, method = fit(tmp_path / "lost", second, checkpoint_seconds=1e9)
    assert run.run()
    assert method.taken == 25 - steps
    assert values(second) == values(straight)


def test_who_lost_the_trial_trains_on_but_writes_no_more(tmp_path: Path) -> None:
    # Report by report the first worker and, from its third checkpoint, the second.
    first, second = Recorder(lost_after=3), Recorder(die_after=4)
    fit(tmp_path / "a", first)[0].run()
    assert len(first.reports) == 5
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "a", second)[0].run()
    assert values(second)[:3] == values(first)[:3]  # the third had its checkpoint, no later one
    state = load_checkpoint(tmp_path / "a" / "c.pt")
    assert state is not None and len(state["position"]["reports"]) == 4
    kept = (tmp_path / "a" / "c.pt").read_bytes()
    late = Recorder(lost_after=0)
    fit(tmp_path / "a", late)[0].run()
    assert (tmp_path / "a" / "c.pt").read_bytes() == kept
    assert values(late) == values(first)


def on_the_second_workers_notice(folder: Path) -> tuple[bool, int, int]:
    """Whether the trial is complete, its steps, and where its checkpoint is."""
    listener = Recorder(notice_after=0 if distributed.rank() == 1 else 999)
    run, method = fit(folder, listener, checkpoint_seconds=1e9)
    complete = run.run()
    distributed.broadcast_object("until worker 0 has written")
    saved = load_checkpoint(folder / "c.pt")
    assert saved is not None
    return complete, method.taken, saved["position"]["done"]


@pytest.mark.slow
def test_all_workers_leave_at_the_next_tick_when_one_has_notice(tmp_path: Path) -> None:
    answers = on_two_workers(partial(on_the_second_workers_notice, tmp_path))
    # A report is due there too; it waits for the workers that go on.
    assert answers == [(False, TICK_STEPS, TICK_STEPS)] * 2


class Apart(Toy):
    """A toy whose workers have other generators, rows and terms."""

    def updates(self, batch: torch.Tensor, step: int) -> Iterator[Update]:
        torch.rand(distributed.rank())
        yield from super().updates(batch[distributed.rank() :: distributed.world_size()], step)


def in_parts(folder: Path) -> list[Any]:
    """Curves: straight, cut after each report, at a tick with notice, and from shared stages."""
    found = []

    def trained(name: str, listener: Recorder, **settings: Any) -> tuple[bool, Recorder, int]:
        seed_everything(1)
        run, method = fit(folder / name, listener, Apart(), **settings)
        complete = run.run()
        distributed.broadcast_object("worker 0 has written")
        return complete, listener, method.taken

    complete, straight, _ = trained("straight", Recorder())
    assert complete and len(straight.reports) == (5 if distributed.rank() == 0 else 0)
    found.append(values(straight))
    for reports in range(1, 5):
        complete, _, _ = trained(f"cut{reports}", Recorder(stop_after=reports))
        assert not complete
        _, resumed, taken = trained(f"cut{reports}", Recorder())
        assert taken == 25 - 5 * reports
        found.append(values(resumed))
    for ticks in (1, 2):
        given = {"checkpoint_seconds": 1e9, "reports": 2}
        complete, _, taken = trained(f"left{ticks}", Recorder(notice_after=ticks - 1), **given)
        assert not complete and taken == TICK_STEPS * ticks
        found.append(values(trained(f"left{ticks}", Recorder(), **given)[1]))
    found.append(values(trained("whole", Recorder(), **given)[1]))
    if distributed.rank() == 0:
        (folder / "straight" / "c.pt").unlink()
    distributed.broadcast_object("the checkpoint is gone")
    _, shared, taken = trained("straight", Recorder())
    assert taken == 13
    found.append(values(shared))
    return found


@pytest.mark.slow
def test_two_workers_resume_to_their_own_numbers(tmp_path: Path) -> None:
    first, second = on_two_workers(partial(in_parts, tmp_path))
    *cut, left, further, whole, shared = first
    straight = cut.pop(0)
    assert all(curve == straight for curve in cut)
    assert left == further == whole
    assert shared == straight
    assert not any(second)  # worker 0 reports


def test_a_checkpoint_of_other_workers_is_not_taken(tmp_path: Path) -> None:
    fit(tmp_path, Recorder(stop_after=2))[0].run()
    state = load_checkpoint(tmp_path / "c.pt")
    assert state is not None and len(state["workers"]) == 1
    state["workers"] *= 2
    save_checkpoint(tmp_path / "c.pt", state)
    run, method = fit(tmp_path, Recorder())
    run.run()
    assert method.taken == 25


def test_a_stage_shared_equals_a_stage_trained(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    fit(tmp_path, first)[0].run()
    (tmp_path / "c.pt").unlink()
    run, method = fit(tmp_path, second)
    run.run()
    assert method.taken == 13
    assert values(first) == values(second)


def test_a_damaged_entry_is_trained_again(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    fit(tmp_path, first)[0].run()
    (tmp_path / "c.pt").write_bytes(b"torn")
    for entry in (tmp_path / "stages").rglob("*"):
        if entry.is_file():
            entry.write_bytes(b"torn")
    fit(tmp_path, second)[0].run()
    assert values(first) == values(second)


def test_a_checkpoint_of_other_settings_is_not_taken(tmp_path: Path) -> None:
    fit(tmp_path, Recorder(stop_after=2))[0].run()
    run, method = fit(tmp_path, Recorder())
    run.keys[:] = ["other", "keys"]
    run.run()
    assert method.taken == 25


def test_the_listener_stops_a_trial(tmp_path: Path) -> None:
    listener = Recorder(stop_after=2)
    run, method = fit(tmp_path, listener)
    assert not run.run()
    assert method.taken == 10


def test_a_term_that_is_not_finite_fails_the_trial(tmp_path: Path) -> None:
    run, _ = fit(tmp_path, Recorder(), Toy(nan_at=3))
    with pytest.raises(RunError, match="two is not finite by step 5"):
        run.run()


def test_a_stage_without_reports_is_judged_at_its_end(tmp_path: Path) -> None:
    method = Toy()
    judged: list[tuple[set[str], bool]] = []
    method.check_health = lambda terms, metrics: judged.append(  # type: ignore[method-assign]
        ({*terms}, bool(metrics))
    )
    method.stages = lambda: [  # type: ignore[method-assign]
        Stage("stage0", (), 12, reports=False),
        Stage("stage1", (), 13),
    ]
    assert fit(tmp_path, Recorder(), method, reports=1)[0].run()
    assert judged == [({"one", "two"}, False), ({"one", "two"}, True)]


def test_a_failure_signature_fails_the_trial(tmp_path: Path) -> None:
    method = Toy()
    method.unhealthy = True
    with pytest.raises(UnhealthyError, match="collapsed"):
        fit(tmp_path, Recorder(), method)[0].run()


def test_no_steps_is_one_report_at_the_last_rung(tmp_path: Path) -> None:
    listener = Recorder()
    run, _ = fit(tmp_path, listener, Toy(steps=(0,)))
    assert run.run()
    assert [(r.rung, r.step) for r in listener.reports] == [(5, 0)]


def test_two_updates_make_the_joint_gradient(tmp_path: Path) -> None:
    seed_everything(3)
    method = Toy(steps=(1,))
    method.model.eval()
    batch = next(method.batches(method.stages()[0], 0)).double()
    method.model.double()
    grads = []
    for update in method.updates(batch, 0):
        update.loss.backward()
    grads.append(method.model[1].weight.grad.clone())
    method.model.zero_grad()
    joint = 0.8 * method.model(batch).square().mean() + 0.2 * method.model(batch + 1).abs().mean()
    joint.backward()
    torch.testing.assert_close(grads[0], method.model[1].weight.grad, rtol=1e-12, atol=0)


class Scheduled(Toy):
    """Two stages under one learning-rate schedule; keeps the rate of every step."""

    def __init__(self, steps: Sequence[int] = (4, 6)) -> None:
        super().__init__(steps)
        self.rates: list[float] = []

    def stages(self) -> Sequence[Stage]:
        first, second = self.steps
        total = first + second
        return [
            Stage("stage0", (), first, scheduled=(0, total)),
            Stage("stage1", (), second, scheduled=(first, total)),
        ]

    def updates(self, batch: torch.Tensor, step: int) -> Iterator[Update]:
        yield from super().updates(batch, step)
        self.rates.append(self.optimizers["main"].param_groups[0]["lr"])


def test_one_schedule_may_span_several_stages(tmp_path: Path) -> None:
    run, method = fit(tmp_path, Recorder(), Scheduled(), warmup_share=0.2)
    assert run.run()
    assert isinstance(method, Scheduled)
    expected = [0.1 * warmup_then_linear(step, 10, 0.2) for step in range(10)]
    assert method.rates == pytest.approx(expected)


def test_schedule_by_hand() -> None:
    rates = [warmup_then_linear(step, 10, 0.2) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert warmup_then_linear(0, 1, 0) == 1
    assert report_rungs(10, 4) == {3: 1, 5: 2, 8: 3, 10: 4}
    assert report_rungs(2, 4) == {1: 2, 2: 4}
