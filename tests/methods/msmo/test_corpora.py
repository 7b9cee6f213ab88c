"""Which data a trial opens, and what it says of data that is not there."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from raysearch.errors import ConfigError, DataError, RoleError
from raysearch.methods import get_method
from raysearch.methods.msmo import corpora
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.corpora import load_pairs, needed_views, roles_of
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.stages import outline
from raysearch.methods.msmo.variants import VARIANTS
from raysearch.run import Cell

MakeConfig = Callable[..., MsmoConfig]


@pytest.fixture
def english_only(tmp_path: Path) -> Path:
    """A corpus of English sentences without translations."""
    row = "The\tO\tNIL\nfood\tT-POS\tNIL\n\n"
    for name in ("gold-en-train", "gold-en-dev", "gold-es-train", "gold-es-dev"):
        (tmp_path / f"{name}.txt").write_text(row * 4)
    return tmp_path


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_bundled_corpus_serves_every_variant(make_config: MakeConfig, variant: str) -> None:
    get_method("msmo").check(make_config(variant=variant), data_dir="nowhere")


def test_asking_imports_no_torch() -> None:
    code = (
        "import sys\n"
        "from raysearch.methods import get_method\n"
        "loader = get_method('msmo')\n"
        "loader.check(loader.config_type(), data_dir='nowhere')\n"
        "assert not {'torch', 'transformers', 'ray'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_roles_are_opened_where_they_are_needed(make_config: MakeConfig) -> None:
    assert roles_of(make_config()) == ("train", "dev")
    assert roles_of(make_config(variant="supervised")) == ("target_train", "target_dev")
    assert roles_of(make_config(distillation="multi")) == ("train", "dev", "unlabelled")
    assert needed_views(make_config(variant="zero_shot")) == ("s",)
    raw = make_config(variant="zero_shot", distillation="single", student_start="pretrained")
    assert needed_views(raw) == ("s",)
    assert needed_views(make_config(variant="supervised")) == ("gold",)


def test_missing_views_are_said_for_all_pairs(make_config: MakeConfig, english_only: Path) -> None:
    corpus = str(english_only)
    get_method("msmo").check(make_config(corpus=corpus, variant="zero_shot"), data_dir="x")
    get_method("msmo").check(make_config(corpus=corpus, variant="supervised"), data_dir="x")
    with pytest.raises(DataError) as caught:
        config = make_config(corpus=corpus, variant="msmo", pairs="en-es,en-xx")
        get_method("msmo").check(config, data_dir="x")
    first, *others = str(caught.value).split("\n")
    assert "must have the views s, st, ts, t of en-es" in first and "no st, ts, t" in first
    assert others and "xx" in others[0]


def test_a_search_cannot_open_target_dev_or_test(make_method: Callable[..., MsmoMethod]) -> None:
    for variant, closed in (("acs", ("target_dev", "test")), ("supervised", ("test",))):
        method = make_method(variant=variant)
        method.begin(method.stages()[-1])
        for role in closed:
            with pytest.raises(RoleError, match=f"role `{role}` .* must be opened"):
                method.evaluate(role)
    with pytest.raises(RoleError, match="unlabelled"):
        make_method(variant="msmo")._corpus.sentences("unlabelled")


def test_a_pair_is_read_once(make_config: MakeConfig) -> None:
    first = load_pairs(make_config(), ("en-es",), "nowhere", ("train", "dev"))
    again = load_pairs(make_config(), ("en-es",), "nowhere", ("dev", "train"))
    assert first.keys() == again.keys() == {"en-es"} and again["en-es"] is first["en-es"]


def test_other_words_switched_are_other_data_and_another_stage(make_config: MakeConfig) -> None:
    found = []
    for switched in ("aspects", "random"):
        config = make_config(code_switch="built", switched=switched)
        pairs = load_pairs(config, ("en-es",), "nowhere", ("train", "dev"))
        found.append(corpora.digests(config, pairs))
        assert all("switched" in stage.fields for stage in outline(config))
    same = {name for name in found[0] if found[0][name] == found[1][name]}
    assert same == set(found[0]) - {"st_digest", "ts_digest"}


def test_the_cells_task_is_one_of_the_pairs(make_config: MakeConfig) -> None:
    with pytest.raises(ConfigError, match="`pairs` must hold the pair of the trial, en-xx"):
        get_method("msmo").build(
            make_config(), Cell("en-xx", 0), device=torch.device("cpu"),
            roles=("train", "dev"), data_dir="nowhere",
        )  # fmt: skip
