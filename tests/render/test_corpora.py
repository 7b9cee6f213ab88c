from rich.console import Console

from raysearch.corpora import CORPORA, CorpusFile, CorpusInfo
from raysearch.corpora.absa.pairs import CorpusReport, LanguageReport
from raysearch.corpora.absa.views import PairReport
from raysearch.render.corpora import corpus_card, languages_table, pairs_tables


def pair(name, **more):
    counts = dict.fromkeys(
        (
            *("rows", "translated", "translated_aspects", "paired", "paired_aspects", "usable"),
            *("usable_aspects", "repeated", "normalised", "mixed", "shortened"),
            "shortened_aspects",
        ),
        0,
    )
    return PairReport(pair=name, **{**counts, "extra": (), "unequal": (), **more})


def shown(*tables):
    console = Console(width=80, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(*tables)
    return capture.get()


def report(pairs=()):
    one = LanguageReport(
        language="es", rows={"dev": 3}, aspects={"dev": 5}, normalised=0, mixed=7, in_train={}
    )
    return CorpusReport(name="mine", languages=(one,), pairs=tuple(pairs))


def test_what_is_not_there_is_a_dash():
    [row] = [line for line in shown(languages_table(report())).splitlines() if " es " in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        *("es", "-", "3/5", "-", "-", "-", "7", "0")
    ]


def test_four_pairs_side_by_side_and_the_first_line():
    pairs = [pair(f"en-x{i}", unequal=(10 + i, 99), rows=100, translated=98) for i in range(5)]
    tables = pairs_tables(report(pairs))
    assert [len(table.columns) for table in tables] == [5, 2]
    text = shown(*tables)
    assert all(f"line {10 + i}" in text for i in range(5))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert pairs_tables(report()) == []


def test_a_file_that_only_its_owner_has_is_given_no_address() -> None:
    """A corpus of the user's own, as in docs/extending.md: no repository has it."""
    own = CorpusInfo(
        name="diary", task="va", title="diary entries", licence="your own", citation="none",
        files=(CorpusFile(path="diary/diary.csv", source="diary.csv", sha256=None),),
        folder="diary", scale=(1, 9), origin="own",
    )  # fmt: skip
    card = corpus_card(own)
    assert card.splitlines()[-1] == "  file      diary/diary.csv  sha256 not known"
    assert "://" in corpus_card(CORPORA["emobank"])
