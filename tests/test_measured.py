"""The measured numbers of README and docs are those of their files, and a changed one is found."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measured", ROOT / "docs" / "measured.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MEASURED = script()
NUMBER = re.compile(r"\d[\d,]*[.,]\d+|(?<=\| )\d+(?= \|)")


def test_the_texts_say_what_the_files_have() -> None:
    assert list(MEASURED.problems()) == [], "python docs/measured.py"


def test_every_file_of_figures_is_used() -> None:
    published = {path.name for path in (ROOT / "results" / "published").iterdir()}
    assert published == {Path(source).name for _, source in MEASURED.PASSAGES} & published


@pytest.mark.parametrize("key", MEASURED.PASSAGES, ids=" ".join)
def test_a_number_that_is_changed_in_the_text_is_found(
    key: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = MEASURED.passages()[key]
    given = MEASURED.GIVEN.get(key[1], set())
    numbers = [n for n in NUMBER.finditer(text) if n[0] not in given]
    assert numbers
    for number in numbers[:: max(1, len(numbers) // 8)]:
        other = str(9 - int(number[0][-1]))
        wrong = text[: number.end() - 1] + other + text[number.end() :]
        monkeypatch.setattr(MEASURED, "passages", lambda wrong=wrong: {key: wrong})
        assert any(line.startswith(f"{key[0]} must say") for line in MEASURED.problems()), number
