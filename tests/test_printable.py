import pytest

from raysearch.errors import ConfigError
from raysearch.printable import READABLE, counted, plural, printable, without_colour

JOINED = (
    "\U0001f468\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525 \U0001f9d1\U0001f3fd\u200d\U0001f680"
)
"""Emoji of several: a family, a heart on fire, an astronaut."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ± text – ε\n\tmore", "plain ± text – ε\n\tmore"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x1b[2J\r", r"\x1b[2J\r"),
        ("\x7f", r"\u007f"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066c\u200f\u061c", r"a\u202eb\u2066c\u200f\u061c"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("a\u2028b\u2029", r"a\u2028b\u2029"),
        ("\udc80", r"\udc80"),
        ("\U000e0041", r"\U000e0041"),
        ("no\xa0break", "no\xa0break"),
        ("语言 عربي", "语言 عربي"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष क्\u200cष", "क्\u200dष क्\u200cष"),
        (JOINED, JOINED),
        ("pay\u200cpal \u200dx\u200d", r"pay\u200cpal \u200dx\u200d"),
        ("م\u200c\u200cم\u200c", r"م\u200c\u200cم\u200c"),
    ],
)
def test_what_is_not_seen_is_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_line_ends_can_be_escaped() -> None:
    assert printable("a\nb\tc", lines=False) == r"a\nb\tc"
    assert printable("a", lines=False) == "a"


def test_errors_are_printable_wherever_they_are_shown() -> None:
    error = ConfigError(["`x` must be y, but got \x1b[8mhidden", "second\u202e"])
    assert str(error) == "`x` must be y, but got \\x1b[8mhidden\nsecond\\u202e"


def test_what_an_encoding_lacks_is_readable() -> None:
    text = "0.61 ± 0.02 – é “x” … ▁ ε 语"
    assert text.encode("ascii", READABLE) == (rb'0.61 +- 0.02 - e "x" ... \u2581 epsilon \u8bed')
    assert text.encode("latin-1", READABLE).decode("latin-1").startswith("0.61 ± 0.02 - é")


def test_without_colour() -> None:
    assert without_colour("\x1b[36m(pid=1)\x1b[0m news") == "(pid=1) news"


def test_one_and_many() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2, 1234)] == [
        "0 trials", "1 trial", "2 trials", "1,234 trials",
    ]  # fmt: skip
    assert counted(1, "study", "studies") == "1 study"
    assert counted(2, "study", "studies") == "2 studies"
    assert plural(1.0, "CPU") == "CPU" and plural(0.5, "CPU") == "CPUs"
