"""Texts to ids: order, length, specials, and texts without any token."""

import pytest

from raysearch import encoders
from raysearch.encoders.text import word_pieces
from raysearch.errors import DataError, EncoderError


@pytest.fixture
def tokenizer():
    return encoders.load("tiny").tokenizer


def test_ids_and_specials_by_hand(minilm):
    first, second = encoders.encode(minilm.tokenizer, ["Hello world!", "A 🤖 [SEP]"], 32)
    # Ids of BERT's public vocabulary: [CLS] 101, [SEP] 102, [UNK] 100.
    assert first.ids == [101, 7592, 2088, 999, 102]
    assert first.specials == [True, False, False, False, True]
    # An unknown word is text, and so is a separator that was typed: "[", "sep", "]".
    assert second.ids == [101, 1037, 100, 1031, 19802, 1033, 102]
    assert second.specials == [True, *[False] * 5, True]


def test_long_texts_are_cut_and_short_ones_are_not_padded(tokenizer):
    long, short = encoders.encode(tokenizer, ["word " * 50, "no"], 16)
    assert len(long.ids) == len(long.specials) == 16
    assert long.specials == [True] + [False] * 14 + [True]
    assert len(short.ids) == 4  # [CLS] Ġn o [SEP]
    assert len(encoders.encode(tokenizer, ["word " * 50], 400)[0].ids) == 152


def test_one_text_alone_and_in_a_batch_has_the_same_ids(tokenizer, sentences):
    together = encoders.encode(tokenizer, sentences, 64)
    assert len(together) == len(sentences)
    for text, record in zip(sentences, together, strict=True):
        assert encoders.encode(tokenizer, [text], 64) == [record]


def test_no_texts(tokenizer):
    assert encoders.encode(tokenizer, [], 16) == []


@pytest.mark.parametrize("blank", ["", "   ", "\n\t"])
@pytest.mark.parametrize("name", ["tiny", "minilm", "me5"])
def test_text_without_tokens_is_named(request, name, blank):
    encoder = encoders.load("tiny") if name == "tiny" else request.getfixturevalue(name)
    with pytest.raises(DataError, match="text 1 .* has none"):
        encoders.encode(encoder.tokenizer, ["fine", blank, "fine"], 16)


@pytest.mark.parametrize("length", [0, 2, 513])
def test_length_must_be_within_the_positions(tokenizer, length):
    with pytest.raises(EncoderError, match=rf"`max_length` must be in \[3, 512\].*got {length}"):
        encoders.encode(tokenizer, ["text"], length)


@pytest.mark.parametrize(
    "written", ["[SEP]", "[CLS]", "[PAD]", "[MASK]", "[UNK]", "</s>", "<mask>"]
)
@pytest.mark.parametrize("name", ["tiny", "minilm", "me5"])
def test_a_control_token_that_is_written_in_a_text_is_text(request, name, written):
    encoder = encoders.load("tiny") if name == "tiny" else request.getfixturevalue(name)
    tokenizer = encoder.tokenizer
    control = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    [record] = encoders.encode(tokenizer, [f"stars {written} none"], 32)
    assert not control & set(record.ids[1:-1]) and record.specials[1:-1].count(True) == 0
    [words] = word_pieces(tokenizer, [["stars", written, "none"]])
    assert [piece for word in words for piece in word] == record.ids[1:-1]
