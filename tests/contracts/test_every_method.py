"""What every method promises to the loop: a method is tested by being listed here."""

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from method_cases import CARL, CASES, MSMO, curve
from method_cases import run as run_settings

import raysearch
from raysearch.config import flatten, read_config, rules
from raysearch.errors import ConfigError
from raysearch.methods import METHODS, get_method
from raysearch.methods.base import Method, Stage
from raysearch.methods.description import Reported
from raysearch.run import Cell, Run

EACH = [(method, case) for method, cases in CASES.items() for case in cases]
TRAINED = [each for each in EACH if each[1] != "frozen"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def build(method: str, case: str, seed: int = 0) -> Method:
    loader = get_method(method)
    config = read_config(loader.config_type, CASES[method][case], where=case)
    cell = Cell(loader.tasks(config)[0], seed)
    return loader.build(
        config, cell, device=torch.device("cpu"), roles=("train", "dev"), data_dir="nowhere"
    )


def run(
    method: str, case: str, folder: Path, *, given: Mapping[str, Any] | None = None, **how: Any
) -> Run | None:
    return run_settings(method, {**CASES[method][case], **(given or {})}, folder, **how)


def metrics_of(method: str, case: str) -> Collection[str]:
    loader = get_method(method)
    assert isinstance(loader, Reported)
    config = read_config(loader.config_type, CASES[method][case], where=case)
    return loader.metrics(config, role="dev", data_dir="nowhere")


def parameters_of(method: Method) -> list[torch.nn.Parameter]:
    groups = [g for optimizer in method.optimizers.values() for g in optimizer.param_groups]
    return [p for group in groups for p in group["params"]]


def step_through(method: Method, batch: Any, step: int, each: Callable[[Any], None]) -> float:
    """Perform one step's updates; gives the sum of their losses."""
    total, pending = 0.0, set()
    for update in method.updates(batch, step):
        optimizer = method.optimizers[update.optimizer]
        if update.optimizer not in pending:
            optimizer.zero_grad()
        pending.add(update.optimizer)
        update.loss.backward()
        total += float(update.loss.detach())
        if update.step:
            each(update)
            optimizer.step()
            pending.discard(update.optimizer)
    return total


def arrive(built: Method, state: Mapping[str, Any] | None = None) -> Stage:
    """Begin the last stage; the earlier ones are passed through without a step."""
    *before, last = built.stages()
    for stage in before:
        built.begin(stage)
        built.accept(stage, built.finish(stage))
    built.begin(last, state)
    return last


def others_without_effect(method: str, case: str) -> dict[str, Any]:
    """Another value for every field that is said to have no effect, one by one where possible."""
    config_type = get_method(method).config_type
    settings = CASES[method][case]
    config = read_config(config_type, settings, where=case)
    found: dict[str, Any] = {}
    for name in sorted(config.inert):
        rule, value = rules(config_type)[name], getattr(config, name)
        if rule.choices and rule.kind == "str":
            other = next(choice for choice in rule.choices if choice != value)
        elif rule.kind == "list":
            other = value[:-1]
        elif rule.kind == "bool":
            other = not value
        else:
            other = value + 1 if rule.high is None or value + 1 <= rule.high else value / 2
        try:
            read_config(config_type, {**settings, **found, name: other}, where=case)
        except ConfigError:
            continue  # it cannot be any other here
        found[name] = other
    return found


@pytest.mark.parametrize(
    ("method", "case"), [("carl", "carl"), ("msmo", "acs"), ("msmo", "raw_student")]
)
def test_what_has_no_effect_changes_no_number(method: str, case: str, tmp_path: Path) -> None:
    others = others_without_effect(method, case)
    assert len(others) > 2
    one = run(method, case, tmp_path / "one")
    other = run(method, case, tmp_path / "other", given=others)
    assert curve(one) == curve(other) and one.metrics == other.metrics  # type: ignore[union-attr]


def test_every_method_has_a_case() -> None:
    assert set(CASES) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_the_papers_values_are_settings(method: str) -> None:
    config_type = get_method(method).config_type
    read_config(config_type, dict(config_type.PAPER), where="paper")


@pytest.mark.parametrize("method, case", EACH)
def test_stages_and_provenance(method: str, case: str) -> None:
    built = build(method, case)
    stages = built.stages()
    assert stages and list(stages) == list(built.stages())
    known = set(rules(get_method(method).config_type))
    assert {name for stage in stages for name in stage.fields} <= known
    assert len({stage.name for stage in stages}) == len(stages)
    assert {"encoder", "encoder_digest", "corpora", "data_digest"} <= set(built.provenance)


@pytest.mark.parametrize("method, case", TRAINED)
def test_every_trained_parameter_gets_a_gradient(method: str, case: str) -> None:
    built = build(method, case)
    owed: dict[int, torch.nn.Parameter] = {}  # by identity; held, so that no id comes again
    touched: set[int] = set()

    def note(_: Any) -> None:
        owed.update((id(p), p) for p in parameters_of(built))
        touched.update(id(p) for p in parameters_of(built) if p.grad is not None and p.grad.any())

    for stage in built.stages():
        built.begin(stage)
        for step, batch in enumerate(built.batches(stage, 0)):
            if step == min(2, stage.steps):
                break
            step_through(built, batch, step, note)
        built.accept(stage, built.finish(stage))
    assert owed and set(owed) == touched
    assert all(p.requires_grad for p in owed.values())


@pytest.mark.parametrize("method, case", TRAINED)
def test_a_batch_can_be_learnt_by_heart(method: str, case: str) -> None:
    built = build(method, case)
    stage = arrive(built)
    batch = next(iter(built.batches(stage, 0)))
    torch.manual_seed(0)
    losses = [step_through(built, batch, step, lambda _: None) for step in range(25)]
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-5:]) < 0.98 * sum(losses[:5])


@pytest.mark.parametrize("method, case", EACH)
def test_same_seed_same_curve_and_resumed_is_straight(
    method: str, case: str, tmp_path: Path
) -> None:
    straight = curve(run(method, case, tmp_path / "straight"))
    again = curve(run(method, case, tmp_path / "again"))
    assert straight == again
    assert all(math.isfinite(value) for _, metrics in straight for value in metrics.values()), (
        straight
    )
    assert {name for _, found in straight for name in found if name.startswith("dev/")} <= set(
        metrics_of(method, case)
    )
    if len(straight) > 1:
        assert run(method, case, tmp_path / "cut", stop_after=1) is None
        assert curve(run(method, case, tmp_path / "cut")) == straight


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_gives_another_curve(method: str, tmp_path: Path) -> None:
    case = next(iter(CASES[method]))
    first = curve(run(method, case, tmp_path / "a", seed=0))
    assert first != curve(run(method, case, tmp_path / "b", seed=1))


@pytest.mark.parametrize("method, case", EACH)
def test_state_round_trips(method: str, case: str) -> None:
    first, second = build(method, case), build(method, case)
    last = arrive(first)
    if first.optimizers:
        step_through(first, next(iter(first.batches(last, 0))), 0, lambda _: None)
    second.begin(last, first.state_dict())
    assert first.evaluate("dev") == second.evaluate("dev")
    states = [flat_state(built.state_dict()) for built in (first, second)]
    assert states[0].keys() == states[1].keys()
    assert all(same(states[0][name], states[1][name]) for name in states[0])


def flat_state(state: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            flat |= flat_state(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    return bool(first == second)


@pytest.mark.parametrize("method, case", EACH)
def test_settings_survive_the_row(method: str, case: str) -> None:
    loader = get_method(method)
    config = read_config(loader.config_type, CASES[method][case], where=case)
    assert read_config(loader.config_type, flatten(config), where="row") == config


@pytest.mark.filterwarnings("ignore")  # Ray and Tune warn of their own future
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("method", METHODS)
def test_a_sweep_of_it_has_a_board(method: str, tmp_path: Path) -> None:
    settings = CARL if method == "carl" else MSMO
    held = {name: value for name, value in settings.items() if name != "learning_rate"}
    held["layers"] = 0
    options = {"trials": 3, "seeds": 1, "slots": 1, "results": tmp_path, "quiet": True}
    found = raysearch.sweep(method, settings=held, **options)
    assert found.summary.ending == "done"
    board = found.leaderboard()
    assert list(board["trial"].sort_values()) == [0, 1, 2]
    assert board.filter(like="config/").astype(str).nunique().max() == 3
