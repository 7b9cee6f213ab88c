import re

import pytest

from raysearch.corpora import CORPORA, corpus_info, load
from raysearch.errors import DataError, RoleError


def test_every_entry_says_licence_citation_and_source():
    for name, info in CORPORA.items():
        assert info.name == name
        assert info.title
        assert info.licence
        assert info.citation
        low, high = info.scale
        assert low < high
        if info.origin == "download":
            assert re.fullmatch(r"[0-9a-f]{40}", info.commit)
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", info.repository)
            assert info.files
        else:
            assert info.origin in ("bundled", "own")
            assert not info.files


def test_every_downloadable_file_is_pinned_but_emotales():
    unpinned = [f.path for i in CORPORA.values() for f in i.files if f.sha256 is None]
    assert unpinned == ["emotales/emotales_data.json"]
    for info in CORPORA.values():
        for file in info.files:
            assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert not file.path.startswith("/")


def test_counts_of_files():
    counts = {name: len(info.files) for name, info in CORPORA.items() if info.files}
    assert counts["xabsa"] == 27
    assert counts["goemotions"] == 4
    assert counts["sst2"] == 3
    assert counts["emobank"] == counts["mr"] == 1


def test_address_is_that_of_the_pinned_commit():
    info = CORPORA["emobank"]
    assert info.url(info.files[0]) == (
        "https://raw.githubusercontent.com/JULIELab/EmoBank/"
        "248ce2a43e165a66d31aeaed83cff9641d6654e0/corpus/emobank.csv"
    )


def test_iemocap_has_no_address():
    assert CORPORA["iemocap"].origin == CORPORA["iemocap_classes"].origin == "own"
    assert not CORPORA["iemocap"].repository


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match="'emobnk'.*known: .*emobank.*xabsa"):
        corpus_info("emobnk")


@pytest.mark.parametrize("name", ["xabsa", "sample_reviews"])
def test_language_pairs_are_no_one_corpus(name, tmp_path):
    with pytest.raises(DataError, match=f"{name} must be read pair by pair .*load_pair.*emobank"):
        load(name, tmp_path, {"train"})


@pytest.mark.parametrize("roles", [set(), {"train", "tset"}, "train"])
def test_roles_must_be_known(roles, tmp_path):
    with pytest.raises(RoleError, match="`roles` must be one or more of train, dev, test"):
        load("sample", tmp_path, roles)
