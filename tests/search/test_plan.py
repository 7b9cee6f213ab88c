"""Is a metric that no trial has known before the first trial, or with its first report."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from raysearch.corpora import data_dir
from raysearch.errors import ConfigError
from raysearch.search.plan import check_metrics, known_metrics
from raysearch.search.space.parameters import Parameter
from raysearch.search.space.space import SearchSpace, load_space

SPACES = Path(__file__).parents[2] / "search_spaces"


def carl(metric: str, **settings: str) -> SearchSpace:
    space = load_space(SPACES / "carl.yaml")
    return space.with_overrides({"corpora": "sample", **settings}, metric=metric)


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("dev/va_pearsn", "did you mean `dev/va_pearson`?"),
        ("dev/sampel/valence_pearson", "did you mean `dev/sample/valence_pearson`?"),
        ("dev/finetuned_va_pearson", "did you mean `dev/va_pearson`?"),
        ("dev/zzz", "known: dev/detection_auc, dev/detection_auc_removed, dev/"),
    ],
)
def test_a_metric_that_no_trial_has_is_known_before_the_first(metric: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_metrics(carl(metric), "nowhere")
    text = str(caught.value)
    assert text.startswith(
        f"`metric` must be a metric that trials report, but is an unknown metric `{metric}`"
    )
    assert near in text and text.endswith("carl.yaml)")


@pytest.mark.parametrize(
    ("metric", "settings"),
    [
        ("dev/va_pearson", {}),
        ("dev/detection_auc", {}),
        ("dev/finetuned_va_pearson", {"protocol": "finetuned"}),
        ("dev/sample_polarity/accuracy", {}),
        ("train/loss", {}),  # not to be known before there is a report
    ],
)
def test_a_metric_that_trials_may_have_is_taken(metric: str, settings: dict[str, str]) -> None:
    check_metrics(carl(metric, **settings), "nowhere")


def test_settings_say_which_metrics_there_are() -> None:
    space = load_space(SPACES / "carl.yaml")
    frozen = space.with_overrides({"variant": "frozen"})
    assert known_metrics(space, "dev", "nowhere") - known_metrics(frozen, "dev", "nowhere") == {
        f"dev/{name}"
        for name in (
            *("detection_auc", "detection_auc_removed", "mccl_kl", "perturbation_changed"),
            *("saliency_agreement", "saliency_chance"),
        )
    }
    choices = ("frozen", "saliency")
    either = replace(
        frozen,
        setting={name: value for name, value in frozen.setting.items() if name != "variant"},
        parameters=(Parameter(name="variant", kind="choice", choices=choices),),
    )
    assert "dev/detection_auc" in known_metrics(either, "dev", "nowhere")


def test_what_a_study_asks_for_is_looked_at_as_well(tmp_path: Path) -> None:
    text = (SPACES / "studies" / "carl-warmup.yaml").read_text()
    path = tmp_path / "asked.yaml"
    path.write_text(
        re.sub(r"(corpora: \[)[^]]*", r"\1sample", text)
        .replace("metric: test/va_pearson", "metric: test/va_pearsn")
        .replace("y: dev/saliency_agreement", "y: dev/saliency_agreemnt")
    )
    with pytest.raises(ConfigError) as caught:
        check_metrics(load_space(path), "nowhere")
    assert [text.split(",")[0] for text in caught.value.problems] == [
        "`study.metric` must be a metric that trials report",
        "`study.y` must be a metric that trials report",
    ]


@pytest.mark.parametrize("path", sorted(SPACES.glob("**/*.yaml")), ids=lambda path: path.stem)
def test_the_spaces_that_come_along_ask_for_metrics_that_there_are(path: Path) -> None:
    check_metrics(load_space(path), str(data_dir()))
