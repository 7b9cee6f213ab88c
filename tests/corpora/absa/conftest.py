"""Small corpora of language pairs in folders of their own."""

import pytest

from raysearch.corpora.absa import TaggedSentence
from raysearch.corpora.absa.tagged import tagged_text


@pytest.fixture
def marked():
    """A sentence from text such as ``the [fresh fish]+ was late``; + POS, - NEG, = NEU."""

    def read(text):
        words, tags, inside = [], [], ""
        tokens = text.split()
        for index, token in enumerate(tokens):
            if token.startswith("["):
                end = next(other for other in tokens[index:] if other[-2:-1] == "]")
                inside = {"+": "T-POS", "-": "T-NEG", "=": "T-NEU"}[end[-1]]
            words.append(token.lstrip("[").split("]")[0])
            tags.append(inside or "O")
            if token[-2:-1] == "]":
                inside = ""
        return TaggedSentence(tuple(words), tuple(tags))

    return read


@pytest.fixture
def write(tmp_path, marked):
    """Write a file of marked sentences into a folder; returns the folder's path as text."""

    def one(name, *texts):
        content = tagged_text(marked(text) for text in texts)
        (tmp_path / name).write_bytes(content.encode())
        return f"{tmp_path}/"

    return one


@pytest.fixture
def pair(write):
    """en-xx in four files of four rows; row 2 lost its aspect and stands at the end of D_ST."""
    write(
        "gold-en-train.txt",
        "The [food]+ was good .",
        "We left .",
        "A [very old wine list]- with [staff]+ .",
        "The [lost one]- went .",
        "[Waiter]= , please !",
    )
    write(
        "smt-xx-train.txt",
        "Ka [manro]+ wa gu .",
        "Wi lef .",
        "Ka [vino]- kon [perso nal]+ .",
        "[Garso]= , plis !",
    )
    write(
        "cs_xx-en-train.txt",
        "The [manro]+ was good .",
        "We left .",
        "A [vino]- with [perso nal]+ .",
        "[Garso]= , please !",
        "The [lost one]- went .",
    )
    write(
        "cs_en-xx-train.txt",
        "Ka [food]+ wa gu .",
        "Wi lef .",
        "Ka [very list]- kon [staff]+ .",
        "[Waiter]= , plis !",
    )
    for name in ("en-dev", "xx-train", "xx-dev", "xx-test"):
        folder = write(f"gold-{name}.txt", f"{name} [thing]+ .")
    return folder
