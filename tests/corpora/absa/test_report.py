"""What a report says of the made files, and what holds of every corpus of language pairs."""

import shutil

import pytest
from absa_counts import counts_of_pairs, sizes_of_languages
from made_corpora import LOST, OTHER_POLARITY

from raysearch.corpora import absa, data_dir
from raysearch.corpora.absa.pairs import report_corpus


@pytest.fixture(scope="module")
def report():
    return report_corpus("xabsa", data_dir())


def test_languages(report):
    assert sizes_of_languages(report) == {
        "en": [(240, 240), (80, 80), (120, 120)],
        "es": [(240, 240), (80, 83), (120, 120)],
        "fr": [(240, 240), (80, 80), (120, 120)],
        "nl": [(240, 240), (80, 80), (120, 120)],
        "ru": [(240, 240), (80, 80), (100, 104)],
    }
    shared = {one.language: (one.in_train["dev"], one.in_train["test"]) for one in report.languages}
    assert shared == {"es": (1, 0)} | {code: (0, 0) for code in ("en", "fr", "nl", "ru")}
    assert [(one.mixed, one.normalised) for one in report.languages] == [(0, 0)] * 5


# pair: translation, paired and usable (rows, aspects); extra, unequal, repeated; cut
PAIRS = {
    "en-es": ((238, 237), (166, 237), (166, 237), 0, 0, 2, (20, 21)),
    "en-fr": ((239, 239), (166, 238), (166, 238), 1, 0, 2, (21, 22)),
    "en-nl": ((240, 240), (168, 240), (168, 240), 0, 0, 0, (21, 22)),
    "en-ru": ((237, 237), (165, 237), (164, 236), 0, 1, 3, (21, 22)),
}


def test_pairs(report):
    assert counts_of_pairs(report) == PAIRS
    for one in report.pairs:
        assert one.alone == one.repeated == one.normalised
        assert (one.rows, one.mixed) == (240, 0)


@pytest.mark.parametrize("target", LOST)
def test_rows_without_translation_and_those_that_differ_are_alone(target):
    views = absa.load_pair("xabsa", f"en-{target}", data_dir(), {"train"}).views()
    alone = {view.row for view in views if (view.st, view.ts, view.t) == (None, None, None)}
    assert alone == {*LOST[target], *([OTHER_POLARITY] if target == "ru" else [])}


@pytest.mark.parametrize("target", LOST)
def test_every_view_agrees(target, any_data):
    loaded = absa.load_pair("xabsa", f"en-{target}", any_data, {"train"})
    assert absa.missing_views(loaded) == ()
    for view in loaded.views():
        others = [one for one in (view.st, view.ts, view.t) if one is not None]
        assert len(others) in (0, 3)
        expected = [aspect.polarity for aspect in view.s.aspects]
        assert all([a.polarity for a in one.aspects] == expected for one in others)


def test_the_source_has_one_digest_in_all_pairs(any_data):
    pairs = [absa.load_pair("xabsa", f"en-{t}", any_data, {"train", "dev"}) for t in ("es", "fr")]
    for key in ("s", "dev"):
        assert len({pair.digests[key] for pair in pairs}) == 1
    for key in ("st", "ts", "t"):
        assert len({pair.digests[key] for pair in pairs}) == 2


def test_any_source_language_that_has_files():
    loaded = absa.load_pair("xabsa", "es-ru", data_dir(), absa.PAIR_ROLES)
    assert (loaded.source, loaded.target) == ("es", "ru")
    assert [len(loaded.sentences(role)) for role in ("dev", "unlabelled", "test")] == [80, 240, 100]
    assert len(loaded.views()) == 240
    assert absa.missing_views(loaded) == ("st", "ts", "t")


def test_a_new_language_is_data_only(any_data, tmp_path):
    folder = any_data / "xabsa"
    for file in folder.glob("*-es-*.txt"):
        shutil.copy(file, tmp_path / file.name.replace("-es-", "-xx-"))
    shutil.copy(folder / "cs_es-en-train.txt", tmp_path / "cs_xx-en-train.txt")
    for role in ("train", "dev"):
        shutil.copy(folder / f"gold-en-{role}.txt", tmp_path)
    new = absa.load_pair(f"{tmp_path}/", "en-xx", "/none", absa.PAIR_ROLES)
    old = absa.load_pair("xabsa", "en-es", any_data, absa.PAIR_ROLES)
    assert new.target == "xx"
    assert new.digests == old.digests
    assert new.views() == old.views()
    [pair] = report_corpus(str(tmp_path), "").pairs
    known = next(one for one in report_corpus("xabsa", any_data).pairs if one.pair == "en-es")
    assert (pair.pair, pair.usable, pair.usable_aspects) == (
        *("en-xx", known.usable, known.usable_aspects),
    )
