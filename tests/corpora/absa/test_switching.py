"""Are built code-switched sentences those of the files, but for the files' known faults?"""

import re

import pytest

from raysearch.corpora import absa
from raysearch.corpora.absa.code_switching import switch, terms


def test_terms_are_replaced_in_order(marked):
    sentence = marked("[a b]+ c [d]- e")
    assert terms(sentence) == (("a", "b"), ("d",))
    assert switch(sentence, [("x",), ("y", "z")]) == marked("[x]+ c [y z]- e")
    assert switch(sentence, terms(sentence)) == sentence
    assert switch(marked("a b"), []) == marked("a b")


def raw(file):
    """Words and tags of a file as they stand, read in the plainest way."""
    blocks = file.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")
    rows = [[line.split("\t")[:2] for line in block.split("\n")] for block in blocks]
    return [tuple(zip(*row, strict=True)) for row in rows]


def cut(source_term):
    """What cs_en-XX has of an English term."""
    return source_term if len(source_term) < 3 else (source_term[0], source_term[-1])


# pair, rows of cs_en-XX, rows with cut terms and these terms, extra rows, rows left out
MADE = [
    ("es", 238, 20, 21, [], []),
    ("fr", 238, 21, 22, [2], []),
    ("nl", 240, 21, 22, [], []),
    ("ru", 237, 21, 22, [], [5]),
]
REAL = [
    ("es", 1571, 139, 150, [], []),
    ("fr", 1572, 137, 148, [1387], []),
    ("nl", 1586, 140, 151, [], []),
    ("ru", 1577, 140, 151, [], [582]),
]


@pytest.mark.parametrize(
    ("any_data", "target", "rows", "cut_rows", "cut_terms", "extra", "bad"),
    [
        *(("made", *known) for known in MADE),
        *(pytest.param("real", *known, marks=pytest.mark.real_data) for known in REAL),
    ],
    indirect=["any_data"],
)
def test_built_files_are_those_that_lie_there_but_for_their_faults(
    any_data, target, rows, cut_rows, cut_terms, extra, bad
):
    loaded = absa.load_pair("xabsa", f"en-{target}", any_data, {"train"}, code_switch="built")
    views = [view for view in loaded.views() if view.t is not None]
    folder = any_data / "xabsa"
    st = raw(folder / f"cs_{target}-en-train.txt")
    ts = raw(folder / f"cs_en-{target}-train.txt")
    t = raw(folder / f"smt-{target}-train.txt")
    whole = len(raw(folder / "gold-en-train.txt"))
    assert (len(st), len(ts), len(t)) == (whole, rows, rows + len(extra))
    tail = st[rows:]
    st, ts = st[:rows], ts[:rows]
    for index in extra:
        del t[index]
    for index in bad:
        del st[index], ts[index], t[index]
    assert len(views) == len(st) == len(ts) == len(t)

    # D_ST and D_T word for word and tag for tag
    assert [(view.st.words, view.st.tags) for view in views] == st
    assert [(view.t.words, view.t.tags) for view in views] == t

    # D_TS differs where a term of three words or more was cut, and nowhere else
    different = [
        (view, other)
        for view, other in zip(views, ts, strict=True)
        if (view.ts.words, view.ts.tags) != other
    ]
    assert len(different) == cut_rows
    for view, other in different:
        again = switch(view.t, [cut(term) for term in terms(view.s)])
        assert (again.words, again.tags) == other
    assert sum(term != cut(term) for view, _ in different for term in terms(view.s)) == cut_terms

    # The tail repeats the untranslated source sentences in BIEOS
    left = {view.row for view in views}
    alone = [view.s for view in loaded.views() if view.row not in left]
    repeated = {words for words, _ in tail}
    assert sum(one.words not in repeated for one in alone) == len(bad)
    alone = [one for one in alone if one.words in repeated]
    assert [words for words, _ in tail] == [one.words for one in alone]
    assert [tuple(re.sub("^[BIES]-", "T-", tag) for tag in tags) for _, tags in tail] == [
        one.tags for one in alone
    ]
    assert all(any(tag[0] in "BIES" for tag in tags) for _, tags in tail)
