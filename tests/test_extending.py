"""docs/extending.md: its code is run, its places exist, its example is the one that is tested."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raysearch import corpora
from raysearch.api.answer import find_experiment
from raysearch.corpora import registry
from raysearch.run import Origin
from raysearch.search.space.space import load_space
from raysearch.search.suggest import samplers
from raysearch.search.suggest.sampler_view import SamplerView

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text()
CORPUS, SAMPLER = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def run(code: str) -> None:
    exec(compile(code, "docs/extending.md", "exec"), {"__name__": "extending"})


@pytest.fixture(autouse=True)
def restored() -> Any:
    """The registries as they were, once a test has added to them."""
    tables: list[dict[str, Any]] = [registry.CORPORA, corpora.LOADERS, samplers.SAMPLERS]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


def test_a_corpus_is_a_loader_and_an_entry(tmp_path: Path) -> None:
    run(CORPUS)
    (tmp_path / "diary").mkdir()
    lines = [f"today number {n} went well,{1 + n % 9},{9 - n % 9}" for n in range(200)]
    (tmp_path / "diary" / "diary.csv").write_text("\n".join(["text,valence,arousal", *lines]))
    corpus = corpora.load("diary", tmp_path, {"train", "dev"})
    assert corpus.task == "va" and corpus.roles == ("train", "dev")
    assert 130 < len(corpus.split("train")) < 190
    labels = corpus.split("train").labels
    assert labels.min() == 0 and labels.max() == 1
    (tmp_path / "diary" / "diary.csv").write_text("text,valence,arousal\nfine,10,2\n")
    with pytest.raises(corpora.source.DataError, match="diary.csv"):
        corpora.load("diary", tmp_path, {"train"})


def test_a_search_algorithm_is_an_entry() -> None:
    run(SAMPLER)
    space = replace(load_space(ROOT / "search_spaces" / "carl.yaml"), sampler="tpe-univariate")
    proposed = []
    for _ in range(2):
        trial = SamplerView(space, 3, (), ()).propose(0)
        assert trial is not None and trial.origin is Origin.OTHER
        proposed.append(trial.trial.params)
    assert proposed[0] == proposed[1]
    assert {item.name for item in space.searched if not item.when} <= set(proposed[0])


def test_the_example_is_shown_as_it_is() -> None:
    project = (ROOT / "examples" / "raysearch-toy" / "pyproject.toml").read_text()
    [entry] = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    assert entry in project
    [tree] = re.findall(r"```text\n(.*?)```", TEXT, re.S)
    for line in tree.splitlines():
        assert (ROOT / "examples" / "raysearch-toy" / line.split()[0]).is_file()


def test_a_study_is_a_space_with_a_question(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(# question.yaml.*?)```", TEXT, re.S)
    (tmp_path / "question.yaml").write_text(text)
    _, space = find_experiment(str(tmp_path / "question.yaml"))
    assert space.question is not None and space.question.text.endswith("knows nothing?")
