"""Are the sample reviews what they claim: parallel, disjoint, balanced, grammatical?"""

import itertools
from collections import Counter

import pytest
from corpora.construction import reviews
from corpora.construction.reviews_frames import FRAMES
from corpora.construction.reviews_grammar import FORMS, Part, render
from corpora.construction.reviews_nouns import CATEGORIES, LANGUAGES, NOUNS
from corpora.construction.reviews_opinions import OPINIONS
from corpora.construction.reviews_plain import FILLINGS, PLAIN
from corpora.construction.write import constructed_reviews

from raysearch.corpora import sample

TARGETS = ("es", "fr", "nl", "ru")
NAMES = {
    *(f"gold-{code}-{role}" for code in LANGUAGES for role in ("train", "dev", "test")),
    *(f"smt-{code}-train" for code in TARGETS),
    *(f"cs_en-{code}-train" for code in TARGETS),
    *(f"cs_{code}-en-train" for code in TARGETS),
}


def _read(name):
    """Sentences as lists of (word, tag, category)."""
    text = (sample.REVIEWS / f"{name}.txt").read_text(encoding="utf-8")
    assert text.endswith("\n\n")
    blocks = text.removesuffix("\n\n").split("\n\n")
    return [[tuple(line.split("\t")) for line in block.split("\n")] for block in blocks]


def _aspects(rows):
    """(words, polarity) of each maximal run of marked words."""
    runs = itertools.groupby(rows, key=lambda row: row[1] != "O")
    found = [list(run) for marked, run in runs if marked]
    assert all(len({tag for _, tag, _ in run}) == 1 for run in found)
    return [(tuple(word for word, _, _ in run), run[0][1].removeprefix("T-")) for run in found]


def _swapped(rows, other):
    """The words of a sentence, its k-th aspect replaced by that of the other."""
    terms = iter(_aspects(other))
    words = []
    for marked, run in itertools.groupby(rows, key=lambda row: row[1] != "O"):
        words += next(terms)[0] if marked else [word for word, _, _ in run]
    return words


def _words(rows):
    return [word for word, _, _ in rows]


def _text(rows):
    return " ".join(_words(rows)).casefold()


def test_the_files_are_the_construction_byte_for_byte():
    made = constructed_reviews()
    assert {path.name for path in sample.REVIEWS.iterdir()} == set(made)
    assert set(made) == {f"{name}.txt" for name in NAMES}
    for name, text in made.items():
        assert (sample.REVIEWS / name).read_bytes() == text.encode(), name


def test_the_construction_gives_the_same_twice():
    first = reviews.sentences()
    reviews.sentences.cache_clear()
    assert reviews.sentences() == first


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_line_is_a_word_a_valid_tag_and_a_category(name):
    sentences = _read(name)
    assert len(sentences) == {"train": 240, "dev": 80, "test": 120}[name.rsplit("-", 1)[1]]
    for rows in sentences:
        for word, tag, category in rows:
            assert word and word == word.strip() and " " not in word
            assert tag in ("O", "T-POS", "T-NEG", "T-NEU")
            if name.startswith("gold"):
                assert (category == "NIL") == (tag == "O")
                assert category == "NIL" or category in CATEGORIES.values()
            else:
                assert category == "NONE-CATE"
        assert 3 <= len(rows) <= 40
        assert rows[-1][0] in (".", "!")


def test_all_languages_say_the_same_of_the_same_aspects():
    groups = [["gold-en-train", *(f"smt-{code}-train" for code in TARGETS)]]
    groups.append([f"gold-{code}-train" for code in TARGETS])
    groups += [[f"gold-{code}-{role}" for code in LANGUAGES] for role in ("dev", "test")]
    for names in groups:
        for parallel in zip(*(_read(name) for name in names), strict=True):
            said = [[polarity for _, polarity in _aspects(rows)] for rows in parallel]
            assert all(one == said[0] for one in said), [_text(rows) for rows in parallel]


def test_aspects_keep_their_order_in_every_language():
    for made in reviews.sentences().values():
        for sentence in made:
            for lines in sentence.lines.values():
                order = [part for part, _ in itertools.groupby(line.part for line in lines)]
                expected = [n for n, part in enumerate(sentence.parts) if part.polarity != "O"]
                assert [part for part in order if part >= 0] == expected


@pytest.mark.parametrize("code", TARGETS)
def test_code_switched_files_are_what_swapping_gives(code):
    views = [
        _read(name)
        for name in (
            "gold-en-train",
            f"smt-{code}-train",
            f"cs_{code}-en-train",
            f"cs_en-{code}-train",
        )
    ]
    for source, target, with_target, with_source in zip(*views, strict=True):
        assert _words(with_target) == _swapped(source, target)
        assert _words(with_source) == _swapped(target, source)
        assert _aspects(with_target) == _aspects(target)
        assert _aspects(with_source) == _aspects(source)


@pytest.mark.parametrize("code", LANGUAGES)
def test_no_sentence_occurs_twice_in_a_language(code):
    names = [f"gold-{code}-{role}" for role in ("train", "dev", "test")]
    if code != "en":
        names.append(f"smt-{code}-train")
    texts = [_text(rows) for name in names for rows in _read(name)]
    assert len(texts) == len(set(texts))


@pytest.mark.parametrize("code", TARGETS)
def test_no_code_switched_sentence_is_one_of_dev_or_test(code):
    held = {
        _text(rows)
        for language in ("en", code)
        for role in ("dev", "test")
        for rows in _read(f"gold-{language}-{role}")
    }
    for name in (f"cs_{code}-en-train", f"cs_en-{code}-train"):
        assert held.isdisjoint(_text(rows) for rows in _read(name))


@pytest.mark.parametrize("role", ["train", "dev", "test"])
def test_counts_and_balance(role):
    for code in LANGUAGES:
        found = [_aspects(rows) for rows in _read(f"gold-{code}-{role}")]
        size = len(found)
        sizes = Counter(len(aspects) for aspects in found)
        assert [sizes[number] / size for number in range(4)] == [0.3, 0.45, 0.2, 0.05]
        shares = Counter(polarity for aspects in found for _, polarity in aspects)
        total = sum(shares.values())
        assert 0.38 < shares["POS"] / total < 0.5
        assert 0.32 < shares["NEG"] / total < 0.45
        assert 0.12 < shares["NEU"] / total < 0.22
        long = sum(len(words) > 1 for aspects in found for words, _ in aspects)
        assert long / total > (0.1 if code == "nl" else 0.2)
        mixed = sum(len({polarity for _, polarity in aspects}) > 1 for aspects in found)
        assert mixed >= size // 20


def test_test_and_dev_hold_words_that_train_does_not():
    made = reviews.sentences()
    for role in ("dev", "test"):
        parts = [part for one in made[role] for part in one.parts if part.polarity != "O"]
        nouns = [part.noun.role for part in parts]
        judged = [part.opinion.role for part in parts if part.opinion is not None]
        assert 0.2 < nouns.count(role) / len(nouns) < 0.5
        assert 0.15 < judged.count(role) / len(judged) < 0.5
    seen = {entry for one in made["train"] for part in one.parts for entry in part if entry}
    assert all(entry.role == "train" for entry in seen if not isinstance(entry, str))
    # Nothing but the target's unlabelled text knows what dev holds out; nothing, what test does.
    free = {entry.role for one in made["free"] for part in one.parts for entry in part[:2] if entry}
    assert free == {"train", "dev"}


def test_a_word_alone_does_not_tell_an_aspect():
    """Nouns of train occur as aspects of several polarities and where nothing judges them."""
    uses = {}
    for sentence in reviews.sentences()["train"]:
        for part in sentence.parts:
            uses.setdefault(part.noun, set()).add(part.polarity)
    assert sum(len(polarities - {"O"}) >= 2 for polarities in uses.values()) > 0.7 * len(uses)
    food = [polarities for noun, polarities in uses.items() if noun.kind in ("main", "sweet")]
    assert sum("O" in polarities for polarities in food) > 0.8 * len(food)


def test_the_tables_are_used_up():
    made = [one for listed in reviews.sentences().values() for one in listed]
    used = {entry for one in made for part in one.parts for entry in part[:2]}
    assert set(NOUNS) <= used
    assert len(set(OPINIONS) - used) <= 3
    english = " | ".join(" ".join(line.word for line in one.lines["en"]).casefold() for one in made)
    for filling in FILLINGS:
        assert filling.texts[0].casefold() in english


def test_tables_are_complete():
    for noun in NOUNS:
        assert len(noun.words) == len(LANGUAGES)
        for code, word in zip(LANGUAGES, noun.words, strict=True):
            assert word.form in FORMS[code]
    for code in range(len(LANGUAGES)):
        names = [noun.words[code].noun for noun in NOUNS]
        assert len(set(names)) == len(names)
        adjectives = [opinion.words[code] for opinion in OPINIONS]
        assert len(set(adjectives)) == len(adjectives)
    for frame in (*FRAMES, *PLAIN):
        assert len(frame.patterns) == len(LANGUAGES)


ARTICLES = {
    "es": {"m": "el", "f": "la", "mp": "los", "fp": "las"},
    "fr": {"m": "le", "f": "la", "mp": "les", "fp": "les"},
    "nl": {"c": "de", "n": "het", "p": "de"},
}


@pytest.mark.parametrize("code", ARTICLES)
def test_articles_agree_with_gender_number_and_vowel(code):
    for noun in NOUNS:
        word = noun.words[LANGUAGES.index(code)]
        elided = code == "fr" and word.form in "mf" and word.noun[0] in "aeiouéh"
        assert word.article == ("l'" if elided else ARTICLES[code][word.form])


def _said(english, adjective, pattern, code):
    noun = next(noun for noun in NOUNS if noun.words[0].noun == english)
    opinion = next(opinion for opinion in OPINIONS if opinion.words[0] == adjective)
    lines = render(pattern, code, [Part(noun, opinion, opinion.polarity)], {})
    return " ".join(line.word for line in lines)


@pytest.mark.parametrize(
    ("noun", "adjective", "code", "pattern", "expected"),
    [
        ("fries", "cold", "es", "[1] {be1} {1}", "Las patatas fritas estaban frías"),
        ("terrace", "dirty", "es", "[1] {be1} {1}", "La terraza estaba sucia"),
        ("terrace", "noisy", "es", "[1] {be1} {1}", "La terraza era ruidosa"),
        ("waitress", "rude", "es", "[1] {be1} {1}", "La camarera fue grosera"),
        ("beer", "ordinary", "es", "[1t] {is1} {1}", "Su cerveza es corriente"),
        ("bill", "excessive", "fr", "[1] {be1} {1}", "L' addition était excessive"),
        ("oysters", "delicious", "fr", "[1t] {is1} {1}", "Leurs huîtres sont délicieuses"),
        ("waitress", "rude", "fr", "[1b] {1}", "Serveuse grossière"),
        ("bread", "fresh", "nl", "{1x} [1b]", "Vers brood"),
        ("soup", "delicious", "nl", "{1x} [1b]", "Heerlijke soep"),
        ("prices", "reasonable", "nl", "{1x} [1b]", "Redelijke prijzen"),
        ("soup", "cold", "nl", "dat [1] {1} {be1}", "Dat de soep koud was"),
        ("fish", "fresh", "ru", "{1} [1b]", "Свежая рыба"),
        ("bread", "fresh", "ru", "[1] {be1} {1i}", "Хлеб был свежим"),
        ("ice cream", "too sweet", "ru", "[1] {be1} {1}", "Мороженое было слишком сладкое"),
        ("service", "average", "ru", "[1] {be1} {1}", "Обслуживание было среднее"),
        ("pancakes", "average", "ru", "[1] {be1} {1i}", "Блины были средними"),
        ("duck", "burnt", "ru", "[1] {be1} {1i}", "Утка была подгоревшей"),
        ("duck", "burnt", "ru", "видели [1a]", "Видели утку"),
        ("courtyard", "quiet", "ru", "[1] {is1} {1}", "Внутренний дворик тихий"),
    ],
)
def test_words_agree(noun, adjective, code, pattern, expected):
    assert _said(noun, adjective, pattern, code) == expected
