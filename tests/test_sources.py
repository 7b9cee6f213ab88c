"""What a trial read, by name and bytes: recorded through caches, kept short, read back."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from raysearch.sources import (
    digests,
    note_read,
    numbers_text,
    recorded,
    remembered,
    sources_of,
    to_text,
    versions_of,
)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_cached_reader_is_recorded_each_time_and_reads_what_has_changed(tmp_path: Path) -> None:
    file, calls = tmp_path / "a.txt", []

    @remembered
    def read(name: str) -> str:
        calls.append(name)
        text = file.read_text()
        note_read(f"data {name}", file, sha(text))
        return text

    file.write_text("one")
    stamp = file.stat()
    for _ in range(2):
        with recorded() as found:
            assert read("a") == "one"
        assert digests(found) == {"data a": sha("one")}
    assert calls == ["a"]
    file.write_text("two")  # as long as before, and with the time of before
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with recorded() as outer:
        with recorded() as inner:
            assert read("a") == "two"
        assert digests(inner) == digests(outer) == {"data a": sha("two")}
    file.unlink()
    note_read("data b", file, "d")  # nobody records
    assert calls == ["a", "a"]


def test_many_files_of_a_folder_are_one_entry_that_names_which() -> None:
    few = {"data x/1": "a", "data y/f": "b"}
    assert sources_of({"sources": to_text(few)}) == few
    many = {f"data s/{n}": "a" for n in range(30)}
    [(name, digest)] = sources_of({"sources": to_text(many)}).items()
    assert name.startswith("data s/ (30 files, list ") and len(digest) == 64
    [(same, other)] = sources_of({"sources": to_text(many | {"data s/3": "b"})}).items()
    assert same == name and other != digest
    fewer = {name: digest for name, digest in many.items() if name != "data s/3"}
    assert name not in sources_of({"sources": to_text(fewer)})


def test_which_files_an_encoder_has_is_one_more_source() -> None:
    def read(files: dict[str, str]) -> dict[str, str]:
        return sources_of({"sources": to_text(files)})

    few = {"encoder /d/e: f": "b", "encoder package:e: f": "c", "method x": "d"}
    found = read(few)
    assert found.keys() - few.keys() == {
        "encoder /d/e: (which files)",
        "encoder package:e: (which files)",
    }
    more = read(few | {"encoder /d/e: added_tokens.json": "e"})
    assert more["encoder /d/e: f"] == "b"
    assert more["encoder /d/e: (which files)"] != found["encoder /d/e: (which files)"]
    assert more["encoder package:e: (which files)"] == found["encoder package:e: (which files)"]
    assert (
        read(few | {"encoder /d/e: f": "other"})["encoder /d/e: (which files)"]
        == (found["encoder /d/e: (which files)"])
    )
    many = {f"encoder /d/e: {n}": "a" for n in range(30)}
    fewer = {name: digest for name, digest in many.items() if name != "encoder /d/e: 3"}
    assert read(many)["encoder /d: (which files)"] != read(fewer)["encoder /d: (which files)"]


def test_rows_without_sources_or_with_damaged_ones_say_nothing() -> None:
    assert sources_of({}) == sources_of({"sources": "{"}) == sources_of({"sources": "[1]"}) == {}
    assert sources_of({"sources": '{"a": 1, "b": "c"}'}) == {"b": "c"}


def test_versions_that_matter_and_numbers_in_words() -> None:
    made = {"python": "3.11.7", "torch": "2.13.0", "host": "h", "scipy": ""}
    assert versions_of(made) == {"python": "3.11", "torch": "2.13.0"}
    assert numbers_text([3]) == "trial 3"
    assert numbers_text([4, 0, 1, 2, 9]) == "trials 0 to 2, 4, 9"
