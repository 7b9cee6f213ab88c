from pathlib import Path

import pytest
import sqlalchemy

from raysearch.errors import StoreError
from raysearch.search.study.connection import check_file_url, file_url
from raysearch.search.study.database import StudyDatabase

NAMES = ["plain", "a?b", "a#b", "50%", "a%41", "{x}", "a&b=c+d", "a b", "ü", "a@b:c", "a;b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_study_lies_where_it_says(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    url = file_url(folder / "study.db")
    StudyDatabase(url, "carl", "maximize").close()
    assert (folder / "study.db").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert sqlalchemy.engine.make_url(url).database == str(folder / "study.db")


def test_a_path_that_a_question_mark_ends_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a?b/study.db"
    with pytest.raises(StoreError, match=r"/a is followed by a question mark"):
        StudyDatabase(url, "carl", "maximize")
    assert not any(tmp_path.iterdir())
    check_file_url(file_url(tmp_path / "a?b=c"))
