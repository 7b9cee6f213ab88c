"""Are the real files what docs/msmo.md §1.4, §1.5 measured?"""

import time

import pytest
from absa_counts import counts_of_pairs, sizes_of_languages

from raysearch.corpora import absa
from raysearch.corpora.absa.pairs import report_corpus

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def report(real_data):
    return report_corpus("xabsa", real_data)


def test_languages(report):
    assert sizes_of_languages(report) == {
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
    assert counts_of_pairs(report) == PAIRS
    for one in report.pairs:
        assert one.alone == one.repeated == one.normalised
        assert (one.rows, one.mixed) == (1600, 0)


def test_the_bad_russian_row_keeps_its_source_alone(real_data):
    views = absa.load_pair("xabsa", "en-ru", real_data, {"train"}).views()
    file = real_data / "xabsa" / "gold-en-train.txt"
    assert file.read_text(encoding="utf-8").split("\n")[9357].startswith("The\t")
    [bad] = [view for view in views if view.s.words[:4] == ("The", "wine", "the", "service")]
    assert (bad.st, bad.ts, bad.t) == (None, None, None)


def test_row_0_is_the_documented_one(real_data):
    first = absa.load_pair("xabsa", "en-es", real_data, {"train"}).views()[0]
    assert first.s.words[:3] == ("The", "food", "arrived")
    assert first.st.words[:3] == ("The", "comida", "arrived")
    assert first.ts.words[:3] == ("La", "food", "llegó")
    assert first.t.words[:3] == ("La", "comida", "llegó")


def test_any_source_language_that_has_files(real_data):
    loaded = absa.load_pair("xabsa", "es-ru", real_data, absa.PAIR_ROLES)
    assert (loaded.source, loaded.target) == ("es", "ru")
    assert [len(loaded.sentences(role)) for role in ("dev", "unlabelled", "test")] == [
        *(414, 2924, 1209)
    ]
    assert len(loaded.views()) == 1656
    assert absa.missing_views(loaded) == ("st", "ts", "t")


def test_a_pair_loads_quickly(real_data):
    begin = time.process_time()
    absa.load_pair("xabsa", "en-ru", real_data, {"train", "dev", "unlabelled"})
    assert time.process_time() - begin < 2  # seconds of one core; about 0.3 measured
