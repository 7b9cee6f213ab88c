"""Which sweep and trial a word means, also where the sweep is a URI."""

import pytest

from raysearch.api.trials import split_row


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("results/carl", ("results/carl", "")),
        ("results/carl:3", ("results/carl", "3")),
        ("results/carl:best", ("results/carl", "best")),
        ("results/carl:default", ("results/carl", "default")),
        ("s3://bucket/carl", ("s3://bucket/carl", "")),
        ("s3://bucket/carl:12", ("s3://bucket/carl", "12")),
        ("results/a:b", ("results/a:b", "")),
        (":3", (":3", "")),
    ],
)
def test_the_last_colon_counts_before_a_number_or_a_known_name(
    text: str, expected: tuple[str, str]
) -> None:
    assert split_row(text) == expected
