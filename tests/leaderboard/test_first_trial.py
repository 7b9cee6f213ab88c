"""What trial 0 changes beside the searched settings is named, with both values."""

import pyarrow as pa

from raysearch.leaderboard.first_trial import beside_search, beside_text


def rows(*found: tuple[str, int, float, float, str]) -> pa.Table:
    names = ("task", "trial", "config/rate", "config/warmup_share", "config/sampling")
    columns = zip(*found, strict=True)
    return pa.table(dict(zip(names, map(list, columns), strict=True)))


def test_a_joint_sweep_names_the_settings_once() -> None:
    table = rows(
        ("en-es", 0, 0.1, 0.0, "literal"),
        ("en-fr", 0, 0.1, 0.0, "literal"),
        ("en-es", 1, 0.2, 0.06, "aligned"),
        ("en-fr", 1, 0.2, 0.06, "aligned"),
        ("en-es", 2, 0.3, 0.06, "aligned"),
    )
    (text,) = beside_search(table, {"rate"})
    assert text.startswith("trial 0, the paper's own setting, also has ")
    assert "warmup_share 0 for 0.06, sampling literal for aligned of the others" in text
    assert "rate" not in text
    assert beside_search(table, ()) == ()  # what was searched is unknown


def test_each_task_that_is_searched_for_itself_has_a_first_trial() -> None:
    table = rows(
        ("en-es", 0, 0.1, 0.0, "aligned"),
        ("en-es", 1, 0.2, 0.06, "aligned"),
        ("en-fr", 2, 0.1, 0.06, "aligned"),
        ("en-fr", 3, 0.2, 0.06, "aligned"),
    )
    (text,) = beside_search(table, {"rate"})
    assert text.startswith(
        "the first trial of en-es, the paper's own setting, also has warmup_share"
    )


def test_settings_in_which_the_others_differ_are_not_said_to_be_held() -> None:
    table = rows(
        ("en-es", 0, 0.1, 0.0, "aligned"),
        ("en-es", 1, 0.2, 0.06, "aligned"),
        ("en-es", 2, 0.2, 0.1, "aligned"),
    )
    assert beside_search(table, {"rate"}) == ()
    assert beside_search(table.slice(0, 1), {"rate"}) == ()
    assert beside_text("", {}) == ""
