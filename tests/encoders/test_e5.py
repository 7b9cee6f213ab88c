"""The E5S1 reader: hand-made images, the package's own engine, and sense across languages."""

import ctypes
import math
import struct

import numpy as np
import pytest
import torch

from raysearch.encoders import e5
from raysearch.encoders.packaged import find_weights
from raysearch.errors import EncoderError

PIECES = [
    ("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -3.0), ("a", -4.0),
    ("b", -4.0), ("\u2581a", -5.0), ("ab", -6.5), ("\u2581ab", -9.5), ("1", -5.0), ("<mask>", 0.0),
]  # fmt: skip
HIDDEN, FFN, HEADS, ROWS, POSITIONS = 32, 64, 2, 16, 8  # more rows than pieces, as in the real one


class Writer:
    """An image written value by value, and what each value must be read as."""

    def __init__(self):
        self.random = np.random.default_rng(3)
        self.tensors = {}
        self.expected = {}

    def full(self, name, *shape, around=0.0):
        values = (around + 0.2 * self.random.normal(size=shape)).astype("<f4")
        self.tensors[name] = (0, values.size, values.tobytes())
        self.expected[name] = values

    def quantised(self, name, rows, columns):
        raw, values = b"", []
        for _ in range(rows * columns // 32):
            scale = float(np.float16(self.random.uniform(0.005, 0.05)))
            nibbles = [int(n) for n in self.random.integers(0, 16, size=32)]
            raw += struct.pack("<e", scale)
            raw += bytes(nibbles[i] + 16 * nibbles[i + 16] for i in range(16))
            values += [(nibble - 8) * scale for nibble in nibbles]
        self.tensors[name] = (1, rows * columns, raw)
        self.expected[name] = np.array(values, dtype=np.float32).reshape(rows, columns)

    def layer(self, number):
        for part in ("q", "k", "v", "ao"):
            self.quantised(f"l{number}.{part}.w", HIDDEN, HIDDEN)
            self.full(f"l{number}.{part}.b", HIDDEN)
        self.quantised(f"l{number}.fi.w", FFN, HIDDEN)
        self.full(f"l{number}.fi.b", FFN)
        self.quantised(f"l{number}.fo.w", HIDDEN, FFN)
        self.full(f"l{number}.fo.b", HIDDEN)
        for part in ("aln", "oln"):
            self.full(f"l{number}.{part}.w", HIDDEN, around=1.0)
            self.full(f"l{number}.{part}.b", HIDDEN)

    def bytes(self, magic=b"E5S1"):
        texts = [piece.encode() for piece, _ in PIECES]
        head = magic + struct.pack("<I", 1)
        head += struct.pack("<7i", HIDDEN, 2, HEADS, FFN, ROWS, POSITIONS, 2)
        head += struct.pack("<fi", 1e-12, 32)
        head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, texts)))
        head += struct.pack(f"<{len(texts) + 1}I", *np.cumsum([0, *map(len, texts)]))
        head += struct.pack(f"<{len(texts)}f", *(score for _, score in PIECES))
        head += b"".join(texts)
        table = struct.pack("<IB", 0xA0, 1) + struct.pack("<I", 32)
        head += struct.pack("<iI", 1, len(table)) + table
        head += struct.pack("<i", len(self.tensors))
        offset = len(head) + sum(2 + len(name) + 21 for name in self.tensors)
        body = b""
        for name, (kind, count, raw) in self.tensors.items():
            head += struct.pack("<H", len(name)) + name.encode()
            head += struct.pack("<BIQQ", kind, count, offset + len(body), len(raw))
            body += raw
        return head + body


@pytest.fixture
def written(tmp_path):
    writer = Writer()
    writer.quantised("emb.word", ROWS, HIDDEN)
    writer.full("emb.pos", POSITIONS, HIDDEN)
    writer.full("emb.type", 2, HIDDEN)
    writer.full("emb.ln.w", HIDDEN, around=1.0)
    writer.full("emb.ln.b", HIDDEN)
    writer.layer(0)
    writer.layer(1)
    path = tmp_path / "image.bin"
    path.write_bytes(writer.bytes())
    return writer.expected, path


def normed(x, weight, bias):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12) * weight + bias


def forward(w, ids, layers):
    """BERT in numpy, float64, written from its paper; ``(T,)`` to ``(T, H)``."""
    x = w["emb.word"][ids] + w["emb.pos"][: len(ids)] + w["emb.type"][0]
    x = normed(x.astype(float), w["emb.ln.w"], w["emb.ln.b"])
    gelu = np.vectorize(lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))))
    for i in range(layers):
        q, k, v = (x @ w[f"l{i}.{p}.w"].T + w[f"l{i}.{p}.b"] for p in "qkv")
        heads = []
        for part in np.split(np.arange(HIDDEN), HEADS):
            weights = np.exp(q[:, part] @ k[:, part].T / math.sqrt(len(part)))
            heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, part])
        attended = np.concatenate(heads, -1) @ w[f"l{i}.ao.w"].T + w[f"l{i}.ao.b"]
        x = normed(x + attended, w[f"l{i}.aln.w"], w[f"l{i}.aln.b"])
        inner = gelu(x @ w[f"l{i}.fi.w"].T + w[f"l{i}.fi.b"])
        x = normed(
            x + inner @ w[f"l{i}.fo.w"].T + w[f"l{i}.fo.b"], w[f"l{i}.oln.w"], w[f"l{i}.oln.b"]
        )
    return x


def test_every_tensor_is_read_as_it_was_written(written):
    expected, path = written
    image = e5.read_image(path)
    assert set(image.tensors) == set(expected)
    for name, values in expected.items():
        assert np.array_equal(image.values(name), values.reshape(-1)), name


@pytest.mark.parametrize("layers", [1, 2])
def test_model_against_bert_in_numpy(written, layers):
    expected, path = written
    model = e5.build_model(e5.read_image(path), layers)
    assert not model.training
    assert model.config.vocab_size == len(PIECES)
    ids = [0, 7, 6, 9, 2]
    with torch.no_grad():
        hidden = model(torch.tensor([ids])).last_hidden_state[0]
    assert np.allclose(hidden.numpy(), forward(expected, ids, layers), atol=2e-5)


def test_another_format_is_refused(tmp_path):
    for content in (b"", b"E5S1", Writer().bytes(magic=b"E5S2")):
        path = tmp_path / "image.bin"
        path.write_bytes(content)
        with pytest.raises(EncoderError, match="must be an E5S1 image"):
            e5.read_image(path)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ab", ["\u2581a", "b"]),  # -5 - 4 beats both -9.5 and -3 - 6.5
        ("a", ["\u2581a"]),
        (" a", ["\u2581a"]),  # the space that is there is the one that is put in front
        ("a   a", ["\u2581a", "\u2581a"]),  # runs of spaces are one
        ("a\u00a0a\ta", ["\u2581a", "\u2581a", "\u2581a"]),  # every space is a space
        ("\uff41\u200ba\u2460", ["\u2581a", "\u2581a", "1"]),  # NFKC: wide a, zero width, circled 1
        ("a\x07b", ["\u2581a", "b"]),  # control characters vanish
        ("ax", ["\u2581a", "<unk>"]),
        ("a<mask>", ["\u2581a", "<mask>"]),
    ],
)
def test_tokens_by_hand(written, text, pieces):
    tokenizer = e5.build_tokenizer(e5.read_image(written[1]))
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<s>", *pieces, "</s>"]


def test_special_tokens_of_the_real_one(me5):
    tokenizer = me5.tokenizer
    assert tokenizer.convert_tokens_to_ids(["<s>", "<pad>", "</s>", "<unk>"]) == [0, 1, 2, 3]
    assert tokenizer.mask_token_id == 250_001
    # XLM-R's ids of these words, as its model card's readers know them.
    assert tokenizer("Hello world")["input_ids"] == [0, 35378, 8999, 2]
    assert (me5.hidden_size, me5.layers, me5.tokenizer.model_max_length) == (384, 12, 512)


class Engine:
    """The package's own compiled code, called without importing the package."""

    def __init__(self, folder):
        library = ctypes.CDLL(str(next(folder.glob("_engine*.so"))))
        library.e5_load.restype = ctypes.c_void_p
        library.e5_load.argtypes = [ctypes.c_char_p]
        floats = ctypes.POINTER(ctypes.c_float)
        library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, floats]
        library.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self.library = library
        self.handle = library.e5_load(str(folder / "e5-small-q4.bin").encode())

    def embed(self, text):
        vector = np.zeros(384, dtype=np.float32)
        pointer = vector.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        assert self.library.e5_embed(self.handle, text.encode(), 1, pointer) == 0
        return vector

    def tokens(self, text):
        return self.library.e5_token_count(self.handle, text.encode(), 1)


@pytest.fixture(scope="module")
def engine(me5):
    try:
        return Engine(find_weights("me5").parent)
    except (OSError, StopIteration) as error:
        pytest.skip(f"the package's engine does not load here: {error}")


def test_vectors_against_the_packages_engine(me5, engine, sentences, vectors):
    sentences = sentences[::2]
    # The engine rounds activations to 8 bits, hence not nearer than this.
    ours = vectors(me5.model, me5.tokenizer, [f"query: {text}" for text in sentences]).numpy()
    theirs = np.stack([engine.embed(text) for text in sentences])
    cosines = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosines.mean() > 0.9999
    assert cosines.min() > 0.9998


def test_number_of_tokens_against_the_packages_engine(me5, engine, xabsa):
    for language in ("en", "es", "fr", "nl", "ru"):
        texts = xabsa(f"gold-{language}-test.txt")
        ours = me5.tokenizer([f"query: {text}" for text in texts])["input_ids"]
        assert [len(ids) for ids in ours] == [engine.tokens(text) for text in texts]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.parametrize("any_data", ["real"], indirect=True)
def test_a_translation_is_nearer_than_any_other_sentence(me5, xabsa, vectors):
    def unit(file):
        texts = [f"query: {text}" for text in xabsa(file)[:20]]  # later ones are not in step
        return torch.nn.functional.normalize(vectors(me5.model, me5.tokenizer, texts))

    english = unit("gold-en-train.txt")
    for language in ("es", "fr", "nl"):
        cosines = english @ unit(f"smt-{language}-train.txt").T
        assert (cosines.argmax(1) == torch.arange(20)).float().mean() >= 0.95
        others = (cosines.sum() - cosines.trace()) / (20 * 19)
        assert cosines.diagonal().mean() - others > 0.1
