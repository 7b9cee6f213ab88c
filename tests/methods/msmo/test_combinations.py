"""Variant × distillation × multilingual: the files and views of each, or why it is refused."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from raysearch.config import read_config
from raysearch.errors import ConfigError
from raysearch.methods import get_method
from raysearch.methods.msmo.config import MsmoConfig
from raysearch.methods.msmo.items import COLUMNS
from raysearch.methods.msmo.method import MsmoMethod
from raysearch.methods.msmo.stages import outline, terms_of
from raysearch.methods.msmo.variants import VARIANTS, networks_of, spec_of
from raysearch.run import Cell
from raysearch.sources import recorded

ALL = "s st ts t"
VIEWS = {
    "supervised": "gold",
    "zero_shot": "s",
    "translate_train": "t",
    "bilingual": "s t",
    "acs": ALL,
    "cl_sentiment": ALL,
    "cl_token": ALL,
    "contrast_sentiment": ALL,
    "contrast_token": ALL,
    "msmo": ALL,
    "no_critic": ALL,
    "no_consistency": ALL,
    "no_code_switch": "s t",
    "no_translation": "s st",
}
"""Variant to the views that its own network reads."""
TEACHERS = {"t1": "s t", "t2": "ts t", "t3": "st t"}
SOURCE = {"gold-en-train", "gold-en-dev"}
PAIRED = SOURCE | {"smt-es-train", "cs_en-es-train", "cs_es-en-train"}
"""The code-switched files also say which row of the translation belongs to which sentence."""
FILES = {
    "supervised": {"gold-es-train", "gold-es-dev"},
    "zero_shot": SOURCE,
    **{name: PAIRED for name in VIEWS if name not in ("supervised", "zero_shot")},
}
"""Variant to the files that it opens for one pair, without a student."""
UNLABELLED = {"gold-es-train"}
"""Opened for a student; its tags are dropped when it is read."""

EVERY = list(itertools.product(VARIANTS, ("none", "single", "multi"), (False, True)))


def refused(variant: str, distillation: str, multilingual: bool, start: str) -> str:
    """What the message names; empty for a combination that is as it says."""
    if variant == "supervised":
        return "`distillation`" if distillation != "none" else "`multilingual`" * multilingual
    if distillation == "multi" and VIEWS[variant] != ALL:
        return "`distillation: multi`"
    if distillation == "single" and start == "translated" and "t" not in VIEWS[variant].split():
        return "`student_start: translated`"
    return ""


def start_of(variant: str) -> str:
    """Where a student of the variant can start."""
    return "translated" if "t" in VIEWS[variant].split() else "pretrained"


@pytest.mark.parametrize("start", ["translated", "pretrained"])
@pytest.mark.parametrize(("variant", "distillation", "multilingual"), EVERY)
def test_each_combination_reads_what_its_name_says(
    variant: str, distillation: str, multilingual: bool, start: str
) -> None:
    settings = {
        "variant": variant,
        "distillation": distillation,
        "multilingual": multilingual,
        "student_start": start,
    }
    why = refused(variant, distillation, multilingual, start)
    if why:
        with pytest.raises(ConfigError, match=why):
            read_config(MsmoConfig, settings, where="here")
        return
    config = read_config(MsmoConfig, settings, where="here")
    read = {name: " ".join(spec_of(config, name).views) for name in networks_of(config)}
    wanted = TEACHERS if distillation == "multi" else {"main": VIEWS[variant]}
    wanted = {
        name: " ".join(v for v in COLUMNS if v in each.split()) for name, each in wanted.items()
    }
    if distillation != "none" and start == "translated":
        of_source = multilingual and "s" in VIEWS[variant].split()
        wanted["student"] = "s t" if of_source else "t"
    assert read == wanted
    # No network reads a view that the variant does not have, and none is left unread.
    assert {*" ".join(read.values()).split()} == {*VIEWS[variant].split()}


OPENED = [
    each
    for each in EVERY
    if each[0] in ("supervised", "zero_shot", "bilingual", "msmo", "no_translation")
    and not refused(*each, start_of(each[0]))
]


@pytest.mark.parametrize(("variant", "distillation", "multilingual"), OPENED)
def test_each_combination_opens_its_files_only(
    variant: str, distillation: str, multilingual: bool
) -> None:
    config = MsmoConfig(
        encoder="tiny",
        pairs=("en-es", "en-fr"),
        variant=variant,
        distillation=distillation,
        multilingual=multilingual,
        student_start=start_of(variant),
    )
    with recorded() as found:
        method = get_method("msmo").build(
            config,
            Cell("en-es", 0),
            device=torch.device("cpu"),
            roles=("train", "dev"),
            data_dir="nowhere",
        )
    wanted = FILES[variant] | (UNLABELLED if distillation != "none" else set())
    if multilingual:
        wanted = wanted | {name.replace("es", "fr") for name in wanted if "gold-es-dev" != name}
    data = {name for name in found if name.startswith("bundled reviews/")}
    assert data == {f"bundled reviews/{name}.txt" for name in wanted}
    assert isinstance(method, MsmoMethod)
    table = method.training_set.items.table
    there = [view for column, view in enumerate(COLUMNS) if (table[:, column] >= 0).any()]
    assert " ".join(there) == VIEWS[variant]
    # And from the target's own sentences a student has no label.
    if distillation != "none":
        assert {tag for one in method._corpus.sentences("unlabelled") for tag in one.tags} == {"O"}


# The views of labels, critic and consistency are three settings.


def terms(**settings: object) -> dict[str, tuple[str, str, str, str]]:
    """Stage to what it reads, learns, tells apart and draws together."""
    config = read_config(MsmoConfig, settings, where="here")
    found = {}
    for stage in outline(config):
        if stage.name.startswith(("align-", "train-")):
            of = terms_of(config, stage)
            sides = " ".join(of.source) + " | " + " ".join(of.target)
            found[stage.name] = (
                " ".join(of.views), " ".join(of.labelled), sides if of.critic else "",
                " ".join(of.pairs),
            )  # fmt: skip
    return found


def test_code_switched_views_out_of_the_critic_alone() -> None:
    """The paper's second ablation; `no_code_switch` takes them out of everything."""
    assert terms(critic_views=["s", "t"]) == {
        "align-main": ("s t", "", "s | t", ""),
        "train-main": (ALL, ALL, "", "s-t s-st t-ts"),
    }
    assert terms(critic_views=["s", "t"], schedule="interleaved") == {
        "train-main": (ALL, ALL, "s | t", "s-t s-st t-ts"),
    }
    assert terms(variant="no_code_switch") == {
        "align-main": ("s t", "", "s | t", ""),
        "train-main": ("s t", "s t", "", "s-t"),
    }


def test_code_switched_views_out_of_the_labels_or_the_consistency_alone() -> None:
    labels = {"label_views": ["s", "t"], "consistency_pairs": ["s-t", "s-st"], "batch_size": 24}
    assert terms(**labels) == {
        "align-main": (ALL, "", "s st | ts t", ""),
        "train-main": ("s st t", "s t", "", "s-t s-st"),
    }
    assert terms(consistency_pairs=["s-t"]) == {
        "align-main": (ALL, "", "s st | ts t", ""),
        "train-main": (ALL, ALL, "", "s-t"),
    }


def test_an_alignment_does_not_depend_on_views_that_it_does_not_read() -> None:
    config = MsmoConfig(critic_views=("s", "t"))
    align, train = outline(config)
    assert align.data == ("encoder_digest", "s_digest", "t_digest")
    assert "label_views" not in align.fields and "critic_views" in align.fields
    assert "critic_views" not in train.fields and "label_views" in train.fields
    assert train.data is not None and "ts_digest" in train.data


@pytest.mark.parametrize("sampling", ["aligned", "literal"])
def test_a_step_learns_and_tells_apart_its_views_only(
    make_method: Callable[..., MsmoMethod], sampling: str
) -> None:
    method = make_method(
        sampling=sampling, schedule="interleaved", label_views="st,t", critic_views="s,t",
        consistency_pairs="s-t,t-ts",
    )  # fmt: skip
    table = method.training_set.items.table

    def views(rows: np.ndarray) -> set[str]:
        return {COLUMNS[int(np.flatnonzero((table == row).any(0))[0])] for row in rows}

    (stage,) = method.stages()
    method.begin(stage)
    for batch in method.batches(stage, 0):
        whole, mine = batch.draws
        assert views(whole.labelled) == {"st", "t"}
        assert views(whole.source) == {"s"} and views(whole.target) == {"t"}
        assert batch.sides.opposed  # although no source sentence has labels here
        words = method.training_set.tokens.words
        counted = int((batch.labels >= 0).sum())
        assert counted == sum(words[row + 1] - words[row] for row in mine.labelled)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"critic_views": ["s", "st"], "variant": "no_code_switch"}, "`critic_views` must have"),
        ({"critic_views": ["t", "ts"]}, "`critic_views` must have a view of either side"),
        ({"critic_views": []}, "but got none; the variant without the critic is `no_critic`"),
        ({"label_views": []}, "`label_views` must name one"),
        ({"label_views": ["s"], "distillation": "multi"}, "network t2 .* reads, but got s"),
        (
            {"consistency_pairs": ["s-t"], "variant": "no_translation"},
            "`consistency_pairs` must name a pair of the views s, st",
        ),
    ],
)
def test_views_that_leave_a_term_without_data(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config(MsmoConfig, settings, where="here")


# A batch holds its sentences in all of their views, or is refused.


@pytest.mark.parametrize("size", [2, 3, 6, 10])
def test_a_batch_that_cannot_hold_all_views_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match=rf"multiple of 4 .* stage align-main .* got {size}"):
        read_config(MsmoConfig, {"batch_size": size}, where="here")
    literal = read_config(MsmoConfig, {"batch_size": size, "sampling": "literal"}, where="here")
    assert literal.batch_size == size


def test_the_multiple_is_that_of_the_views_that_a_stage_reads() -> None:
    assert read_config(MsmoConfig, {"batch_size": 3, "variant": "zero_shot"}, where="here")
    assert read_config(MsmoConfig, {"batch_size": 6, "variant": "no_code_switch"}, where="here")
    # Two views of each teacher; the start of the student draws sentence by sentence.
    assert read_config(MsmoConfig, {"batch_size": 6, "distillation": "multi"}, where="here")
    with pytest.raises(ConfigError, match="multiple of 2 .* stage train-main"):
        read_config(MsmoConfig, {"batch_size": 7, "variant": "bilingual"}, where="here")
    three = {"label_views": ["s", "t"], "consistency_pairs": ["s-t", "s-st"]}
    with pytest.raises(ConfigError, match="multiple of 3 .* stage train-main .* s, st, t, but"):
        read_config(MsmoConfig, {"batch_size": 16, "variant": "no_critic", **three}, where="here")
