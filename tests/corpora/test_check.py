import hashlib

import pytest

from raysearch.corpora import CORPORA, check
from raysearch.corpora.registry import PINS
from raysearch.errors import DataError

TALES = "emotales/emotales_data.json"


def test_every_file_once_and_all_missing_in_an_empty_folder(tmp_path):
    results = check(tmp_path / "none")
    assert {result.state for result in results} == {"missing"}
    paths = [result.path for result in results]
    assert len(paths) == len(set(paths))
    assert set(paths) == set(PINS) | {TALES, "iemocap", "tec", "dailydialog"}
    shared = {result.path: result.corpora for result in results}
    assert shared["goemotions/train.tsv"] == ("goemotions", "goemotions_ekman")
    assert shared["iemocap"] == ("iemocap", "iemocap_classes")


def test_damaged_and_unpinned_files_show_their_digest(put):
    put("emobank/emobank.csv", "not it")
    put(TALES, "{}")
    folder = put("iemocap/Session1/x.txt", "")
    states = {r.path: r for r in check(folder, ["emobank", "emotales", "iemocap"])}
    damaged = states["emobank/emobank.csv"]
    assert damaged.state == "damaged"
    assert damaged.expected == CORPORA["emobank"].files[0].sha256
    assert damaged.found == hashlib.sha256(b"not it").hexdigest()
    assert (states[TALES].state, states[TALES].expected) == ("unpinned", None)
    assert states[TALES].found == hashlib.sha256(b"{}").hexdigest()
    assert states["iemocap"].state == "unpinned"


def test_a_folder_in_the_place_of_a_file_is_damage(put):
    folder = put("emobank/emobank.csv/inner", "x")
    assert [r.state for r in check(folder, ["emobank"])] == ["damaged"]


def test_the_users_own_pin(put):
    put(TALES, "{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    folder = put("SHA256SUMS", f"{digest} *{TALES}\n")
    assert [r.state for r in check(folder, ["emotales"])] == ["ok"]
    put(TALES, "{} ")
    assert [r.state for r in check(folder, ["emotales"])] == ["damaged"]


def test_a_users_pin_never_overrides_the_projects(put):
    content = "not it"
    digest = hashlib.sha256(content.encode()).hexdigest()
    put("emobank/emobank.csv", content)
    folder = put("SHA256SUMS", f"{digest}  emobank/emobank.csv\n")
    assert [r.state for r in check(folder, ["emobank"])] == ["damaged"]


def test_a_pin_that_is_no_digest(put):
    folder = put("SHA256SUMS", f"\nabc  {TALES}\n")
    with pytest.raises(DataError, match=r"64 hex digits .* got 'abc' \(.*SHA256SUMS:2\)"):
        check(folder, ["emotales"])


def test_unknown_name(tmp_path):
    with pytest.raises(DataError, match="'emo'"):
        check(tmp_path, ["emo"])


@pytest.mark.real_data
def test_files_of_this_machine_are_the_pinned_ones(real_data):
    assert [r.path for r in check(real_data) if r.state == "damaged"] == []
