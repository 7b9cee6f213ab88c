"""Small random encoders of many families, each with a tokenizer of its kind, as folders.

They stand in for what users have on disk: the tokenizers are trained on a few lines, the weights
are drawn from a seed. What transformers writes on the way stays silent.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from raysearch.encoders.quiet import quiet

LINES = [
    "The food was good and the wine list was long .",
    "We came late , but the waiter didn't mind !",
    "The food was fine , the waiter was rude .",
    "La comida estaba buena y el camarero tardó .",
    "Le café était très bon , la crème brûlée aussi .",
    "Обслуживание медленное , но вкусно .",
    "שלום עולם الطعام جيد 你好",
]
LAYERS = 3
POSITIONS = 66
_SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": POSITIONS,
}
_BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def _trained(backend: Tokenizer, trainer: Any) -> dict[str, Any]:
    """What a model of the tokenizers library has learnt of `LINES`, as it describes itself."""
    backend.train_from_iterator(LINES, trainer)
    learnt: dict[str, Any] = json.loads(backend.to_str())["model"]
    return learnt


def _wordpiece(specials: list[str]) -> dict[str, int]:
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=200, special_tokens=specials, show_progress=False
    )
    vocabulary: dict[str, int] = _trained(backend, trainer)["vocab"]
    return vocabulary


def _byte_level(specials: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learnt = _trained(backend, trainer)
    return learnt["vocab"], [tuple(pair) for pair in learnt["merges"]]


def _unigram(specials: list[str]) -> list[tuple[str, float]]:
    """Pieces and scores, specials first in this order."""
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=specials, unk_token="<unk>", show_progress=False
    )
    learnt = dict(_trained(backend, trainer)["vocab"])
    pieces = {"\u2581": -4.0} | {p: s for p, s in learnt.items() if p not in specials}
    return [*((special, 0.0) for special in specials), *sorted(pieces.items())]


def _words_file(folder: Path) -> dict[str, str]:
    """Vocabulary of letters and a merge that is never used, as PhoBERT has them."""
    letters = Counter("".join(LINES).replace(" ", ""))
    lines = [f"{letter}{end} {n}\n" for letter, n in letters.items() for end in ("@@", "")]
    (folder / "vocab.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "bpe.codes").write_text("q q 1\n", encoding="utf-8")
    return {"vocab_file": str(folder / "vocab.txt"), "merges_file": str(folder / "bpe.codes")}


def _letters_file(folder: Path) -> str:
    letters = dict.fromkeys("".join(LINES).replace(" ", ""))
    text = "\n".join([*_BERT, *letters])
    (folder / "letters.txt").write_text(f"{text}\n", encoding="utf-8")
    return str(folder / "letters.txt")


def _modern(folder: Path) -> Any:
    vocabulary, merges = _byte_level(_BERT)
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pairs = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=pairs)
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, **_NAMES)


def _characters(folder: Path) -> Any:
    letters = dict.fromkeys("".join(LINES))
    backend = Tokenizer(
        models.WordLevel({p: n for n, p in enumerate([*_BERT, *letters])}, unk_token="[UNK]")
    )
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    pairs = [("[CLS]", 2), ("[SEP]", 3)]
    backend.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=pairs)
    return hf.PreTrainedTokenizerFast(tokenizer_object=backend, **_NAMES)


_NAMES = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def _roberta(kind: Any = hf.RobertaTokenizer, **options: Any) -> Any:
    vocabulary, merges = _byte_level(_ROBERTA)
    return kind(vocab=vocabulary, merges=merges, **options)


TOKENIZERS: Mapping[str, Callable[[Path], Any]] = {
    "bert": lambda _: hf.BertTokenizer(vocab=_wordpiece(_BERT)),
    "mpnet": lambda _: hf.MPNetTokenizer(
        vocab=_wordpiece(["<s>", "<pad>", "</s>", "[UNK]", "<mask>"])
    ),
    "roberta": lambda _: _roberta(),
    "gpt2": lambda _: _roberta(hf.GPT2Tokenizer, unk_token="<s>", bos_token="<s>", eos_token="<s>"),
    "modernbert": _modern,
    "xlm-roberta": lambda _: hf.XLMRobertaTokenizer(vocab=_unigram(_ROBERTA)),
    "camembert": lambda _: hf.CamembertTokenizer(
        vocab=_unigram(["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"])
        + [("<s>", 0.0), ("</s>", 0.0), ("<mask>", 0.0)]
    ),
    "albert": lambda _: hf.AlbertTokenizer(
        vocab=_unigram(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    ),
    "deberta-v2": lambda _: hf.DebertaV2Tokenizer(
        vocab=_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]), unk_id=3
    ),
    "t5": lambda _: hf.T5Tokenizer(vocab=_unigram(["<pad>", "</s>", "<unk>"]), extra_ids=0),
    "phobert": lambda folder: hf.PhobertTokenizer(**_words_file(folder)),
    "byt5": lambda _: hf.ByT5Tokenizer(cls_token="</s>", sep_token="</s>"),
    "letters": lambda folder: hf.BertJapaneseTokenizer(
        vocab_file=_letters_file(folder),
        word_tokenizer_type="basic",
        subword_tokenizer_type="character",
    ),
    "characters": _characters,
    "canine": lambda _: hf.CanineTokenizer(),
}
"""Kind of tokenizer to a maker, which may write its own files into a scratch folder."""


FAMILIES: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "bert": ("bert", lambda: hf.BertConfig(**_SIZES)),
    "distilbert": (
        "bert",
        lambda: hf.DistilBertConfig(
            dim=16, n_heads=2, n_layers=LAYERS, hidden_dim=24, max_position_embeddings=POSITIONS
        ),
    ),
    "electra": ("bert", lambda: hf.ElectraConfig(**_SIZES, embedding_size=12)),
    "mpnet": ("mpnet", lambda: hf.MPNetConfig(**_SIZES)),
    "roberta": ("roberta", lambda: hf.RobertaConfig(**_SIZES)),
    "longformer": (
        "roberta",
        lambda: hf.LongformerConfig(**_SIZES, attention_window=[8] * LAYERS),
    ),
    "modernbert": (
        "modernbert",
        lambda: hf.ModernBertConfig(**_SIZES, local_attention=8, **_ids(0, 2, 3)),
    ),
    "xlm-roberta": ("xlm-roberta", lambda: hf.XLMRobertaConfig(**_SIZES)),
    "camembert": ("camembert", lambda: hf.CamembertConfig(**_SIZES, **_ids(1, 5, 6))),
    "albert": ("albert", lambda: hf.AlbertConfig(**_SIZES, embedding_size=12)),
    "deberta-v2": (
        "deberta-v2",
        lambda: hf.DebertaV2Config(
            **_SIZES,
            relative_attention=True,
            position_buckets=8,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            type_vocab_size=0,
        ),
    ),
    "phobert": ("phobert", lambda: hf.RobertaConfig(**_SIZES)),
    "bigbird": ("albert", lambda: hf.BigBirdConfig(**_SIZES, **_ids(0, 2, 3))),
    "xlm": (
        "bert",
        lambda: hf.XLMConfig(
            emb_dim=16,
            n_heads=2,
            n_layers=LAYERS,
            max_position_embeddings=POSITIONS,
            pad_index=0,
            pad_token_id=0,
        ),
    ),
    "bert of bytes": ("byt5", lambda: hf.BertConfig(**_SIZES)),
    "bert of letters": ("letters", lambda: hf.BertConfig(**_SIZES)),
    "bert of characters": ("characters", lambda: hf.BertConfig(**_SIZES)),
}
"""Encoders that can be used: kind of tokenizer, and configuration but for the vocabulary."""

STRANGERS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "t5": ("t5", lambda: hf.T5Config(d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2)),
    "bart": (
        "roberta",
        lambda: hf.BartConfig(
            d_model=16,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            max_position_embeddings=POSITIONS,
        ),
    ),
    "gpt2": ("gpt2", lambda: hf.GPT2Config(n_embd=16, n_head=2, n_layer=2, n_positions=POSITIONS)),
    "canine": ("canine", lambda: hf.CanineConfig(**_SIZES)),
}
"""What is no encoder, or none for texts of tokens."""


def _ids(pad: int, first: int, last: int) -> dict[str, int]:
    return {"pad_token_id": pad, "bos_token_id": first, "eos_token_id": last}


def write_tokenizer(kind: str, folder: Path) -> Any:
    """Train a tokenizer of a kind and write its files into the folder."""
    scratch = folder.with_name(f"{folder.name}-scratch")
    scratch.mkdir(parents=True, exist_ok=True)
    with quiet():
        tokenizer = TOKENIZERS[kind](scratch)
        tokenizer.save_pretrained(folder)
    return tokenizer


def write_encoder(family: str, folder: Path, **changes: Any) -> str:
    """Write a whole encoder; the folder as a name for `encoders.load`.

    Args:
        family: Of `FAMILIES` or `STRANGERS`.
        folder: Where to; its parent takes a scratch folder too.
        **changes: Of the configuration.
    """
    kind, configuration = (FAMILIES | STRANGERS)[family]
    tokenizer = write_tokenizer(kind, folder)
    config = configuration()
    config.vocab_size = len(tokenizer)
    for name, value in changes.items():
        setattr(config, name, value)
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = hf.AutoModel.from_config(config).eval()
        model.save_pretrained(folder)
    return str(folder)
