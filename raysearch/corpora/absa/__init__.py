"""Language pairs: aligned views of sentences with marked aspects.

``load_pair("xabsa", "en-es", data_dir(), {"train", "dev"})`` returns the views of a pair and
nothing of other roles. A new language needs only files (`files` lists them), no code.
"""

from raysearch.corpora.absa.pairs import load_pair, missing_views
from raysearch.corpora.absa.records import (
    PAIR_ROLES,
    POLARITIES,
    VIEWS,
    AlignedViews,
    Aspect,
    PairCorpus,
    TaggedSentence,
)

__all__ = [
    "PAIR_ROLES",
    "POLARITIES",
    "VIEWS",
    "AlignedViews",
    "Aspect",
    "PairCorpus",
    "TaggedSentence",
    "load_pair",
    "missing_views",
]
