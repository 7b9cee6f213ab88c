"""The paper card, the settings and the stages tell the same story."""

import dataclasses
import itertools

import pytest
from paper_card import card_rows, real_defaults

import raysearch.methods.msmo as card
from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.stages import network_of, outline
from raysearch.methods.msmo.variants import VARIANTS, spec_of
from raysearch.methods.stage import parents_of

NAMES = [field.name for field in dataclasses.fields(MsmoConfig)]


def test_the_card_names_every_setting_with_its_real_default() -> None:
    assert card_rows(card) == real_defaults(MsmoConfig)


@pytest.mark.parametrize("pair", ["", "en-fr", "en-es", "en-nl", "en-ru"])
def test_the_papers_setting_is_valid(pair: str) -> None:
    config = read_config(MsmoConfig, dict(MsmoConfig.paper(pair)), where="card")
    assert (config.schedule, config.critic_clip, config.adversarial_weight) == (
        "sequential",
        0.01,
        1,
    )
    betas = {"": 2.25e-3, "en-fr": 2.5e-3, "en-es": 1.5e-3, "en-nl": 1.5e-3, "en-ru": 3.5e-3}
    assert config.consistency_weight == betas[pair]


@pytest.mark.parametrize(
    "encoder", ["bert-base-multilingual-cased", "google-bert/bert-base-multilingual-cased"]
)
def test_the_papers_beta_and_rates_depend_on_the_backbone(encoder: str) -> None:
    given = {"encoder": encoder, "learning_rate": 5e-5}
    betas = [MsmoConfig.paper(f"en-{t}", given)["consistency_weight"] for t in ("fr", "es", "nl")]
    assert betas == [4.5e-4, 2.5e-4, 2.5e-4]
    assert MsmoConfig.paper("en-ru", given)["consistency_weight"] == 3.5e-4
    assert MsmoConfig.paper("", given)["consistency_weight"] == 3.25e-4
    assert MsmoConfig.paper("", given)["critic_learning_rate"] == 5e-5
    large = {"encoder": "FacebookAI/xlm-roberta-base"}
    assert MsmoConfig.paper("en-ru", large)["consistency_weight"] == 3.5e-3
    assert MsmoConfig.paper("", large)["critic_learning_rate"] == 2e-5
    assert MsmoConfig.paper()["sampling"] == "literal"


def test_every_setting_belongs_to_a_stage() -> None:
    """All but those that decide which stages there are, and where a checkpoint is written."""
    seen: set[str] = set()
    for variant, distillation, plan in itertools.product(
        VARIANTS, ("none", "single", "multi"), ("sequential", "interleaved")
    ):
        config = MsmoConfig(variant=variant, distillation=distillation, schedule=plan)
        seen |= {name for stage in outline(config) for name in stage.fields}
    assert set(NAMES) - seen == {"checkpoint_seconds", "pairs", "distillation"}


def test_stages_of_the_ladder() -> None:
    def names(**settings: object) -> list[str]:
        return [stage.name for stage in outline(read_config(MsmoConfig, settings, where="x"))]

    assert names() == ["align-main", "train-main"]
    assert names(schedule="interleaved") == ["train-main"]
    assert names(variant="acs") == ["train-main"]
    assert names(distillation="single") == [
        *("align-main", "train-main", "teach-main", "student", "distill")
    ]
    # The second teacher has no source side, so no critic.
    assert names(distillation="multi") == [
        *("align-t1", "train-t1", "teach-t1", "train-t2", "teach-t2"),
        *("align-t3", "train-t3", "teach-t3", "student", "distill"),
    ]
    assert names(variant="acs", distillation="multi", student_start="pretrained") == [
        *("train-t1", "teach-t1", "train-t2", "teach-t2", "train-t3", "teach-t3", "distill")
    ]


def test_parents_come_first_and_reports_fall_into_the_last_stage() -> None:
    for variant, distillation in itertools.product(VARIANTS, ("none", "single", "multi")):
        stages = outline(MsmoConfig(variant=variant, distillation=distillation))
        assert [stage.reports for stage in stages] == [False] * (len(stages) - 1) + [True]
        for index in range(len(stages)):
            assert all(parent < index for parent in parents_of(stages, index))
            assert network_of(stages[index]) in ("main", "t1", "t2", "t3", "student")


def test_what_a_stage_depends_on() -> None:
    """β reaches no alignment, no student; a distillation setting reaches no teacher."""
    stages = {stage.name: stage for stage in outline(MsmoConfig(distillation="single"))}
    beta = {name for name, stage in stages.items() if "consistency_weight" in stage.fields}
    clip = {name for name, stage in stages.items() if "critic_clip" in stage.fields}
    rate = {name for name, stage in stages.items() if "learning_rate" in stage.fields}
    assert rate == {"train-main", "student", "distill"}
    heat = {name for name, stage in stages.items() if "distill_temperature" in stage.fields}
    assert (beta, clip, heat) == ({"train-main"}, {"align-main"}, {"distill"})


def test_a_term_that_its_views_do_not_allow_is_absent() -> None:
    config = MsmoConfig(variant="no_translation", consistency_pairs=("s-t",))
    spec = spec_of(config, "main")
    assert spec.critic and not spec.pairs
    assert not spec_of(MsmoConfig(), "t2").critic
    assert spec_of(MsmoConfig(multilingual=True), "student").views == ("s", "t")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pairs": []}, "`pairs` must name at least one"),
        ({"pairs": ["enes"]}, "`pairs` must be like en-es"),
        ({"pairs": ["en-en"]}, "`pairs` must be like en-es"),
        ({"pairs": ["en-es", "fr-es"], "multilingual": True}, "one source language"),
        ({"alignment_noise": 0.1}, "`code_switch` is built"),
        ({"switched": "random"}, "`switched` must be aspects unless `code_switch` is built"),
        ({"adversarial_source": "mixed"}, "interleaved"),
        ({"consistency_pairs": []}, "`no_consistency`"),
        ({"teacher_weights": ["0.5", "0.5"]}, "`teacher_weights` must be 0 numbers"),
        ({"teacher_weights": ["a"], "distillation": "single"}, "must be numbers, but got a"),
        ({"teacher_weights": ["0.5", "0.3", "0.3"], "distillation": "multi"}, "sum to 1"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(MsmoConfig, settings, where="file.yaml:3")
