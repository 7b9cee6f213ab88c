"""A sweep goes on with the bytes that it began with, or is refused with what changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raysearch.errors import ConfigError
from raysearch.run import Cell, Run
from raysearch.search.study.identity import SweepSources
from raysearch.sources import SOURCES, file_digest, sources_of, to_text

DEV = "data xabsa/gold-en-dev.txt"
OLD = {DEV: "a" * 64, "encoder e: config.json": "e" * 64, "method toy": "c" * 64}


@pytest.fixture
def rows(make_trial: Callable[..., Run]) -> list[Run]:
    made = {SOURCES: to_text(OLD), "torch": "2.13.0", "python": "3.11.7"}
    return [make_trial(n, Cell("en-es", 0), provenance=made) for n in (0, 1, 2, 5)]


def test_the_same_bytes_go_on_and_are_what_every_worker_must_have(rows: list[Run]) -> None:
    sources = SweepSources.of("s", {}, rows)
    sources.go_on_with({"method toy": "c" * 64}, "/nowhere")
    assert sources.known == sources_of({SOURCES: to_text(OLD)})
    assert sources.stranger({SOURCES: to_text({**OLD, "data more.csv": "d"})}) == ""
    assert "must continue with the data" in sources.stranger(
        {SOURCES: to_text({"data more.csv": "other"}), "host": "node-7"}
    )
    assert sources.stranger({"host": "older worker"}) == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (DEV, "the data that it has, but `xabsa/gold-en-dev.txt` has SHA-256 ffffffffffff now"),
        ("encoder e: config.json", "the encoder that it has, but `e: config.json` has SHA-256 fff"),
        ("method toy", "the code of the method that it has, but `toy` has SHA-256 ffffffffffff"),
    ],
)
def test_other_bytes_are_refused_with_the_trials_that_had_the_old(
    rows: list[Run], name: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        SweepSources.of("s", {}, rows).go_on_with({**OLD, name: "f" * 64}, "/nowhere")
    [problem] = refused.value.problems
    assert said in problem and f"had {OLD[name][:12]} for trials 0 to 2, 5" in problem
    assert "or take another --name" in problem


@pytest.mark.parametrize("changed", ["added", "removed"])
def test_an_encoder_with_more_or_fewer_files_is_another(rows: list[Run], changed: str) -> None:
    now = {**OLD, "encoder e: added_tokens.json": "f" * 64, "encoder other: config.json": "a"}
    if changed == "removed":
        now = {name: digest for name, digest in now.items() if not name.startswith("encoder e:")}
        now["encoder e: vocab.txt"] = "f" * 64
    with pytest.raises(ConfigError) as refused:
        SweepSources.of("s", {}, rows).go_on_with(sources_of({SOURCES: to_text(now)}), "/nowhere")
    [problem] = refused.value.problems
    assert "continue with the encoder that it has, but `e: (which files)` has SHA-256" in problem
    on_a_node = SweepSources.of("s", {}, rows)
    on_a_node.go_on_with(sources_of({SOURCES: to_text(OLD)}), "/nowhere")
    assert "`e: (which files)`" in on_a_node.stranger({SOURCES: to_text(now)})


def test_a_file_that_only_later_trials_read_is_looked_at_too(
    rows: list[Run], tmp_path: Path
) -> None:
    file = tmp_path / "xabsa" / "gold-en-dev.txt"
    file.parent.mkdir()
    file.write_text("cut")
    with pytest.raises(ConfigError, match="gold-en-dev"):
        SweepSources.of("s", {}, rows).go_on_with({}, str(tmp_path))
    rows[:] = []
    begun = {DEV: file_digest(file)}
    SweepSources.of("s", begun, rows).go_on_with({}, str(tmp_path))
    file.write_text("cut again")
    with pytest.raises(ConfigError, match="when it began"):
        SweepSources.of("s", begun, rows).go_on_with({}, str(tmp_path))


def test_rows_that_say_nothing_of_their_sources_go_on(make_trial: Callable[..., Run]) -> None:
    row = make_trial(0, Cell("en-es", 0), provenance={"data_digest": "x"})
    sources = SweepSources.of("s", {}, [row])
    sources.go_on_with(OLD, "/nowhere")
    assert sources.known == OLD
    [text] = sources.caveats({"torch": "2.13.0"})
    assert "which files trial 0 read is not recorded" in text


def test_another_version_is_told_and_goes_on(rows: list[Run]) -> None:
    sources = SweepSources.of("s", {}, rows)
    assert sources.caveats({"torch": "2.13.0", "python": "3.11.9"}) == []
    [text] = sources.caveats({"torch": "2.14.0", "python": "3.12.1"})
    assert "torch 2.14.0 instead of 2.13.0 (trials 0 to 2, 5)" in text
    assert "python 3.12 instead of 3.11 (trials 0 to 2, 5)" in text
