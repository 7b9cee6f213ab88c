"""The section `study` of a space file: what it may say, and every mistake at once with its line."""

from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.run import MetricGoal
from raysearch.search.space.space import load_space

SPACE = """\
method: carl
objective: {metric: dev/va_pearson}
budget: {trials: 4, seeds: 2}
sampler: grid
setting: {encoder: tiny}
search:
  variant: [carl, frozen]
  top_k: {choices: [0.1, 0.3], when: {variant: carl}}
"""
STUDY = """\
study:
  question: Does it help?
  metric: test/va_pearson
  reference: {variant: carl, top_k: 0.1}
  beside: [dev/detection_auc]
  figure: lines
  x: top_k
  lines: variant
  limits: [One corpus.]
  small: [One small encoder.]
  paper: {seeds: 5, layers: 0, corpora: [emobank, facebook]}
"""


def written(tmp_path: Path, section: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(SPACE + section)
    return path


def test_everything_that_may_be_said(tmp_path: Path) -> None:
    asked = load_space(written(tmp_path, STUDY)).question
    assert asked is not None
    assert asked.text == "Does it help?"
    assert asked.goal == MetricGoal("test/va_pearson", "maximize")
    assert asked.reference == {"variant": "carl", "top_k": 0.1}
    assert (asked.figure, asked.x, asked.lines) == ("lines", ("top_k",), "variant")
    assert (asked.limits, asked.small) == (("One corpus.",), ("One small encoder.",))
    assert asked.paper == {"layers": 0, "corpora": ("emobank", "facebook")}
    assert asked.paper_seeds == 5


def test_what_is_tuned_is_searched_and_neither_named_by_the_reference_nor_drawn(
    tmp_path: Path,
) -> None:
    tuned = STUDY.replace("  limits:", "  tuned: [top_k]\n  limits:")
    with pytest.raises(ConfigError) as caught:
        load_space(written(tmp_path, tuned))
    said = str(caught.value)
    assert "`top_k` must not be on `x`, since it is tuned" in said
    assert "`reference` must not name `top_k`, since it is tuned" in said
    right = tuned.replace(", top_k: 0.1}", "}").replace(
        "figure: lines\n  x: top_k\n", "figure: bars\n"
    )
    asked = load_space(written(tmp_path, right)).question
    assert asked is not None and asked.tuned == ("top_k",)
    with pytest.raises(ConfigError, match="searched setting of `tuned`: `layers`"):
        load_space(written(tmp_path, right.replace("tuned: [top_k]", "tuned: [layers]")))


def test_a_question_changes_no_trial(tmp_path: Path) -> None:
    asked = load_space(written(tmp_path, STUDY))
    plain = load_space(written(tmp_path, ""))
    assert plain.question is None
    assert asked.digest == plain.digest


def test_lower_may_be_better_and_the_paper_the_reference(tmp_path: Path) -> None:
    text = STUDY.replace("test/va_pearson", "test/loss:min").replace(
        "{variant: carl, top_k: 0.1}", "paper"
    )
    asked = load_space(written(tmp_path, text)).question
    assert asked is not None
    assert asked.goal == MetricGoal("test/loss", "minimize")
    assert asked.reference == {}


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """\
study:
  question: It helps.
  metric: f1
  reference: {variant: simcse, layers: 2}
  figure: pie
  lines: task
  x: layers
  colour: red
  paper: {seeds: 0, layer: 3}
""",
    )
    with pytest.raises(ConfigError) as caught:
        load_space(path)
    said = str(caught.value)
    for line, words in (
        (10, "`question` must end with `?`, but got 'It helps.'"),
        (11, "`metric` must be like test/f1"),
        (12, "`variant` of `reference` must be a value that is searched, but got 'simcse'"),
        (12, "searched setting `layers`"),
        (13, "figure `pie`"),
        (15, "`layers`"),
        (16, "key of `study` `colour`"),
        (17, "`seeds` must be an integer >= 1, but got 0"),
        (17, "setting `layer`"),
    ):
        assert any(words in part and f":{line})" in part for part in said.splitlines()), (
            words,
            said,
        )


@pytest.mark.parametrize(
    ("kind", "missing"), [("lines", "x"), ("heat", "y"), ("curves", "y"), ("map", "measure")]
)
def test_a_figure_needs_its_keys(tmp_path: Path, kind: str, missing: str) -> None:
    text = f'study: {{question: "Why?", metric: dev/f1, reference: paper, figure: {kind}}}\n'
    with pytest.raises(ConfigError, match=f"must name `{missing}` for the figure `{kind}`"):
        load_space(written(tmp_path, text))


@pytest.mark.parametrize("text", ["study: why\n", "study: {}\n"])
def test_a_section_that_says_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"`study` must (be a mapping|name `question`)"):
        load_space(written(tmp_path, text))
