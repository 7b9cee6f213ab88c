"""Does every corpus keep the promises of `load`: the made ones, and the real ones that are here?"""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from raysearch.corpora import CORPORA, LOADERS, ROLES, check, data_dir, load, normalise
from raysearch.errors import RoleError


def _real() -> list[str]:
    """Corpora whose files everybody can fetch, and those others that lie in the data folder."""
    real = Path(os.environ["RAYSEARCH_REAL_DATA"])
    here = {name for found in check(real) if found.state != "missing" for name in found.corpora}
    pinned = {
        name for name, info in CORPORA.items() if info.files and all(f.sha256 for f in info.files)
    }
    return [name for name in LOADERS if name in here | pinned]


@pytest.fixture(
    scope="module",
    params=[
        *(("made", name) for name in LOADERS),
        *(pytest.param(("real", name), marks=pytest.mark.real_data) for name in _real()),
    ],
    ids=" ".join,
)
def place(request, real_data):
    """Folder and name of a corpus."""
    where, name = request.param
    return (real_data if where == "real" else data_dir()), name


@pytest.fixture(scope="module")
def corpus(place):
    folder, name = place
    return load(name, folder, ROLES)


def test_only_language_pairs_have_no_loader():
    absa = {name for name, info in CORPORA.items() if info.task == "absa"}
    assert absa == {"xabsa", "sample_reviews"}
    assert set(CORPORA) - set(LOADERS) == absa


def test_splits_share_no_text(corpus):
    texts = {role: {normalise(text) for text in corpus.split(role).texts} for role in ROLES}
    assert not texts["train"] & (texts["dev"] | texts["test"])
    assert not texts["dev"] & texts["test"]


def test_rows_are_complete_and_ids_unique(corpus):
    ids = []
    for role in ROLES:
        split = corpus.split(role)
        assert len(split) == len(split.texts) == len(split.labels) == len(split.ids) > 0
        assert all(text.split() for text in split.texts)
        ids += split.ids
    assert len(ids) == len(set(ids))


def test_labels_are_in_range_and_read_only(corpus):
    for role in ROLES:
        labels = corpus.split(role).labels
        if corpus.task == "va":
            assert labels.dtype == np.float32
            assert labels.shape == (len(corpus.split(role)), 2)
            assert labels.min() >= 0
            assert labels.max() <= 1
            assert labels.std(0).min() > 0.02
        else:
            assert labels.dtype == np.int64
            assert labels.shape == (len(corpus.split(role)),)
            assert set(labels.tolist()) <= set(range(len(corpus.label_names)))
        with pytest.raises(ValueError, match="read-only"):
            labels[0] = 0


def test_every_class_occurs_in_train(corpus):
    if corpus.task != "va":
        classes = set(corpus.split("train").labels.tolist())
        assert classes == set(range(len(corpus.label_names)))


def test_digest_is_stable_and_does_not_depend_on_roles(corpus, place):
    again = load(corpus.name, place[0], {"dev"})
    assert again.digest == corpus.digest
    assert len(corpus.digest) == 64
    np.testing.assert_array_equal(again.split("dev").labels, corpus.split("dev").labels)


def test_unopened_roles_cannot_be_read_and_are_not_held(corpus, place):
    opened = load(corpus.name, place[0], {"train", "dev"})
    assert opened.roles == ("train", "dev")
    with pytest.raises(RoleError, match="`test`.*train, dev"):
        opened.split("test")
    held = _reachable(opened)
    arrays = [value for value in held if isinstance(value, np.ndarray)]
    assert [len(array) for array in arrays] == [len(opened.split(role)) for role in opened.roles]
    strings = {value for value in held if isinstance(value, str)}
    assert set(opened.split("dev").texts) <= strings
    assert not set(corpus.split("test").texts) & strings


def _reachable(corpus):
    """Every object that hangs on a corpus."""
    held = []

    class Spy(pickle.Pickler):
        def persistent_id(self, value):
            held.append(value)

    Spy(io.BytesIO()).dump(corpus)
    return held


def test_description_is_that_of_the_registry(corpus):
    info = CORPORA[corpus.name]
    assert (corpus.task, corpus.label_names, corpus.scale) == (
        info.task,
        info.label_names,
        info.scale,
    )
