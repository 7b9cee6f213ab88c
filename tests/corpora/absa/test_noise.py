import random

import pytest

from raysearch.corpora import absa
from raysearch.corpora.absa.noise import misalign


def spans(sentences):
    return {(row, k): a for row, one in sentences.items() for k, a in enumerate(one.aspects)}


@pytest.fixture(scope="module")
def translations(any_data):
    views = absa.load_pair("xabsa", "en-es", any_data, {"train"}).views()
    return {view.row: view.t for view in views if view.t is not None}


def moved(before, after):
    one, other = spans(before), spans(after)
    assert one.keys() == other.keys()
    assert all(one[key].polarity == other[key].polarity for key in one)
    return {key for key in one if one[key] != other[key]}


@pytest.mark.parametrize(
    ("any_data", "aspects", "share", "count"),
    [
        *[("made", 237, *one) for one in [(0, 0), (0.1, 24), (0.25, 59), (0.5, 118)]],
        *[
            pytest.param("real", 1341, *one, marks=pytest.mark.real_data)
            for one in [(0, 0), (0.1, 134), (0.25, 335), (0.5, 670)]
        ],
    ],
    indirect=["any_data"],
)
def test_the_share_is_exact(translations, aspects, share, count):
    made = misalign(translations, share, 3)
    assert (made.wrong, made.asked, made.aspects) == (count, count, aspects)
    assert len(moved(translations, made.sentences)) == count
    assert all(one.words == translations[row].words for row, one in made.sentences.items())


def test_it_depends_on_the_seed_alone_and_shares_are_nested(translations):
    order = list(translations.items())
    random.Random(0).shuffle(order)
    small, large = misalign(translations, 0.1, 3), misalign(translations, 0.3, 3)
    assert misalign(dict(order), 0.1, 3).sentences == small.sentences
    first, second = moved(translations, small.sentences), moved(translations, large.sentences)
    assert first < second
    assert moved(translations, misalign(translations, 0.1, 4).sentences) != first


def test_wrong_spans_are_as_long_and_outside_of_aspects_where_possible(translations):
    made = misalign(translations, 0.3, 0)
    wrong = moved(translations, made.sentences)
    shorter = shared = 0
    for row, k in wrong:
        true, found = translations[row].aspects, made.sentences[row].aspects[k]
        words = range(found.begin, found.end + 1)
        shorter += len(words) < true[k].end - true[k].begin + 1
        shared += any(translations[row].tags[word] != "O" for word in words)
    assert shorter <= 0.02 * len(wrong)
    assert shared <= 0.15 * len(wrong)


def test_all_but_those_that_cannot_be(translations):
    made = misalign(translations, 1, 0)
    left = set(spans(translations)) - moved(translations, made.sentences)
    assert made.asked == made.aspects
    assert made.wrong == made.aspects - len(left)
    assert 0 < len(left) < 20
    for row, k in left:  # one word, and no other free
        aspect = translations[row].aspects[k]
        assert aspect.begin == aspect.end


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("a [b]+ c", {"[a]+ b c", "a b [c]+"}),
        ("[a b]+", {"[a]+ b", "a [b]+"}),
        ("[a b]+ c", {"a [b c]+"}),
        ("[a]+", {"[a]+"}),
    ],
)
def test_small_cases(marked, text, allowed):
    for seed in range(8):
        one = misalign({0: marked(text)}, 1, seed).sentences[0]
        assert one in {marked(form) for form in allowed}


def test_one_aspect_cannot_move_into_its_neighbours(marked):
    text = "[b]+ x y [c]-"
    for seed in range(20):
        made = misalign({0: marked(text)}, 0.5, seed)
        assert made.wrong == 1
        assert made.sentences[0] in {marked("b [x]+ y [c]-"), marked("[b]+ x [y]- c")}


def test_invariants_on_random_sentences(marked):
    draw = random.Random(5)
    for seed in range(300):
        tags = [draw.choice(["O", "O", "T-POS", "T-NEG"]) for _ in range(draw.randint(1, 12))]
        one = absa.TaggedSentence(tuple(f"w{i}" for i in range(len(tags))), tuple(tags))
        made = misalign({0: one}, draw.random(), seed).sentences[0]
        before, after = one.aspects, made.aspects
        assert [a.polarity for a in before] == [a.polarity for a in after]
        assert all(b.end - b.begin <= a.end - a.begin for a, b in zip(before, after, strict=True))
