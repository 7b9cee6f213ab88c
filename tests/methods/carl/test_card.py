"""The paper card, the settings and the stages tell the same story."""

import dataclasses
from collections.abc import Callable

import pytest
from paper_card import card_rows, real_defaults

import raysearch.methods.carl as card
from raysearch.config import read_config, rules, settings_of
from raysearch.errors import ConfigError
from raysearch.methods.carl.config import VARIANTS, CarlConfig
from raysearch.methods.carl.stages import carl_stages

NAMES = [field.name for field in dataclasses.fields(CarlConfig)]


def test_the_card_names_every_setting_with_its_real_default() -> None:
    assert card_rows(card) == real_defaults(CarlConfig)


def test_every_setting_belongs_to_a_stage_or_to_evaluation() -> None:
    named = settings_of(CarlConfig, "", "detection", "reports", "finetune")
    assert set(NAMES) - {*named} == {"checkpoint_seconds"}


def test_the_papers_setting_is_valid() -> None:
    config = read_config(CarlConfig, dict(CarlConfig.PAPER), where="card")
    assert (config.epsilon, config.momentum_gap) == (5e-9, 4e-4)
    assert set(CarlConfig.PAPER) <= set(rules(CarlConfig))


@pytest.mark.parametrize("variant", VARIANTS)
def test_stages_add_up(variant: str, make_config: Callable[..., CarlConfig]) -> None:
    config = make_config(variant=variant, epochs=2.5, contrastive_warmup_share=0.3)
    stages = carl_stages(config, 10)
    assert sum(stage.steps for stage in stages) == (0 if variant == "frozen" else 25)
    warm = variant in ("carl", "saliency", "placebo")
    assert [stage.name for stage in stages] == (["warmup"] if warm else []) + ["pretrain"]
    if warm:
        assert stages[0].steps == 8
        # One schedule of the learning rate, as of the momentum.
        assert [stage.scheduled for stage in stages] == [(0, 25), (8, 25)]
    # A warm-up is shared with the reports that were made in it.
    unread = {"checkpoint_seconds"}
    if not warm:
        unread |= {*settings_of(CarlConfig, "reports", "finetune")}
    named = sorted(name for stage in stages for name in stage.fields)
    assert named == sorted(set(NAMES) - unread)


def test_no_epochs_no_steps_and_few_epochs_one_step(make_config: Callable[..., CarlConfig]) -> None:
    assert carl_stages(make_config(epochs=0), 10)[-1].steps == 0
    assert carl_stages(make_config(epochs=0.001), 10)[-1].steps == 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"corpora": []}, "`corpora` must name at least one"),
        ({"relative_epsilon": 0}, "`relative_epsilon` must be > 0 .* `saliency`"),
        ({"perturbation": "absolute", "epsilon": 0}, "`epsilon` must be > 0"),
        ({"contrastive_weight": 0}, "`contrastive_weight` must be > 0 for .* `no_mccl`"),
        ({"contrastive_weight": 0, "variant": "no_ptd"}, "must be > 0 for .* `frozen`"),
        ({"contrastive_weight": 0, "variant": "supcon"}, "must be > 0 for .* `frozen`"),
        ({"detection_weight": 0}, "`no_ptd`"),
        ({"top_k": 0}, "`top_k` must be"),
        ({"variant": "carlo"}, "`variant` must be one of carl"),
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(CarlConfig, settings, where="file.yaml:3")


def test_a_baseline_may_have_weights_of_zero() -> None:
    read_config(CarlConfig, {"variant": "finetune", "detection_weight": 0}, where="x")
    read_config(CarlConfig, {"variant": "saliency", "relative_epsilon": 0}, where="x")
    read_config(CarlConfig, {"variant": "no_mccl", "contrastive_weight": 0}, where="x")
    read_config(CarlConfig, {"variant": "simcse", "contrastive_weight": 0}, where="x")
