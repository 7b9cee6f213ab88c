"""Are the real files what docs/msmo.md §1.4, §1.5 measured, and is a new language data only?"""

import shutil
import time

import pytest

from raysearch.corpora import absa, data_dir
from raysearch.corpora.absa.report import report_corpus


@pytest.fixture(scope="module")
def report():
    return report_corpus("xabsa", data_dir())


def test_languages(report):
    sizes = {
        one.language: [(one.rows[role], one.aspects[role]) for role in ("train", "dev", "test")]
        for one in report.languages
    }
    assert sizes == {
        "en": [(1600, 1377), (400, 365), (676, 612)],
        "es": [(1656, 1500), (414, 353), (881, 713)],
        "fr": [(1332, 1294), (332, 345), (668, 649)],
        "nl": [(1378, 956), (344, 274), (575, 373)],
        "ru": [(2924, 2439), (731, 629), (1209, 945)],
    }
    shared = {one.language: (one.in_train["dev"], one.in_train["test"]) for one in report.languages}
    assert shared == {"en": (2, 1), "es": (13, 26), "fr": (0, 0), "nl": (1, 2), "ru": (20, 12)}
    assert [(one.mixed, one.normalised) for one in report.languages] == [(0, 0)] * 5


# pair: translation, paired and usable (rows, aspects); extra, unequal, repeated; cut
PAIRS = {
    "en-es": ((1571, 1341), (956, 1341), (956, 1341), 0, 0, 29, (139, 150)),
    "en-fr": ((1573, 1338), (957, 1336), (957, 1336), 1, 0, 28, (137, 148)),
    "en-nl": ((1586, 1357), (971, 1357), (971, 1357), 0, 0, 14, (140, 151)),
    "en-ru": ((1577, 1344), (962, 1344), (961, 1343), 0, 1, 23, (140, 151)),
}


def test_pairs(report):
    found = {
        one.pair: (
            (one.translated, one.translated_aspects),
            (one.paired, one.paired_aspects),
            (one.usable, one.usable_aspects),
            len(one.extra),
            len(one.unequal),
            one.repeated,
            (one.shortened, one.shortened_aspects),
        )
        for one in report.pairs
    }
    assert found == PAIRS
    for one in report.pairs:
        assert one.alone == one.repeated == one.normalised
        assert (one.rows, one.mixed) == (1600, 0)


def test_the_bad_russian_row_keeps_its_source_alone(real):
    views = absa.load_pair("xabsa", "en-ru", data_dir(), {"train"}).views()
    lines = (real / "gold-en-train.txt").read_text(encoding="utf-8").split("\n")
    assert lines[9357].startswith("The\t")
    [bad] = [view for view in views if view.s.words[:4] == ("The", "wine", "the", "service")]
    assert (bad.st, bad.ts, bad.t) == (None, None, None)


@pytest.mark.parametrize("target", ["es", "fr", "nl", "ru"])
def test_every_view_agrees_and_row_0_is_the_documented_one(target):
    loaded = absa.load_pair("xabsa", f"en-{target}", data_dir(), {"train"})
    assert absa.missing_views(loaded) == ()
    for view in loaded.views():
        others = [one for one in (view.st, view.ts, view.t) if one is not None]
        assert len(others) in (0, 3)
        expected = [aspect.polarity for aspect in view.s.aspects]
        assert all([a.polarity for a in one.aspects] == expected for one in others)
    first = loaded.views()[0]
    assert first.s.words[:3] == ("The", "food", "arrived")
    if target == "es":
        assert first.st.words[:3] == ("The", "comida", "arrived")
        assert first.ts.words[:3] == ("La", "food", "llegó")
        assert first.t.words[:3] == ("La", "comida", "llegó")


def test_the_source_has_one_digest_in_all_pairs():
    pairs = [absa.load_pair("xabsa", f"en-{t}", data_dir(), {"train", "dev"}) for t in ("es", "fr")]
    for key in ("s", "dev"):
        assert len({pair.digests[key] for pair in pairs}) == 1
    for key in ("st", "ts", "t"):
        assert len({pair.digests[key] for pair in pairs}) == 2


def test_any_source_language_that_has_files():
    loaded = absa.load_pair("xabsa", "es-ru", data_dir(), absa.PAIR_ROLES)
    assert (loaded.source, loaded.target) == ("es", "ru")
    assert [len(loaded.sentences(role)) for role in ("dev", "unlabelled", "test")] == [
        *(414, 2924, 1209)
    ]
    assert len(loaded.views()) == 1656
    assert absa.missing_views(loaded) == ("st", "ts", "t")


def test_a_new_language_is_data_only(real, tmp_path):
    for file in real.glob("*-es-*.txt"):
        shutil.copy(file, tmp_path / file.name.replace("-es-", "-xx-"))
    shutil.copy(real / "cs_es-en-train.txt", tmp_path / "cs_xx-en-train.txt")
    for role in ("train", "dev"):
        shutil.copy(real / f"gold-en-{role}.txt", tmp_path)
    new = absa.load_pair(f"{tmp_path}/", "en-xx", "/none", absa.PAIR_ROLES)
    old = absa.load_pair("xabsa", "en-es", data_dir(), absa.PAIR_ROLES)
    assert new.target == "xx"
    assert new.digests == old.digests
    assert new.views() == old.views()
    [pair] = report_corpus(str(tmp_path), "").pairs
    assert (pair.pair, pair.usable, pair.usable_aspects) == ("en-xx", 956, 1341)


def test_a_pair_loads_quickly():
    begin = time.process_time()
    absa.load_pair("xabsa", "en-ru", data_dir(), {"train", "dev", "unlabelled"})
    assert time.process_time() - begin < 2  # seconds of one core; about 0.3 measured
