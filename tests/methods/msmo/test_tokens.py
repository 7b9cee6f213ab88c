"""Words to pieces: one place for every word, and long sentences split, never cut."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_encoders import FAMILIES, write_encoder
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from raysearch import encoders
from raysearch.corpora.absa.records import TaggedSentence
from raysearch.encoders import Encoder
from raysearch.errors import DataError, EncoderError
from raysearch.methods.msmo import tokens as tokens_file
from raysearch.methods.msmo.tags import TAGS, bieos
from raysearch.methods.msmo.tokens import Tokenised, join, spans, tokenise


@pytest.fixture
def tiny() -> Encoder:
    return encoders.load("tiny", layers=1)


def sentence(text: str, *marked: int) -> TaggedSentence:
    words = tuple(text.split(" "))
    return TaggedSentence(words, tuple("T-POS" if n in marked else "O" for n in range(len(words))))


def read(encoder: Encoder, *rows: TaggedSentence, **options: Any) -> Tokenised:
    settings = {"max_length": 64, "long_sentences": "split", "where": "a test", **options}
    return tokenise(encoder, rows, **settings)


def metaspace() -> Encoder:
    """A SentencePiece-like encoder that knows ``▁``, ``▁a``, ``b``, ``,`` and specials."""
    vocabulary = [("<s>", 0.0), ("</s>", 0.0), ("<pad>", 0.0), ("<unk>", -9.0)]
    vocabulary += [("\u2581", -3.0), ("\u2581a", -1.0), ("b", -2.0), (",", -2.0)]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>", model_max_length=64
    )
    return dataclasses.replace(
        encoders.load("tiny", layers=1), tokenizer=tokenizer, digest="metaspace"
    )


def test_first_pieces_by_hand() -> None:
    # ▁ is skipped where a piece follows, be it another ▁ that was typed. No specials here.
    found = read(metaspace(), sentence("a , \u2581 ab"))
    assert found.ids.tolist() == [5, 4, 7, 4, 4, 5, 6]
    assert found.firsts.tolist() == [0, 2, 4, 5]
    # Alone it stands for its word.
    assert read(metaspace(), sentence("\u2581 a")).firsts.tolist() == [0, 1]


def test_a_word_without_pieces_is_the_unknown_one(tiny: Encoder) -> None:
    row = TaggedSentence(("good", " ", "food"), ("O", "O", "T-POS"))
    found = read(tiny, row)
    assert len(found.firsts) == 3
    assert found.ids[found.firsts[1]] == tiny.tokenizer.unk_token_id


def test_the_bare_space_of_byte_level_is_skipped(tiny: Encoder) -> None:
    found = read(tiny, sentence("food ,"))
    pieces = tiny.tokenizer.convert_ids_to_tokens(found.ids.tolist())
    assert [pieces[place] for place in found.firsts] == ["\u0120f", ","]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_reads_words_as_its_text(family: str, tmp_path: Path) -> None:
    encoder = encoders.load(write_encoder(family, tmp_path / "encoder"), layers=1)
    text = "The food was good , cafe\u0301 👍 ."
    found = read(encoder, sentence(text))
    assert found.ids.tolist() == encoder.tokenizer(text)["input_ids"]
    spoken = encoder.tokenizer.convert_ids_to_tokens(found.ids[found.firsts].tolist())
    assert not {"\u2581", "\u0120", " "} & set(spoken)
    first = [piece.lstrip("\u2581\u0120")[0].lower() for piece in spoken]
    assert [*first[:6], first[-1]] == ["t", "f", "w", "g", ",", "c", "."]
    assert len(first) == 8


def test_labels_aspects_and_sentences_stand_where_they_should(tiny: Encoder) -> None:
    rows = [sentence("the wine list came", 1, 2), sentence("food", 0), sentence("no")]
    found = read(tiny, *rows)
    assert len(found) == 3 and found.split == 0
    assert found.labels.tolist() == [label for row in rows for label in bieos(row)]
    assert [TAGS[label] for label in found.labels] == ["O", "B-POS", "E-POS", "O", "S-POS", "O"]
    assert found.words.tolist() == [0, 4, 5, 6]
    assert found.aspects.tolist() == [0, 1, 2, 2]
    assert found.begins.tolist() == [1, 0] and found.lengths.tolist() == [2, 1]
    assert found.longest.tolist() == found.sizes.tolist()
    for part in range(3):  # specials at both ends
        ids = found.ids[found.starts[part] : found.starts[part + 1]]
        assert ids[0] == tiny.tokenizer.cls_token_id and ids[-1] == tiny.tokenizer.sep_token_id


def test_long_sentences_are_split_between_words_outside_of_aspects(tiny: Encoder) -> None:
    words = "one two three four five six seven eight nine ten"
    whole = read(tiny, sentence(words, 3, 4, 5))
    found = read(tiny, sentence(words, 3, 4, 5), max_length=12)
    assert found.split == 1 and whole.split == 0
    assert found.sizes.max() <= 12
    # No piece is lost or changed, and words keep their order.
    specials = {tiny.tokenizer.cls_token_id, tiny.tokenizer.sep_token_id}
    inner = [[i for i in each.ids if i not in specials] for each in (whole, found)]
    assert inner[0] == inner[1]
    starts = [np.repeat(each.starts[:-1], np.diff(each.word_starts)) for each in (whole, found)]
    spoken = [each.ids[s + each.firsts] for each, s in zip((whole, found), starts, strict=True)]
    assert spoken[0].tolist() == spoken[1].tolist()
    assert not {4, 5} & set(found.word_starts.tolist())  # no part begins within the aspect
    assert found.labels.tolist() == whole.labels.tolist()


def test_evaluated_sentences_are_split_without_a_look_at_their_marks(tiny: Encoder) -> None:
    words = "one two three four five six seven eight nine ten"
    marked = read(tiny, sentence(words, 2, 3, 4, 5), max_length=12, marked=False)
    plain = read(tiny, sentence(words), max_length=12)
    assert marked.word_starts.tolist() == plain.word_starts.tolist()


def test_what_cannot_be_split_is_refused(tiny: Encoder) -> None:
    long = sentence("one two three four five six", 0, 1, 2, 3, 4, 5)
    with pytest.raises(DataError, match="a word or aspect must have at most 8 pieces.*a test"):
        read(tiny, long, max_length=10)
    with pytest.raises(DataError, match="at most 8 pieces"):
        read(tiny, sentence("x" * 40), max_length=10)
    with pytest.raises(DataError, match="at most 10 pieces where `long_sentences` is refuse"):
        read(tiny, sentence("one two three four five"), max_length=10, long_sentences="refuse")
    with pytest.raises(EncoderError, match="`max_length` must be <= 512"):
        read(tiny, sentence("one"), max_length=513)


def test_spans_and_join(tiny: Encoder) -> None:
    assert spans(np.array([0, 2, 2, 5]), np.array([2, 0, 1])).tolist() == [2, 3, 4, 0, 1]
    rows = [sentence("the food", 1), sentence("one two three four five six"), sentence("x")]
    apart = join([read(tiny, row, max_length=12) for row in rows])
    together = read(tiny, *rows, max_length=12)
    for field in dataclasses.fields(Tokenised):
        mine, other = getattr(apart, field.name), getattr(together, field.name)
        assert np.array_equal(mine, other), field.name


def test_sentences_are_tokenised_once(tiny: Encoder) -> None:
    first = read(tiny, sentence("once only"))
    assert read(encoders.load("tiny", layers=1), sentence("once only")) is first
    assert read(tiny, sentence("once only", 1)) is not first
    assert read(tiny, sentence("once only"), max_length=32) is not first
    assert len(tokens_file._CACHE) <= tokens_file.KEPT


def test_random_sentences_keep_every_word(tiny: Encoder) -> None:
    chance = np.random.default_rng(0)
    letters = list("abcdefghij,.'é字 ")
    rows = []
    for _ in range(200):
        words = tuple(
            "".join(chance.choice(letters, size=chance.integers(1, 5)))
            for _ in range(chance.integers(1, 30))
        )
        rows.append(
            TaggedSentence(words, tuple(chance.choice(["O", "O", "O", "T-NEG"], len(words))))
        )
    found = read(tiny, *rows, max_length=40, marked=False)
    assert found.words.tolist() == np.cumsum([0, *(len(row.words) for row in rows)]).tolist()
    assert found.sizes.max() <= 40 and found.split > 0
    places = np.repeat(found.sizes, np.diff(found.word_starts))
    assert (found.firsts >= 1).all() and (found.firsts < places - 1).all()
    assert len(
        np.unique(np.repeat(found.starts[:-1], np.diff(found.word_starts)) + found.firsts)
    ) == len(found.firsts)
