"""Methods that other packages add: found by name, said when broken, part of the code's digest."""

import json
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raysearch import methods
from raysearch.api.answer import find_experiment, read_experiment
from raysearch.api.compare import compare
from raysearch.api.export import export
from raysearch.api.options import find_space
from raysearch.api.report import report
from raysearch.api.train import train_here
from raysearch.config import flatten, rules
from raysearch.errors import ConfigError
from raysearch.leaderboard import Store
from raysearch.run import Cell, RunSpec
from raysearch.search.space.space import load_space
from raysearch.training.run import execute_run
from raysearch.training.stages import keys

TOY = Path(__file__).parents[2] / "examples" / "raysearch-toy"


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, methods.GROUP)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes entry points be there, as an installed package does."""

    def install(*points: EntryPoint) -> None:
        monkeypatch.setattr(methods, "entry_points", lambda group: points)

    for cached in (methods.outside_methods, keys.code_version, keys.method_code):
        cached.cache_clear()
    yield install
    for cached in (methods.outside_methods, keys.code_version, keys.method_code):
        cached.cache_clear()


@pytest.fixture
def toy(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TOY)
    installed(point("toy", "raysearch_toy:LOADER"))
    yield
    for name in [name for name in sys.modules if name.startswith("raysearch_toy")]:
        del sys.modules[name]


def test_the_toy_is_a_method_like_any_other(toy: None) -> None:
    loader = methods.get_method("toy")
    assert "loss" in rules(loader.config_type)
    assert loader.tasks(loader.config_type()) == ("sample",)
    space = load_space(find_space("toy", None))
    assert [item.name for item in space.searched] == ["learning_rate", "loss"]
    with pytest.raises(ConfigError, match="unknown method `toi`; did you mean `toy`"):
        methods.get_method("toi")


def test_the_toy_trains_and_resumes(toy: None, tmp_path: Path) -> None:
    def curve(folder: str, stop_after: int = 99) -> list[Any]:
        heard: list[Any] = []
        listener = SimpleNamespace(
            started=lambda *_: None, progress=lambda *_: None, report=heard.append,
            stopped=lambda: len(heard) >= stop_after, preempted=lambda: False, owns=lambda: True,
        )  # fmt: skip
        config = {
            "steps": 4,
            "reports": 2,
            "batch_size": 8,
            "max_length": 16,
            "checkpoint_seconds": 0.0,
        }
        spec = RunSpec(
            sweep="s", number=0, cell=Cell("sample", 0), method="toy", config=config,
            folder=str(tmp_path / folder / "leases" / "a"),
        )  # fmt: skip
        trial = execute_run(spec, listener, data_dir="nowhere")  # type: ignore[arg-type]
        return [(report.step, dict(report.metrics)) for report in trial.curve] if trial else []

    straight = curve("straight")
    assert [step for step, _ in straight] == [2, 4]
    assert curve("cut", stop_after=1) == []
    assert curve("cut") == straight


QUESTION = """
method: toy
objective: {metric: dev/pearson}
budget: {trials: 2, seeds: 2}
sampler: grid
pruner: none
search: {loss: [squared, absolute]}
study:
  question: Does it matter which error is minimised?
  metric: dev/pearson
  reference: {loss: squared}
  figure: bars
"""


def test_the_toy_is_read_as_any_other_method_is(
    toy: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Report, compare, experiment and export ask a plug-in for what they show of its settings."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "question.yaml").write_text(QUESTION)
    folder = "results/toy"
    card = {
        "name": "toy", "metric": "dev/pearson", "direction": "maximize", "cells": 2,
        "tasks": ["sample"], "search": {"loss": {"choices": ["squared", "absolute"]}},
    }  # fmt: skip
    for number, loss in enumerate(("squared", "absolute")):
        for seed in range(2):
            config = {"steps": 2, "reports": 1, "batch_size": 8, "max_length": 16, "loss": loss}
            spec = RunSpec(
                sweep="toy", number=number, cell=Cell("sample", seed), method="toy", keep=True,
                config=flatten(methods.config_type("toy")(**config)), folder="",
            )  # fmt: skip
            own = replace(spec, folder=f"{folder}/leases/{spec.id}")
            Store(folder).append(train_here(own, "nowhere"))
    (tmp_path / folder / "sweep.json").write_text(json.dumps(card))

    page = report([folder], output="report.html")
    assert page.sweeps == (folder,) and not page.problems
    found = compare(f"{folder}:0", f"{folder}:1")
    [(contrast, _)] = found.contrasts
    assert contrast.goal.name == "dev/pearson"
    path, space = find_experiment("question.yaml")
    answered = read_experiment(folder, space, path.stem)
    assert len(answered.answer.results) == 2 and answered.sentences
    assert "<svg" in answered.figure() and "absolute" in answered.page("figure.svg")
    written = export(f"{folder}:1", "encoder")
    assert [trial.number for trial in written.models.values()] == [1]
    assert "datasets:\n- sample\n" in Path("encoder/README.md").read_text()


def test_its_code_counts_in_its_own_keys_only(
    installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "added").mkdir()
    source = tmp_path / "added" / "__init__.py"
    source.write_text("LOADER = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    installed(point("added", "added:LOADER"))
    own, before = keys.code_version("carl"), keys.code_version("added")
    assert own == keys.code_version() != before
    source.write_text("LOADER = 2\n")
    keys.code_version.cache_clear()
    assert keys.code_version("added") != before
    assert keys.code_version("carl") == own


def test_a_method_that_is_one_module_counts_by_its_file(
    installed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "single.py").write_text("LOADER = 1\n")
    (tmp_path / "another.py").write_text("nothing of it\n")
    monkeypatch.syspath_prepend(tmp_path)
    installed(point("single", "single:LOADER"))
    code, method = keys.code_version("single"), keys.method_code("single")
    assert code != keys.code_version() and len(method) == 64
    assert methods.package_folder("single") is None
    (tmp_path / "single.py").write_text("LOADER = 2\n")
    for cached in (keys.code_version, keys.method_code):
        cached.cache_clear()
    assert keys.code_version("single") != code and keys.method_code("single") != method


def test_a_methods_own_code_is_not_that_of_others() -> None:
    assert len({keys.method_code(name) for name in ("carl", "msmo")}) == 2
    assert keys.method_code("no_such") == ""


def test_a_method_of_ours_is_not_replaced(installed: Any) -> None:
    installed(point("carl", "somebody:ELSE"))
    assert methods.get_method("carl") is methods.METHODS["carl"]


@pytest.mark.parametrize("value", ["no_such_package:LOADER", "json:LOADER"])
def test_what_cannot_be_imported_is_said(installed: Any, value: str) -> None:
    installed(point("broken", value))
    with pytest.raises(ConfigError, match=f"`broken` must be importable as {value}"):
        methods.get_method("broken")


def test_two_packages_with_one_name_are_said(installed: Any) -> None:
    installed(point("toy", "one:LOADER"), point("toy", "two:LOADER"))
    with pytest.raises(ConfigError, match="`toy` comes as one:LOADER and as two:LOADER"):
        methods.get_method("toy")
