import numpy as np
import pytest

from raysearch.corpora import CORPORA, Removal, normalise
from raysearch.corpora.records import Row, Rows, assemble, hashed_role
from raysearch.errors import DataError

ALL = ("train", "dev", "test")
VA = CORPORA["emobank"]  # scale 1 to 5


def _rows(*triples):
    return Rows([Row(f"r{i}", role, text, label) for i, (role, text, label) in enumerate(triples)])


BASE = (
    ("train", "one", (1.0, 5.0)),
    ("dev", "two", (3.0, 2.0)),
    ("test", "three", (5.0, 1.0)),
)


def test_eq_12_uses_the_end_points_of_the_scale():
    corpus = assemble(VA, _rows(*BASE, ("train", "four", (2.0, 4.0))), ALL)
    np.testing.assert_allclose(corpus.split("train").labels, [[0, 1], [0.25, 0.75]])
    np.testing.assert_allclose(corpus.split("dev").labels, [[0.5, 0.25]])
    assert corpus.split("test").labels.tolist() == [[1, 0]]


def test_labels_beyond_the_scale_are_clipped():
    corpus = assemble(VA, _rows(*BASE, ("train", "four", (5.5, 0.5))), ALL)
    assert corpus.split("train").labels[1].tolist() == [1, 0]


def test_shared_texts_leave_train_first_and_are_counted():
    rows = _rows(
        *BASE,
        ("train", "  TWO ", (1.0, 1.0)),
        ("train", "Three", (1.0, 1.0)),
        ("train", "three", (1.0, 1.0)),
        ("dev", "THREE", (1.0, 1.0)),
    )
    corpus = assemble(VA, rows, ALL)
    assert [corpus.split(role).texts for role in ALL] == [("one",), ("two",), ("three",)]
    assert corpus.removed == (
        Removal(role="train", reason="in test", rows=2, texts=1),
        Removal(role="train", reason="in dev", rows=3, texts=2),
        Removal(role="dev", reason="in test", rows=1, texts=1),
    )


def test_dropped_rows_are_reported():
    rows = _rows(*BASE)
    rows.dropped["unrated"] = 3
    corpus = assemble(VA, rows, ALL)
    assert corpus.removed == (Removal(role="all", reason="unrated", rows=3, texts=None),)


def test_digest_sees_text_label_id_and_role():
    digests = {assemble(VA, _rows(*BASE), ALL).digest}
    for number, change in enumerate(
        (
            ("train", "one!", (1.0, 5.0)),
            ("train", "one", (1.0, 4.9)),
            ("dev", "one", (1.0, 5.0)),
        )
    ):
        extra = ("train", "zero", (1.0, 1.0))
        digests.add(assemble(VA, _rows(change, *BASE[1:], extra), ALL).digest)
        assert len(digests) == number + 2
    renamed = Rows([row._replace(id="x" + row.id) for row in _rows(*BASE).rows])
    assert assemble(VA, renamed, ALL).digest not in digests


def test_an_empty_split_is_an_error():
    with pytest.raises(DataError, match="got none in dev of 2 rows"):
        assemble(VA, _rows(BASE[0], BASE[2]), ALL)


def test_hash_split_has_its_shares_and_groups_equal_texts():
    roles = [hashed_role(f"sentence number {i}") for i in range(5000)]
    assert abs(roles.count("train") / 5000 - 0.8) < 0.02
    assert abs(roles.count("dev") / 5000 - 0.1) < 0.02
    assert hashed_role(normalise("A  Text")) == hashed_role(normalise("a text\n"))


def test_hash_split_is_the_same_on_every_machine():
    words = {"alpha": "train", "beta": "train", "epsilon": "dev", "eta": "test", "kappa": "test"}
    assert {word: hashed_role(word) for word in words} == words


@pytest.mark.parametrize(
    ("text", "normal"),
    [("A  b\tC\n", "a b c"), ("Straße", "strasse"), ("\u00a0x\u2003y", "x y")],
)
def test_normalise(text, normal):
    assert normalise(text) == normal
