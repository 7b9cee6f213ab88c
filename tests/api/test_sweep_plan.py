"""An exported configuration is trained again, held in a sweep, or refused with what is wrong."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import raysearch
from raysearch.api import sweep_plan
from raysearch.api.options import SweepOptions
from raysearch.api.sweep_plan import plan_of, settings_of
from raysearch.cli import main
from raysearch.errors import ConfigError

sweep_module = import_module("raysearch.api.sweep")  # hidden by the function of its name

TINY = {
    "encoder": "tiny", "epochs": 0.1, "batch_size": 16, "reports": 1, "focal_alpha": None,
    "freeze_embeddings": True, "corpora": ["sample"], "learning_rate": 3e-5,
}  # fmt: skip


@pytest.mark.slow
def test_an_exported_configuration_is_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = raysearch.train("carl", settings=TINY, seed=3, name="a", results=tmp_path, quiet=True)
    assert main(["export", f"{tmp_path}/a:0", "--as", "config"]) == 0
    file = tmp_path / "raysearch.yaml"
    file.write_text(capsys.readouterr().out)
    again = raysearch.train("carl", config=file, name="b", results=tmp_path, quiet=True)
    assert (again.config, again.cell) == (first.config, first.cell)
    assert again.metrics == first.metrics
    other = raysearch.train(
        "carl",
        config=file,
        settings={"epochs": 0.2},
        seed=1,
        name="c",
        results=tmp_path,
        quiet=True,
    )
    assert {**other.config, "epochs": 0.1} == first.config and other.cell.seed == 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "config.yaml"
    place.write_text(yaml.safe_dump({"method": "carl", "task": "x", "seed": 0, "setting": TINY}))
    return place


def test_a_sweep_holds_what_its_space_does_not_search(file: Path, tmp_path: Path) -> None:
    options = SweepOptions("carl", config=file, results=tmp_path, settings={"reports": 2})
    plan = plan_of(options)
    held, searched = plan.space.setting, {item.name for item in plan.space.searched}
    assert (held["encoder"], held["epochs"], held["batch_size"]) == ("tiny", 0.1, 16)
    assert held["freeze_embeddings"] is True and held["reports"] == 2
    assert {"learning_rate", "top_k"} <= searched and not searched & set(held)
    settled = replace(options, settings=settings_of(options), config=None)
    assert plan_of(settled).space == plan.space


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("method: msmo\nsetting: {}\n", "must be a configuration of carl, but"),
        ("method: carl\n", "`setting` must be in a file that `raysearch export` wrote"),
        ("method: carl\nsetting: [a]\nseed: x\n", "`seed` must be an integer"),
        ("method: carl\nsetings: {}\nsetting: {}\n", "unknown key `setings`; did you mean"),
        ("method: carl\nsetting: {tok_p: 1}\n", "unknown setting `tok_p`"),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    for run in (raysearch.train, raysearch.sweep):
        with pytest.raises(ConfigError, match=said):
            run("carl", config=file, results=tmp_path)  # type: ignore[operator]
    with pytest.raises(ConfigError, match="cannot read"):
        raysearch.train("carl", config=tmp_path / "none.yaml", results=tmp_path)


@pytest.mark.parametrize(
    ("given", "gpus", "slots", "said"),
    [
        ({}, 1.0, 2, "2 slots of 1 GPU of the 2 here; "),
        ({"workers_per_trial": 2}, 1.0, 1, "1 slot of 2 GPUs of the 2 here; "),
        ({"gpus_per_worker": 0.5}, 0.5, 4, "4 slots of 0.5 GPUs of the 2 here; "),
        ({"gpu_types": "L4,A10G"}, 1.0, 2, "2 slots of 1 GPU (L4, else A10G) of the 2 here; "),
        ({"gpus_per_worker": 0}, 0.0, 16, "16 slots on the CPU (2 GPUs here unused); "),
        ({"cpus_per_worker": 10}, 1.0, 1, "1 slot of 1 GPU of the 2 here; "),
        ({"slots": 3}, 1.0, 3, "3 slots of 1 GPU of the 2 here; "),  # Ray then says that 2 fit
        ({"address": "auto", "slots": 5}, 0.0, 5, "5 slots; "),
        ({"cluster": "cluster.yaml", "slots": 5}, 0.0, 5, ""),
    ],
)
def test_where_gpus_are_each_trial_has_one(
    given: dict[str, Any],
    gpus: float,
    slots: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (sweep_plan, sweep_module):
        monkeypatch.setattr(module, "visible_gpus", lambda: 2)
    monkeypatch.setattr(sweep_plan, "usable_cores", lambda: 16)
    plan = plan_of(SweepOptions("carl", results=tmp_path, **given))
    assert (plan.gpus_per_worker, plan.slots) == (gpus, slots)
    assert said in sweep_module.header_of(plan, {}).headline


@pytest.mark.parametrize("text", ["L4,,T4", "L4,L4", "!in(T4)", "L4 T4", ","])
def test_types_of_gpus_are_names(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`--gpu-types` must be names of GPU types, each once"):
        plan_of(SweepOptions("carl", results=tmp_path, gpus_per_worker=1, gpu_types=text))


def test_types_of_gpus_go_with_gpus(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`gpu_types` L4 must go with GPUs, but"):
        plan_of(SweepOptions("carl", results=tmp_path, gpus_per_worker=0, gpu_types="L4"))


def test_ray_gives_a_part_of_one_gpu_or_whole_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`gpus_per_worker` must be in .0, 1. or whole, .* 1.5"):
        plan_of(SweepOptions("carl", results=tmp_path, gpus_per_worker=1.5))
