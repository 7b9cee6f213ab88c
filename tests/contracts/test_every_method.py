"""What every method promises to the loop: a method is tested by being listed here."""

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import raysearch
from raysearch.config import flatten, read_config, rules
from raysearch.errors import ConfigError
from raysearch.methods import METHODS, get_method
from raysearch.methods.base import Method, Stage
from raysearch.methods.carl.config import VARIANTS as CARL_VARIANTS
from raysearch.methods.description import Reported
from raysearch.methods.msmo.config import VARIANTS as MSMO_VARIANTS
from raysearch.run import Cell, Report, Run, RunSpec, RunState
from raysearch.training.progress import NullListener
from raysearch.training.run import execute_run

CARL = {
    "encoder": "tiny",
    "corpora": ["sample"],
    "max_length": 16,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "epochs": 0.25,
    "reports": 2,
    "checkpoint_seconds": 0.0,
}
MSMO = {
    "encoder": "tiny",
    "pairs": ["en-es"],
    "max_length": 32,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "distill_learning_rate": 1e-3,
    "steps": 8,
    "align_steps": 3,
    "student_steps": 3,
    "distill_steps": 6,
    "reports": 2,
    "checkpoint_seconds": 0.0,
}
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "carl": {variant: {**CARL, "variant": variant} for variant in CARL_VARIANTS}
    | {
        "paper": {**CARL, **get_method("carl").config_type.PAPER},
        "bf16": {**CARL, "precision": "bf16"},
        "warmup": {**CARL, "contrastive_warmup_share": 0.5, "freeze_embeddings": True},
        "finetuned": {**CARL, "protocol": "finetuned", "finetune_epochs": 0.1},
    },
    "msmo": {variant: {**MSMO, "variant": variant} for variant in MSMO_VARIANTS}
    | {
        "paper": {**MSMO, **get_method("msmo").config_type.PAPER},
        "bf16": {**MSMO, "precision": "bf16"},
        "interleaved": {**MSMO, "schedule": "interleaved", "critic_burst": True},
        "literal": {**MSMO, "sampling": "literal"},
        "code": {
            **MSMO,
            "schedule": "interleaved",
            "sampling": "literal",
            "adversarial_source": "mixed",
            "critic_horizon": 0.19,
            "freeze_embeddings": True,
        },
        "deep": {**MSMO, "critic_layers": 3, "schedule": "interleaved"},
        "built": {**MSMO, "code_switch": "built", "alignment_noise": 0.2},
        "distill_s": {**MSMO, "distillation": "single", "freeze_embeddings": True},
        "distill_m": {**MSMO, "distillation": "multi", "distill_loss": "kl"},
        "raw_student": {
            **MSMO,
            "variant": "acs",
            "distillation": "single",
            "student_start": "pretrained",
            "distill_temperature": 2.0,
        },
        "mtl": {
            **MSMO,
            "pairs": ["en-es", "en-fr"],
            "multilingual": True,
            "distillation": "single",
        },
    },
}
"""Method to name of the case to its settings; every method of `METHODS` has at least one."""

EACH = [(method, case) for method, cases in CASES.items() for case in cases]
TRAINED = [each for each in EACH if each[1] != "frozen"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


class Record(NullListener):
    """A listener that keeps what it hears and stops after so many reports."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.stop_after, self.reports = stop_after, list[Report]()

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def stopped(self) -> bool:
        return len(self.reports) >= self.stop_after


def build(method: str, case: str, seed: int = 0) -> Method:
    loader = get_method(method)
    config = read_config(loader.config_type, CASES[method][case], where=case)
    cell = Cell(loader.tasks(config)[0], seed)
    return loader.build(
        config, cell, device=torch.device("cpu"), roles=("train", "dev"), data_dir="nowhere"
    )


def run(
    method: str,
    case: str,
    folder: Path,
    *,
    seed: int = 0,
    stop_after: int = 10**9,
    given: Mapping[str, Any] | None = None,
) -> Run | None:
    loader = get_method(method)
    settings = {**CASES[method][case], **(given or {})}
    config = read_config(loader.config_type, settings, where=case)
    spec = RunSpec(
        sweep="contract",
        number=0,
        cell=Cell(loader.tasks(config)[0], seed),
        method=method,
        config=settings,
        folder=str(folder / "leases" / "a"),
    )
    return execute_run(spec, Record(stop_after), data_dir="nowhere")


def metrics_of(method: str, case: str) -> Collection[str]:
    loader = get_method(method)
    assert isinstance(loader, Reported)
    config = read_config(loader.config_type, CASES[method][case], where=case)
    return loader.metrics(config, role="dev", data_dir="nowhere")


def curve(trial: Run | None) -> list[tuple[int, dict[str, float]]]:
    assert trial is not None and trial.state is RunState.COMPLETE, trial
    return [(report.step, dict(report.metrics)) for report in trial.curve]


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
