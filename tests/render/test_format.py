import math

import pytest

from raysearch.render.format import (
    ASCII,
    UNICODE,
    duration,
    glyphs_for,
    score,
    setting,
    sparkline,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.61234, "0.6123"),
        (-0.5, "-0.5000"),
        (0.0, "0.0000"),
        (99.99, "99.9900"),
        (12345.6, "12346"),
        (5e-9, "5.0e-09"),
        (math.nan, ""),
        (math.inf, "inf"),
    ],
)
def test_score(value, text):
    assert score(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (3.0, "3"),
        (0.123456, "0.123"),
        (5e-9, "5e-09"),
        (0.9996, "0.9996"),
        (0.99989, "0.99989"),
        (0.999, "0.999"),
        (1.0, "1"),
        (0.95, "0.95"),
        ("gauss", "gauss"),
    ],
)
def test_setting(value, text):
    assert setting(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.7, "1m00s"),
        (187, "3m07s"),
        (3599.9, "1h00m"),
        (3720, "1h02m"),
        (183600, "2d03h"),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text
    assert len(text) <= 6


def test_sparkline():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, UNICODE.bars) == "▁▂▃▄▅▆▇█"
    assert sparkline([1, 0], 8, ASCII.bars) == "@_"
    assert sparkline([2.0, 2.0], 8, "abc") == "bb"
    assert sparkline([0, math.nan, 1], 8, "ab") == "a b"
    assert sparkline([math.nan], 8, "ab") == " "
    assert sparkline([], 8, "ab") == ""


def test_sparkline_of_many_points_ends_with_the_last():
    values = list(range(100))
    line = sparkline(values, 10, UNICODE.bars)
    assert len(line) == 10
    assert line[-1] == "█"


def test_signs_that_a_stream_can_carry():
    assert glyphs_for("utf-8") is UNICODE
    assert glyphs_for("ascii") is ASCII
    assert glyphs_for("latin-1") is ASCII
    assert glyphs_for("no such encoding") is ASCII
    assert "".join(vars(ASCII).values()).isascii()
