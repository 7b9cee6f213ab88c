"""Are as many words switched as by aspect switching, outside of aspects, and always the same?"""

import re

import pytest

from raysearch.corpora import absa
from raysearch.corpora.absa.code_switching import switch, switch_randomly, terms
from raysearch.errors import ConfigError


def one(source, target, seed=0):
    made = switch_randomly({0: (source, target)}, seed)
    return (*made.sentences[0], made)


def test_the_only_runs_that_there_are_change_places(marked):
    # Two words and one are free, as many as the terms have: [a b] with X, k with Y Z.
    source, target = marked("a b [c d]+ k ! [e]-"), marked("[P]+ X [Q R]- , Y Z .")
    st, ts, made = one(source, target)
    assert st == marked("X [c d]+ Y Z ! [e]-")
    assert ts == marked("[P]+ a b [Q R]- , k .")
    assert (made.swaps, made.shorter, made.left) == (2, 0, 0)


def test_without_room_a_run_is_shorter_or_the_swap_is_left_out(marked):
    st, ts, made = one(marked("a [b c d]+"), marked("X Y [Z]+"))  # three words asked, one free
    assert st in {marked("X [b c d]+"), marked("Y [b c d]+")}
    assert ts in {marked("a Y [Z]+"), marked("X a [Z]+")}
    assert (made.swaps, made.shorter, made.left) == (1, 1, 0)
    source, target = marked("a [b]+"), marked("[Z]+")
    st, ts, made = one(source, target)
    assert (st, ts) == (source, target)
    assert (made.swaps, made.shorter, made.left) == (0, 0, 1)


def test_a_sentence_without_aspects_stays_as_it_is(marked):
    assert one(marked("a b"), marked("X"))[:2] == (marked("a b"), marked("X"))


def test_every_place_is_taken_by_some_seed(marked):
    source, target = marked("a b c [d]+"), marked("X [Y]+ Z")
    found = {one(source, target, seed)[0] for seed in range(60)}
    assert found == {
        marked(f"{text} [d]+")
        for new in "XZ"
        for text in (f"{new} b c", f"a {new} c", f"a b {new}")
    }


@pytest.mark.parametrize(
    ("any_data", "swaps", "shorter", "left"),
    [
        ("made", 237, 40, 0),
        pytest.param("real", 1338, 77, 3, marks=pytest.mark.real_data),
    ],
    indirect=["any_data"],
)
def test_rows_of_a_corpus(any_data, swaps, shorter, left):
    def built(**options):
        return absa.load_pair("xabsa", "en-es", any_data, {"train"}, code_switch="built", **options)

    aspects, made = built(), built(switched="random")
    assert (
        f": {swaps} swaps, seed 0, {shorter} shorter than the aspect and {left} left"
        in (made.notes[-1])
    )
    assert swaps + left == sum(len(view.s.aspects) for view in made.views() if view.t)
    assert all(made.digests[name] == aspects.digests[name] for name in ("s", "t"))
    other_length = 0
    for view, other in zip(made.views(), aspects.views(), strict=True):
        if view.t is None:
            assert view == other
            continue
        for mixed, plain in ((view.st, view.s), (view.ts, view.t)):
            assert terms(mixed) == terms(plain)
            assert [a.polarity for a in mixed.aspects] == [a.polarity for a in plain.aspects]
        # As many words come and go as with aspect terms, where there was room.
        other_length += len(view.st.words) != len(other.st.words)
        assert sorted(view.st.words + view.ts.words) == sorted(view.s.words + view.t.words)
    assert 0 < other_length <= shorter + left
    assert made.digests == built(switched="random").digests
    other_seed = built(switched="random", noise_seed=1)
    assert all(made.digests[name] != other_seed.digests[name] for name in ("st", "ts"))


def test_the_choice_depends_on_the_row_and_not_on_the_others(marked):
    pairs = {row: (marked("a b c d [e]+"), marked("[V]+ W X Y Z")) for row in range(30)}
    made = switch_randomly(pairs, 0)
    assert len(set(made.sentences.values())) > 1
    assert all(
        switch_randomly({row: both}, 0).sentences[row] == made.sentences[row]
        for row, both in pairs.items()
    )


def test_what_cannot_be_made_is_refused(pair):
    with pytest.raises(ConfigError, match="`switched` must be aspects unless"):
        absa.load_pair(pair, "en-xx", "", {"train"}, switched="random")
    with pytest.raises(ConfigError, match="`switched` must be aspects or random"):
        absa.load_pair(pair, "en-xx", "", {"train"}, code_switch="built", switched="words")


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
