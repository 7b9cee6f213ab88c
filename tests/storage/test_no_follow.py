"""Links that somebody left under names of ours: nothing is written through them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from raysearch.errors import StoreError
from raysearch.storage.no_follow import check_no_link, open_no_follow

FLAGS = os.O_RDWR | os.O_CREAT


def test_a_file_of_its_own_is_opened_and_kept(tmp_path: Path) -> None:
    for _ in range(2):
        file = open_no_follow(tmp_path / "own", FLAGS | os.O_TRUNC)
        os.write(file, b"x")
        os.close(file)
    assert (tmp_path / "own").read_bytes() == b"x"
    check_no_link(tmp_path / "own")
    check_no_link(tmp_path / "none")
    assert not os.get_inheritable(open_no_follow(tmp_path / "own", FLAGS))


@pytest.mark.parametrize(
    ("kind", "said"),
    [("symlink", "symbolic link"), ("link", "2 names"), ("fifo", "no regular"), ("gone", "link")],
)
def test_a_link_or_a_pipe_is_refused_and_what_it_leads_to_is_whole(
    tmp_path: Path, kind: str, said: str
) -> None:
    thesis, name = tmp_path / "thesis", tmp_path / "name"
    thesis.write_text("years of work")
    {
        "symlink": lambda: name.symlink_to(thesis),
        "link": lambda: name.hardlink_to(thesis),
        "fifo": lambda: os.mkfifo(name),
        "gone": lambda: name.symlink_to(tmp_path / "to be made"),
    }[kind]()
    for attempt in (lambda: open_no_follow(name, FLAGS | os.O_TRUNC), lambda: check_no_link(name)):
        with pytest.raises(StoreError, match=f"`{name}` must be a file of its own, but .*{said}"):
            attempt()
    assert thesis.read_text() == "years of work"
    assert not (tmp_path / "to be made").exists()
