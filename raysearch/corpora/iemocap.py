"""IEMOCAP, from the user's own copy: valence-arousal, or ten classes.

For every dialogue the folder has ``SessionN/dialog/EmoEvaluation/NAME.txt``, with lines
``[start - end] TAB utterance TAB emotion TAB [V, A, D]``, and
``SessionN/dialog/transcriptions/NAME.txt``, with lines ``utterance [start-end]: text``.
Session 5 is test and session 4 dev in both versions, so that a test sentence of the classes is
not seen with its valence and arousal in training. Scripted dialogues repeat in all sessions;
what dev and test share with train is removed from train.

Mean ratings go up to 5.5 on the scale 1 to 5 (carl.md eq. 12 remark): they are kept and later
clipped. The classes are all ten (7,532 of 10,039 utterances, the paper's 7.5K); "xxx", no
majority, is left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from raysearch.corpora.records import Row, Rows
from raysearch.corpora.source import Source
from raysearch.errors import DataError

__all__ = ["load", "load_classes"]

ROLE_OF_SESSION = {1: "train", 2: "train", 3: "train", 4: "dev", 5: "test"}
UNDECIDED = "xxx"
LIMITS = (0.5, 5.5)
EVALUATION = re.compile(r"\[[\d. -]+\]\t(\S+)\t(\w+)\t\[([^,\]]+), ([^,\]]+), ([^,\]]+)\]")
TRANSCRIPT = re.compile(r"(Ses\w+)\s*(?:\[[^\]]*\])?\s*:\s*(.*)")


def load(source: Source) -> Rows:
    """Rows with mean valence and arousal on the scale 1 to 5; the id is the utterance's.

    Raises:
        DataError: Everything that is wrong with the files, at once.
    """
    rows = []
    for path, line, role, text, (name, _, *ratings) in _utterances(source):
        valence, arousal = (
            source.rating(path, line, dimension, rating, LIMITS)
            for dimension, rating in zip("VA", ratings, strict=False)
        )
        rows.append(Row(name, role, text, (valence, arousal)))
    source.finish()
    return Rows(rows)


def load_classes(source: Source) -> Rows:
    """Rows with one of the ten emotion codes; the id is the utterance's.

    Raises:
        DataError: Everything that is wrong with the files, at once.
    """
    names = source.info.label_names
    rows = []
    undecided = 0
    for path, line, role, text, (name, emotion, *_) in _utterances(source):
        if emotion == UNDECIDED:
            undecided += 1
        elif emotion in names:
            rows.append(Row(name, role, text, names.index(emotion)))
        else:
            rule = f"the emotion must be one of {', '.join(names)}, {UNDECIDED}"
            source.problem(path, line, rule, repr(emotion))
    source.finish()
    return Rows(rows, {"no majority": undecided} if undecided else {})


def _utterances(source: Source) -> Iterator[tuple[str, int, str, str, tuple[str, ...]]]:
    """Path and line of the evaluation, role, text, and its fields, for every utterance."""
    root = source.folder / source.info.folder
    for session, role in ROLE_OF_SESSION.items():
        dialog = root / f"Session{session}" / "dialog"
        evaluations = sorted((dialog / "EmoEvaluation").glob("Ses*.txt"))
        if not evaluations:
            raise DataError(
                f"`{source.info.folder}` must hold Session1 to Session5 of IEMOCAP, but "
                f"{dialog / 'EmoEvaluation'} has no Ses*.txt file; {source.cure()}"
            )
        for evaluation in evaluations:
            texts = _transcript(source, dialog / "transcriptions" / evaluation.name)
            path = evaluation.relative_to(source.folder).as_posix()
            for line, fields in _evaluations(source, path):
                text = texts.get(fields[0])
                if text is None:
                    rule = "every evaluated utterance must be in the transcription"
                    source.problem(path, line, rule, fields[0])
                elif source.not_blank(path, line, text):
                    yield path, line, role, text, fields


def _evaluations(source: Source, path: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The summary line of every utterance; the raters' own lines are skipped."""
    for line, content in enumerate(source.lines(path), start=1):
        if not content.startswith("[") or "\tSes" not in content:
            continue
        match = EVALUATION.match(content)
        if match:
            yield line, match.groups()
        else:
            rule = "an utterance must be [times], id, emotion, [V, A, D]"
            source.problem(path, line, rule, repr(content[:60]))


def _transcript(source: Source, file: Path) -> dict[str, str]:
    path = file.relative_to(source.folder).as_posix()
    matches = (TRANSCRIPT.match(line) for line in source.lines(path))
    return {match[1]: match[2].strip() for match in matches if match}
