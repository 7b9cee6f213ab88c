"""Are the bundled corpora what their construction says, and fit to learn from?"""

import itertools
import shutil

import numpy as np
import pytest
from corpora.construction import emotions, polarity, va
from corpora.construction.va_phrases import REGIONS
from corpora.construction.write import constructed

from raysearch.corpora import CORPORA, ROLES, load, normalise, sample
from raysearch.errors import DataError

SIZES = {
    "sample": (320, 80, 80),
    "sample_polarity": (120, 40, 40),
    "sample_emotions": (144, 48, 48),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_file_is_the_construction_byte_for_byte(name):
    content = (sample.FOLDER / f"{name}.csv").read_bytes()
    assert content == constructed(name, CORPORA[name].label_names).encode()


@pytest.mark.parametrize("name", SIZES)
def test_sizes_and_no_text_twice(name, tmp_path):
    corpus = load(name, tmp_path / "no data folder", ROLES)
    assert tuple(len(corpus.split(role)) for role in ROLES) == SIZES[name]
    assert corpus.removed == ()
    texts = [normalise(text) for role in ROLES for text in corpus.split(role).texts]
    assert len(set(texts)) == len(texts)


def _labels(role):
    return load("sample", "", ROLES).split(role).labels.astype(float)


@pytest.mark.parametrize("role", ROLES)
def test_valence_and_arousal_fill_the_plane_without_correlation(role):
    labels = _labels(role)
    assert abs(np.corrcoef(labels.T)[0, 1]) < 0.1
    assert labels.std(0).min() > 0.2
    assert np.abs(labels.mean(0) - 0.5).max() < 0.05
    assert labels.min(0).max() < 0.15
    assert labels.max(0).min() > 0.85


def test_sentences_have_four_to_thirty_words():
    lengths = [len(row.text.split()) for row in va.sentences()]
    assert min(lengths) >= 4
    assert max(lengths) <= 30
    assert np.std(lengths) > 4


@pytest.mark.parametrize(
    ("name", "clauses"),
    [
        ("sample", [clause[0] for listed in REGIONS.values() for clause in listed]),
        ("sample_polarity", [*polarity.GOOD, *polarity.BAD]),
        ("sample_emotions", [event for events in emotions.EVENTS.values() for event in events]),
    ],
)
def test_no_clause_stands_in_two_splits(name, clauses):
    assert len(set(clauses)) == len(clauses)
    corpus = load(name, "", ROLES)
    texts = {role: " | ".join(corpus.split(role).texts).casefold() for role in ROLES}
    for clause in clauses:
        assert sum(clause.casefold() in text for text in texts.values()) == 1, clause


@pytest.mark.parametrize(
    "frames",
    [
        {role: list(itertools.chain(*va.FRAMES[role].values())) for role in ROLES},
        {
            role: [*polarity.PLAIN[role], *polarity.CONTRAST[role], *polarity.DENIED[role]]
            for role in ROLES
        },
        emotions.FRAMES,
    ],
    ids=("sample", "sample_polarity", "sample_emotions"),
)
def test_no_frame_but_the_bare_clause_is_in_two_splits(frames):
    for one, other in itertools.combinations(ROLES, 2):
        assert set(frames[one]) & set(frames[other]) == {"{A}."}


def _label(start):
    (found,) = [row.label for row in va.sentences() if row.text.startswith(start)]
    return found


def test_labels_follow_the_stated_rules():
    # "our team scored ...": valence 8.6, arousal 8.7
    assert _label("Our team scored in the last second of the final.") == (8.6, 8.7)
    # excite: 5 + 1.2 * 3.6 = 9.32 and 9.7, both clipped
    assert _label("My heart was pounding, because our team scored") == (9.0, 9.0)
    # downtone "the dog came running home", 8.5 and 7.4: 5 + 0.5 * 3.5; 2.5 + 0.6 * 4.9
    assert _label("The dog came running home after three days away, although it hardly") == (
        6.75,
        5.44,
    )
    # negate "a man with a knife", 1.4 and 8.7: 5 + 0.4 * 3.6; 3.5 + 0.4 * 5.2
    knife = [row.label for row in va.sentences() if "a man with a knife" in row.text]
    assert (6.44, 5.58) in knife


def test_what_dominates_a_contrast_decides_its_side():
    ratings = {c[0]: c[1:] for listed in REGIONS.values() for c in listed}
    train = {row.text: row.label for row in va.sentences() if row.role == "train"}
    frame = "Although {b}, I remember that summer because {a}."
    found = 0
    for (b, other), (a, main) in itertools.permutations(ratings.items(), 2):
        text = frame.format(a=a, b=b)
        if text in train:
            low, high = sorted((other[1], main[1]))
            expected = (0.7 * main[0] + 0.3 * other[0], 0.35 * low + 0.65 * high)
            assert train[text] == pytest.approx(expected, abs=0.006)
            found += 1
    assert found == 20


def test_one_word_does_not_tell_the_polarity():
    """Both polarities hold the same opinions: a contrast and a denial turn them round."""
    corpus = load("sample_polarity", "", ROLES)
    train = corpus.split("train")
    for opinion in polarity.GOOD[:24] + polarity.BAD[:24]:
        labels = {
            int(label)
            for text, label in zip(train.texts, train.labels, strict=True)
            if opinion.casefold() in text.casefold()
        }
        assert labels == {0, 1}


@pytest.mark.parametrize("name", ["sample_polarity", "sample_emotions"])
def test_classes_are_balanced_in_every_split(name):
    corpus = load(name, "", ROLES)
    for role in ROLES:
        assert len(set(np.bincount(corpus.split(role).labels).tolist())) == 1


@pytest.mark.parametrize(
    ("name", "row", "rule"),
    [
        ("sample", "x,train,9.5,5,Too happy.", "`valence` must be a number from 1 to 9"),
        ("sample", "x,main,5,5,No such split.", "`split` must be train, dev or test"),
        ("sample_emotions", "x,train,hope,No such class.", "`label` must be one of anger"),
        ("sample_polarity", "x,train,positive, ", "at least one token"),
    ],
)
def test_a_changed_installation_is_an_error(name, row, rule, tmp_path, monkeypatch):
    shutil.copy(sample.FOLDER / f"{name}.csv", tmp_path)
    with (tmp_path / f"{name}.csv").open("a") as file:
        file.write(row + "\n")
    monkeypatch.setattr(sample, "FOLDER", tmp_path)
    with pytest.raises(DataError, match=rule + "(.|\n)*install raysearch again"):
        load(name, "", ROLES)
