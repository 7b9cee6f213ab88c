"""`raysearch experiment`: a whole small study, its page, going on, other scales, and mistakes."""

import json
import re
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from raysearch.api.answer import MEASURED, experiments, find_experiment
from raysearch.api.experiment import sweep_options
from raysearch.api.options import ExperimentOptions
from raysearch.cli import main, parser
from raysearch.cli.arguments import given
from raysearch.cli.parsing import leaves
from raysearch.summary import Ending, SweepSummary

SPACE = """\
method: carl
objective: {metric: dev/va_pearson}
budget: {trials: 4, seeds: 2}
sampler: grid
pruner: none
setting:
  encoder: tiny
  corpora: [sample]
  batch_size: 16
  epochs: 0.5
  reports: 1
  label_geometry: gauss
search:
  variant: [no_ptd, frozen]
  learning_rate: {choices: [1e-3, 2e-3], when: {variant: no_ptd}}
study:
  question: Does training help?
  metric: test/va_pearson
  reference: {variant: frozen}
  beside: [test/sample/uniformity]
  tuned: [learning_rate]
  figure: bars
  limits: [One corpus.]
  small: [One tiny encoder.]
  paper: {seeds: 5, encoder: google-bert/bert-base-uncased, corpora: [emobank, facebook]}
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return path


def test_every_study_that_is_asked_for_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    carl = ("ablation", "saliency", "labels", "normalisation", "embedding", "scale", "warmup")
    msmo = ("baseline", "ablation", "codeswitch", "translation-free", "alignment-noise", "beta")
    names = {*(f"carl-{name}" for name in carl), *(f"msmo-{name}" for name in msmo)}
    names |= {"carl-depth", "msmo-depth", "msmo-teachers", "msmo-clip"}
    tables = ("table", "multilingual", "table-mbert", "multilingual-mbert")
    names |= {f"msmo-{name}" for name in tables}
    names |= {f"carl-table-{name}" for name in ("va", "polarity", "transfer", "emotion")}
    assert names == set(experiments())
    assert main(["experiment"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert main(["experiment", "--format", "json"]) == 0
    asked = json.loads(capsys.readouterr().out)
    assert set(asked) == names and all(text.endswith("?") for text in asked.values())


@pytest.mark.slow
def test_a_study_from_training_to_its_page(
    space: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["experiment", "mine.yaml", "--slots", "1"]) == 0
    shown = capsys.readouterr().out
    assert "Does training help?" in shown and "reference" in shown
    assert max(map(len, shown.splitlines()[-12:])) <= 80
    folder = Path("results/mine")
    page = (folder / "study.md").read_text()
    assert "**Does training help?**" in page and "| **frozen** |" in page
    assert "- One corpus." in page and "- One tiny encoder." in page
    assert "python -m raysearch experiment mine.yaml --slots 1" in page
    assert (folder / "study.svg").read_text().startswith("<?xml")
    assert "<html" in (folder / "report.html").read_text()
    rows = pq.read_table(folder / "test" / "trials").to_pylist()
    assert len(rows) == 6  # the paper's setting, the chosen rate and `frozen`, two seeds each
    assert pq.read_table(folder / "trials").num_rows == 8

    # The same command trains and reads nothing again, and says the same.
    assert main(["experiment", "mine.yaml", "--slots", "1", "--format", "json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert pq.read_table(folder / "test" / "trials").num_rows == 6
    by_arm = {arm["arm"]: arm for arm in record["arms"]}
    assert set(by_arm) == {"the paper's setting", "no_ptd", "frozen"}
    found = [row["metric/test/va_pearson"] for row in rows if row["config/variant"] == "no_ptd"]
    assert by_arm["no_ptd"]["mean"] == pytest.approx(sum(found) / 2)
    assert by_arm["no_ptd"]["tried"] == 2
    assert by_arm["no_ptd"]["tuned"]["learning_rate"] in (1e-3, 2e-3)
    mean = re.search(r"no_ptd \| (\d\.\d{4})", page)
    assert mean is not None and float(mean[1]) == pytest.approx(sum(found) / 2, abs=1e-4)
    assert record["answer"][0] in page
    assert not (folder / MEASURED).exists()


def test_the_papers_scale_changes_settings_seeds_and_name(space: Path) -> None:
    words = ["experiment", "mine.yaml", "--scale", "paper", "--set", "corpora=sample"]
    args = parser().parse_args([*words, "--gpus-per-worker", "0.5", "--results", "there"])
    options = ExperimentOptions(**given(args))
    sweep = sweep_options(options, *find_experiment("mine.yaml"))
    assert (sweep.name, sweep.seeds, sweep.keep) == ("mine-paper", 5, "all")
    assert sweep.settings == {
        "encoder": "google-bert/bert-base-uncased",
        "corpora": "sample",
    }
    assert (sweep.gpus_per_worker, sweep.results) == (0.5, "there")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "unknown experiment `nothing`"),
        (["plain.yaml"], "must have a section `study` that asks a question"),
        (
            ["mine.yaml", "--cluster", "cluster.yaml"],
            "`--cluster` and `--slurm` must be left out of an experiment",
        ),
        (["mine.yaml", "--seeds", "0"], "`--seeds` must be an integer in [1, 10000]"),
        (["mine.yaml", "--set", "top_k"], "`--set` must be NAME=VALUE"),
    ],
)
def test_mistakes(
    space: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    Path("plain.yaml").write_text(SPACE.partition("study:")[0])
    assert main(["experiment", *words]) == 2
    assert said in capsys.readouterr().err
    assert not Path("results").exists()


def test_a_study_without_all_its_arms_has_no_answer(
    space: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [
        SweepSummary(ending=Ending.COST, asked=3, unfinished=2),
        SweepSummary(ending=Ending.INTERRUPTED, asked=3, unfinished=2),
    ]
    monkeypatch.setattr(
        import_module("raysearch.api.experiment"),
        "search",
        lambda *_: (SimpleNamespace(root="here"), ended.pop(0)),
    )
    assert main(["experiment", "mine.yaml"]) == 2
    assert "ended by cost with 2 of 3 configurations open" in capsys.readouterr().err
    assert main(["experiment", "mine.yaml", "--slots", "1"]) == 130
    said = capsys.readouterr().err
    assert "continue with\n  python -m raysearch experiment mine.yaml --slots 1" in said


def test_the_former_word_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 0
    former = capsys.readouterr().out
    assert main(["experiment"]) == 0
    assert capsys.readouterr().out == former
    assert "study" not in {leaf.prog.split()[1] for leaf in leaves(parser())}


@pytest.mark.parametrize("form", ["--study {}", "--study={}"])
def test_no_part_of_a_password_stands_on_the_page(form: str) -> None:
    """Not what follows a quote in it either."""
    from raysearch.cli.experiment import _command

    words = form.format("postgresql://u:SEC'RET@h/d").split()
    said = _command(["experiment", "carl-ablation", *words])
    assert "RET" not in said and "SEC" not in said and "h/d" in said
    assert said.startswith("python -m raysearch experiment carl-ablation ") and "--study" in said
