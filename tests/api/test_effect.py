"""Settings that are searched and decide nothing: told by the method, or by short trials."""

from pathlib import Path

import pytest

from raysearch import api
from raysearch.api.effect import without_effect
from raysearch.cli import main
from raysearch.errors import ConfigError
from raysearch.search.space.effect import branches, inert_notes, points
from raysearch.search.space.space import SearchSpace, load_space

HEAD = """\
method: msmo
objective: {metric: dev/f1, direction: maximize}
budget: {trials: 2, seeds: 1}
sampler: random
pruner: none
setting:
  encoder: tiny
  layers: 1
  pairs: [en-es]
  max_length: 24
  steps: 6
  align_steps: 4
  reports: 2
  learning_rate: 1e-3
  critic_training: fixed
  critic_clip: 0.3
search:
"""


def written(folder: Path, search: str) -> Path:
    path = folder / "space.yaml"
    path.write_text(HEAD + search)
    return path


@pytest.fixture
def space(tmp_path: Path) -> SearchSpace:
    return load_space(
        written(
            tmp_path,
            "  schedule: [sequential, interleaved]\n"
            "  adversarial_weight: {low: 0.01, high: 3, log: true}\n"
            "  consistency_weight: {low: 0.1, high: 10, log: true, when: {schedule: sequential}}\n",
        )
    )


def test_branches_are_the_papers_choices_and_every_other_one(space: SearchSpace) -> None:
    first, other = branches(space)
    assert first.where == {} and first.params["schedule"] == "sequential"
    active = {item.name: item for item in first.active}
    assert active.keys() == {"schedule", "adversarial_weight", "consistency_weight"}
    assert first.params["consistency_weight"] == pytest.approx(1.0)  # geometric middle
    assert other.where == {"schedule": "interleaved"}
    assert [item.name for item in other.active] == ["adversarial_weight"]
    assert points(active["schedule"]) == ("sequential", "interleaved")
    assert points(active["adversarial_weight"]) == pytest.approx((0.01, 0.03**0.5, 3))


def test_a_setting_that_the_method_does_not_read_is_told_without_training(
    space: SearchSpace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (note,) = inert_notes(space)
    assert note == (
        "`adversarial_weight` is searched, but has no effect where `schedule` is sequential; give "
        "it a condition (`when`)"
    )
    never = written(
        tmp_path, "  critic_width: {low: 8, high: 16}\n  supervised_weight: {low: 0.5, high: 2}\n"
    )
    assert main(["check", str(never)]) == 0
    said = capsys.readouterr().out
    assert "`critic_width` is searched, but has no effect with any of the other settings" in said


def test_short_trials_tell_what_changes_no_number(space: SearchSpace) -> None:
    found = without_effect(space, "nowhere")
    told = [text for text in found if text.startswith("`adversarial_weight`")]
    assert "`adversarial_weight` 0.01 and 0.173 make the same trial: no number differs" in told[0]
    assert "`adversarial_weight` 0.173 and 3 make the same trial: no number differs" in told[1]
    assert not [text for text in told if "schedule" in text and "same trial" in text]
    assert not [text for text in found if text.startswith("`schedule`")]


def test_what_training_needs_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`--train` must be given the search spaces"):
        api.check(train=True)
    with pytest.raises(ConfigError, match="`--set` must come with `--train`"):
        api.check([tmp_path], settings={"steps": "3"})
