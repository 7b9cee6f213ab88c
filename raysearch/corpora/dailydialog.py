"""DailyDialog: utterances of written dialogues with one of six emotions, official split.

The authors' archive has a folder for each part, and in it a file of dialogues (utterances end with
``__eou__``) and one of as many emotion ids per line: 0 for none, 1 to 6 in the order of the
registry's label names. Utterances without emotion, which are five in six, are left out and counted,
as the neutral comments of GoEmotions are. So are dialogues whose files disagree on the number of
utterances (one in train). The paper's "13K" is the number of dialogues (carl.md §2); its unit is
unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from raysearch.corpora.records import Row, Rows
from raysearch.corpora.source import Source

__all__ = ["load"]

FOLDERS = {"train": "train", "validation": "dev", "test": "test"}
"""Folder of the archive to the role of its rows."""
END = "__eou__"
NONE = "0"


def load(source: Source) -> Rows:
    """Rows with one of six class ids; the id is the part, the line and the utterance.

    Raises:
        DataError: Everything that is wrong with the files, at once.
    """
    rows = []
    dropped: dict[str, int] = {}
    known = {str(number) for number in range(len(source.info.label_names) + 1)}
    for part, role in FOLDERS.items():
        for line, texts, labels in _dialogues(source, part):
            if not set(labels) <= known:
                rule = f"emotions must be numbers from 0 to {len(known) - 1}"
                source.problem(_path(part, "emotion"), line, rule, " ".join(labels)[:60])
            elif len(texts) != len(labels):
                dropped["count differs"] = dropped.get("count differs", 0) + len(texts)
            else:
                for at, (text, label) in enumerate(zip(texts, labels, strict=True), start=1):
                    if label == NONE:
                        dropped["no emotion"] = dropped.get("no emotion", 0) + 1
                    elif source.not_blank(_path(part), line, text):
                        rows.append(Row(f"{part}{line}-{at}", role, text, int(label) - 1))
    source.finish()
    return Rows(rows, dropped)


def _path(part: str, what: str = "") -> str:
    """Path of a part's dialogues, or of their emotions."""
    return f"dailydialog/{part}/dialogues_{f'{what}_' if what else ''}{part}.txt"


def _dialogues(source: Source, part: str) -> Iterator[tuple[int, list[str], list[str]]]:
    """Line, utterances and emotion ids of every dialogue."""
    dialogues, emotions = source.lines(_path(part)), source.lines(_path(part, "emotion"))
    if len(dialogues) != len(emotions):
        rule = f"there must be a line for each of the {len(dialogues)} dialogues"
        source.problem(_path(part, "emotion"), len(emotions), rule, str(len(emotions)))
    for line, (dialogue, labels) in enumerate(zip(dialogues, emotions, strict=False), start=1):
        texts = [text.strip() for text in dialogue.strip().removesuffix(END).split(END)]
        yield line, texts, labels.split()
