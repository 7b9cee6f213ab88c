"""The pieces of words are those of their text, and each lies within its word."""

import unicodedata

import pytest
from small_encoders import TOKENIZERS, write_tokenizer
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from raysearch import encoders
from raysearch.encoders.quiet import quiet
from raysearch.encoders.text import check_words, specials_around, word_pieces
from raysearch.errors import EncoderError

ACCENTS = "Le café naïf était très bon ; crème brûlée Ångström ."
TEXTS = {
    "plain": "The food was good , didn't we say 's you 're ?",
    "NFC": unicodedata.normalize("NFC", ACCENTS),
    "NFD": unicodedata.normalize("NFD", ACCENTS),
    "combining marks": "\u0301 alone x\u0301\u0302 o\u0308 \u093f \u0915\u093f",
    "emoji": "good 👍🏽 😀 x👍y 👩‍👩‍👧 🇫🇷 ❤️ .",
    "zero width": "a\u200bb \u200b c\u200d \u200cd \ufeffe",
    "no-break": "a\u00a0b \u00a0 \u00a0c d\u00a0 10\u202f000 \u2007 e",
    "right to left": "שלום עולם ! الطعام جيد 10 \u202eabc\u202c \u200f .",
    "other spaces": "x \u3000 y \u2003z \u2028 w",
    "no spaces": "你好世界 这家餐厅很好 。 ",
    "compatibility": "ﬁne № ½ ㎏ Ⅳ …",
    "odd": "▁ Ġ ▁a Ġb ##c @@ d@@ _ a\x00b",
}
KINDS = [kind for kind in TOKENIZERS if kind != "canine"]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizers")
    found = {}
    for kind in KINDS:
        write_tokenizer(kind, folder / kind)
        with quiet():
            found[kind] = AutoTokenizer.from_pretrained(folder / kind)
    return found


def words_of(text):
    return [word for word in text.split(" ") if word]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_words_are_those_of_the_text(kind, text, tokenizers):
    tokenizer, words = tokenizers[kind], words_of(text)
    found, again = word_pieces(tokenizer, [words, words])
    assert found == again
    assert len(found) == len(words)
    whole = tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
    assert [piece for word in found for piece in word] == whole


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_piece_lies_within_its_word(kind, text, tokenizers):
    tokenizer, words = tokenizers[kind], words_of(text)
    if not tokenizer.is_fast:
        assert kind in ("phobert", "byt5", "letters")  # they know no offsets
        return
    whole = tokenizer(" ".join(words), add_special_tokens=False, return_offsets_mapping=True)
    offsets = iter(whole["offset_mapping"])
    start = 0
    for word, pieces in zip(words, word_pieces(tokenizer, [words])[0], strict=True):
        for _ in pieces:
            begin, end = next(offsets)
            assert max(0, start - 1) <= begin <= end <= start + len(word)  # the space is its own
        start += len(word) + 1


def test_byte_level_words_are_not_glued(tokenizers):
    tokenizer = tokenizers["roberta"]
    (found,) = word_pieces(tokenizer, [["The", "food", "was", "good"]])
    pieces = [tokenizer.convert_ids_to_tokens(word) for word in found]
    assert pieces == [["The"], ["Ġfood"], ["Ġwas"], ["Ġ", "good"]]


def test_no_words(tokenizers):
    assert word_pieces(tokenizers["bert"], []) == []
    assert word_pieces(tokenizers["bert"], [[], ["\u200b"]]) == [[], [[]]]


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_around_a_text(kind, tokenizers):
    tokenizer = tokenizers[kind]
    before, after = specials_around(tokenizer)
    own = tokenizer("The food", add_special_tokens=False)["input_ids"]
    assert tokenizer("The food")["input_ids"] == [*before, *own, *after]
    assert {*before, *after} <= set(tokenizer.all_special_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_words_can_be_told_apart(kind, tokenizers):
    check_words(kind, tokenizers[kind])
    check_words("tiny", encoders.load("tiny").tokenizer)


def test_a_tokenizer_whose_pieces_span_words():
    backend = Tokenizer(models.BPE({"a": 0, " ": 1, "b": 2, "d ": 3, "d": 4}, [("d", " ")]))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("$"), "isolated")
    spanning = PreTrainedTokenizerFast(tokenizer_object=backend)
    with pytest.raises(EncoderError, match="the tokenizer of x must make the same pieces"):
        check_words("x", spanning)
