import pytest

from raysearch.corpora.absa.files import open_corpus
from raysearch.corpora.absa.semeval import read_semeval, tokens
from raysearch.errors import DataError

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def opinion(target, begin, end, polarity="positive"):
    return (
        f'<Opinion target="{target}" category="FOOD#QUALITY" polarity="{polarity}" '
        f'from="{begin}" to="{end}"/>'
    )


@pytest.fixture
def read(tmp_path):
    def one(*sentences, head=HEAD):
        inner = "\n".join(
            f'<sentence id="1:{i}">\n<text>{text}</text>\n<Opinions>{"".join(opinions)}</Opinions>'
            "\n</sentence>"
            for i, (text, *opinions) in enumerate(sentences)
        )
        content = f'{head}<Reviews>\n<Review rid="1">\n<sentences>\n{inner}\n</sentences>'
        (tmp_path / "r.xml").write_text(f"{content}\n</Review>\n</Reviews>\n", encoding="utf-8")
        return read_semeval(open_corpus(f"{tmp_path}/", ""), "r.xml")

    return one


def test_targets_become_runs(read, marked):
    file = read(
        (
            "The pad thai was great, service not.",
            opinion("pad thai", 4, 12),
            opinion("service", 24, 31, "negative"),
        ),
        ("Never again!", opinion("NULL", 0, 0, "negative")),
        ("Ok.",),
    )
    first, second, third = file.sentences
    assert first == marked("The [pad thai]+ was great , [service]- not .")
    assert second == marked("Never again !")
    assert third == marked("Ok .")
    assert file.counts == {"without target": 1}


def test_a_target_cuts_no_token_and_marks_those_that_it_has_a_part_of(read):
    file = read(
        ("superfood", opinion("food", 5, 9)),
        ("foodie food", opinion("food", 0, 4), opinion("food", 7, 11, "negative")),
    )
    assert [one.words for one in file.sentences] == [("superfood",), ("foodie", "food")]
    assert [one.tags for one in file.sentences] == [("T-POS",), ("T-POS", "T-NEG")]
    assert file.counts == {"begin inside of a token": 1, "touching": 1}


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("\u8fd9\u5bb6\u9910\u5385\u7684\u70e4\u9e2d\u5f88\u597d\u5403\u3002", "\u70e4\u9e2d"),
        ("\u30e9\u30fc\u30e1\u30f3\u304c\u7f8e\u5473\u3057\u3044", "\u30e9\u30fc\u30e1\u30f3"),
        (
            "\u0e2d\u0e32\u0e2b\u0e32\u0e23\u0e2d\u0e23\u0e48\u0e2d\u0e22\u0e21\u0e32\u0e01",
            "\u0e2d\u0e32\u0e2b\u0e32\u0e23",
        ),
    ],
    ids=["Chinese", "Japanese", "Thai"],
)
def test_tokens_of_a_language_without_spaces_are_those_of_the_text_alone(read, text, target):
    """Wherever the target is, the words are the same, so that they do not give it away."""
    begin = text.index(target)
    file = read((text, opinion(target, begin, begin + len(target))))
    [one] = file.sentences
    assert list(one.words) == tokens(text)
    [aspect] = one.aspects
    assert "".join(one.words[aspect.begin : aspect.end + 1]) == target
    assert aspect.end > aspect.begin and len(one.words) > 6
    assert file.counts == {}


def test_two_targets_of_one_token_are_counted(read):
    file = read(("winefood", opinion("wine", 0, 4), opinion("food", 4, 8, "negative")))
    assert file.sentences[0].tags == ("T-POS",)
    assert file.counts == {"overlapping": 1}


def test_entities_of_xml_itself_and_offsets(read, marked):
    [one] = read(
        ("Fish &amp; chips &lt;3", opinion("Fish &amp; chips", 0, 12, "neutral"))
    ).sentences
    assert one == marked("[Fish & chips]= < 3")


@pytest.mark.parametrize(
    ("polarities", "kept"),
    [
        (("positive", "negative", "negative"), "T-NEG"),
        (("neutral", "positive"), "T-NEU"),
        (("positive", "neutral"), "T-POS"),
        (("positive", "positive"), "T-POS"),
    ],
)
def test_polarities_on_one_place(read, polarities, kept):
    file = read(("food", *[opinion("food", 0, 4, one) for one in polarities]))
    assert file.sentences[0].tags == (kept,)
    assert file.counts == ({"several polarities": 1} if len(set(polarities)) > 1 else {})


def test_of_overlapping_targets_the_longest_is_marked(read, marked):
    file = read(
        (
            "red wine list here",
            opinion("wine", 4, 8, "negative"),
            opinion("red wine", 0, 8, "negative"),
            opinion("wine list", 4, 13, "neutral"),
            opinion("here", 14, 18),
        )
    )
    assert file.sentences[0] == marked("red [wine list]= [here]+")
    assert file.counts == {"overlapping": 2, "touching": 1}


@pytest.mark.parametrize(("begin", "end"), [(3, 7), (4, "9" * 5000), ("", "8")])
def test_a_target_that_moved(read, begin, end):
    file = read(("The food.", opinion("food", begin, end)))
    assert file.sentences[0].tags == ("O", "T-POS", "O")
    assert file.counts == {"moved": 1}


def test_problems_with_lines(read):
    with pytest.raises(DataError) as told:
        read(
            ("The food and food.", opinion("food", 3, 7), opinion("fish", 0, 3)),
            ("Ok.", opinion("Ok", 0, 2, "conflict"), opinion("", 0, 0)),
        )
    text = str(told.value)
    assert (
        "r.xml: `target` must stand in the text at `from` to `to`, or exactly once, but got" in text
    )
    assert "'food' (line 7), 'fish' (line 7), '' (line 11)" in text
    assert "`polarity` must be positive, negative, neutral, but got 'conflict' (line 11)" in text


@pytest.fixture
def read_2014(tmp_path):
    """Sentences of 2014's schema, each a text and what stands beside it."""

    def one(*sentences):
        inner = "".join(
            f'<sentence id="{i}">\n<text>{text}</text>\n{rest}\n</sentence>\n'
            for i, (text, rest) in enumerate(sentences)
        )
        (tmp_path / "r.xml").write_text(f"{HEAD}<sentences>\n{inner}</sentences>\n")
        return read_semeval(open_corpus(f"{tmp_path}/", ""), "r.xml")

    return one


def terms(*found):
    inner = "".join(
        f'<aspectTerm term="{term}" polarity="{polarity}" from="{begin}" to="{end}"/>'
        for term, polarity, begin, end in found
    )
    category = '<aspectCategories><aspectCategory category="food" polarity="conflict"/>'
    return f"<aspectTerms>{inner}</aspectTerms>\n{category}</aspectCategories>"


def test_the_terms_of_2014_become_runs(read_2014, marked):
    file = read_2014(
        (
            "The pad thai was great, service not.",
            terms(("pad thai", "positive", 4, 12), ("service", "negative", 24, 31)),
        ),
        (
            "Fish &amp; chips, the bill, the place.",
            terms(
                ("Fish &amp; chips", "neutral", 0, 12),
                ("bill", "conflict", 18, 22),
                ("place", "positive", 0, 5),
            ),
        ),
        ("Never again!", ""),
    )
    assert file.sentences == (
        marked("The [pad thai]+ was great , [service]- not ."),
        marked("[Fish & chips]= , the bill , the [place]+ ."),
        marked("Never again !"),
    )
    assert file.counts == {"conflict": 1, "moved": 1}


def test_wrong_terms_of_2014_are_told_by_their_names(read_2014):
    with pytest.raises(DataError) as told:
        read_2014(
            ("The food.", terms(("fish", "good", 0, 4))),
            ("Ok.", '<aspectTerms><aspectTerm polarity="neutral"/></aspectTerms>'),
        )
    assert "`polarity` must be positive, negative, neutral, but got 'good' (line 5)" in str(
        told.value
    )
    assert "`term` must stand in the text" in str(told.value)
    assert "but got 'fish' (line 5), '' (line 10)" in str(told.value)


def test_a_file_that_marks_no_aspect_is_refused(read, read_2014):
    """Laptops of 2015 have no targets, and test sets were given out without their answers."""
    rule = (
        r"r\.xml: a file must mark aspects \(`Opinion` with `target`, or `aspectTerm` with `term`\)"
    )
    with pytest.raises(
        DataError, match=f"{rule}, but got 2 sentences with 1 without target, 2 `Op"
    ):
        read(("Never!", '<Opinion category="LAPTOP" polarity="negative"/>'), ("Ok.",))
    with pytest.raises(DataError, match=f"{rule}, but got 1 sentence with `text` alone"):
        read_2014(("Never!", ""))
    categories = "<aspectCategories><aspectCategory/><aspectCategory/></aspectCategories>"
    with pytest.raises(DataError, match="1 sentence with 2 `aspectCategory`, 1 `aspectCategories`"):
        read_2014(("Never!", categories))


def test_a_doctype_is_refused(read):
    bomb = HEAD + '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n'
    with pytest.raises(DataError, match=r"no DOCTYPE.*r\.xml:2"):
        read(("&b;",), head=bomb)


def test_what_is_no_xml(read, tmp_path):
    with pytest.raises(DataError, match=r"must be XML, but got: .*r\.xml:6"):
        read(("a & b",))
    with pytest.raises(DataError, match="must have `sentence` elements, but got none"):
        read()


def test_blank_sentences_are_left_out(read):
    file = read((" ",), ("Ok", opinion("Ok", 0, 2)))
    assert len(file.sentences) == 1
    assert file.counts == {"blank": 1}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't  wait!!", ["Don", "'", "t", "wait", "!", "!"]),
        ("l\u2019a\u0301me 3,5\u20ac", ["l", "\u2019", "a\u0301me", "3", ",", "5", "\u20ac"]),
        ("a\u200bb\tc\x07", ["a", "b", "c"]),
        ("\u0915\u093f\u0924\u093e\u092c", ["\u0915\u093f\u0924\u093e\u092c"]),
        ("", []),
        ("\u70e4\u9e2d iPhone6\u5f88", ["\u70e4", "\u9e2d", "iPhone6", "\u5f88"]),
        ("\u0e23\u0e48\u0e2dab", ["\u0e23\u0e48", "\u0e2d", "ab"]),
        ("\ud55c\uad6d \uc74c\uc2dd", ["\ud55c\uad6d", "\uc74c\uc2dd"]),  # Korean has spaces
    ],
)
def test_tokens(text, expected):
    assert tokens(text) == expected
