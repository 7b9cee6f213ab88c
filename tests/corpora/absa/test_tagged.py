import pytest

from raysearch.corpora.absa.files import open_corpus
from raysearch.corpora.absa.tagged import read_tagged, tagged_text
from raysearch.errors import DataError


@pytest.fixture
def read(tmp_path):
    def one(content):
        (tmp_path / "f.txt").write_bytes(content.encode())
        place = open_corpus(f"{tmp_path}/", "")
        file = read_tagged(place, "f.txt")
        place.finish()
        return file

    return one


def test_rows_lines_and_bieos(read):
    file = read(
        "\n\nthe\tO\tNIL\nbig\tB-POS\tX\nred\tI-POS\tX\ndog\tE-POS\tX\n\n\nno\tS-NEG\tX\n\n"
    )
    first, second = file.sentences
    assert first.words == ("the", "big", "red", "dog")
    assert first.tags == ("O", "T-POS", "T-POS", "T-POS")
    assert second.tags == ("T-NEG",)
    assert file.lines == (3, 9)
    assert file.normalised == 2


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n", "\r\n\r\n\r\n"])
def test_ends_of_lines_and_of_the_file(read, end):
    plain = read("a\tO\tNIL\nb\tT-NEU\tNIL" + end)
    assert [one.words for one in plain.sentences] == [("a", "b")]
    windows = read("\ufeffa\tO\tNIL\r\n\r\nb\tT-NEU\tNIL" + end)
    assert [one.words for one in windows.sentences] == [("a",), ("b",)]
    assert plain.normalised == windows.normalised == 0


def test_every_problem_at_once_with_its_line(read):
    with pytest.raises(DataError) as told:
        read("a\tO\n\nb\tT-pos\tX\n\tO\tX\nc\tO\tX\ty\n \tO\tX\nd\tB-NEU\tX\n")
    text = str(told.value)
    assert "f.txt: a line must be `word<TAB>tag<TAB>category`, three columns" in text
    assert "but got 2 (line 1), 4 (line 5)" in text
    assert (
        "`tag` must be O, T-POS, T-NEG, T-NEU or such a tag in BIEOS, but got 'T-pos' (line 3)"
        in text
    )
    assert "`word` must not be empty, but got '' (line 4), ' ' (line 6)" in text


def test_missing_and_empty_files(read, tmp_path):
    with pytest.raises(DataError, match=r"f\.txt.*is empty; put it there, or mend it"):
        read(" \n")
    with pytest.raises(DataError, match=r"g\.txt is missing"):
        read_tagged(open_corpus(f"{tmp_path}/", ""), "g.txt")


@pytest.mark.parametrize(
    ("any_data", "bieos"),
    [("made", 2), pytest.param("real", 29, marks=pytest.mark.real_data)],
    indirect=["any_data"],
)
def test_what_is_written_reads_the_same(read, any_data, bieos):
    first = read((any_data / "xabsa" / "cs_es-en-train.txt").read_text(encoding="utf-8"))
    again = read(tagged_text(first.sentences))
    assert again.sentences == first.sentences
    assert (first.normalised, again.normalised) == (bieos, 0)


@pytest.mark.real_data
def test_a_real_file_without_bieos_is_written_byte_for_byte(read, real_data):
    content = (real_data / "xabsa" / "smt-ru-train.txt").read_text(encoding="utf-8")
    assert tagged_text(read(content).sentences) == content


def test_a_line_ends_at_a_line_feed_only(read):
    file = read("a\u0085b\tO\tNIL\nc\u2028d\tO\tNIL\n")
    assert file.sentences[0].words == ("a\u0085b", "c\u2028d")
