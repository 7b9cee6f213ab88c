"""Where does text come from: registry, download with checksums, loaders, bundled samples.

``load("emobank", data_dir(), {"train", "dev"})`` gives frozen splits of the opened roles only,
with labels in [0, 1] or class ids, and no text of dev or test in train. Corpora named
``sample…`` are bundled and need no data folder. Language pairs with marked aspects (task
``absa``) are loaded by `absa.load_pair`, one pair at a time.

Adding a corpus: its files and SHA-256 in `pins` and `registry`, one loader file, one line in
`loading.LOADERS`; the tests that every corpus must pass then run on it.
"""

from raysearch.corpora.check import CheckResult, check
from raysearch.corpora.download import Progress, fetch
from raysearch.corpora.loading import LOADERS, load
from raysearch.corpora.records import ROLES, Corpus, Removal, Split, Task, normalise
from raysearch.corpora.registry import CORPORA, CorpusFile, CorpusInfo, corpus_info
from raysearch.corpora.source import data_dir

__all__ = [
    "CORPORA",
    "LOADERS",
    "ROLES",
    "CheckResult",
    "Corpus",
    "CorpusFile",
    "CorpusInfo",
    "Progress",
    "Removal",
    "Split",
    "Task",
    "check",
    "corpus_info",
    "data_dir",
    "fetch",
    "load",
    "normalise",
]
