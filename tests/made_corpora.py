"""Small corpora in the formats of the public ones: the data folder of all tests.

`write` fills a folder as ``raysearch data fetch`` fills the real one, with texts that this project
made, so that the tests read the same on every machine. The oddities of the real files are in
them, each a few times: rows without translation, a translated row too many, polarities that
differ, terms cut short, texts in two splits, blank rows, other encodings. What the real files
hold is tested under the mark ``real_data``.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raysearch.corpora import CORPORA, data_dir, sample
from raysearch.corpora.facebook import KNOWN_BLANK
from raysearch.corpora.goemotions import EMOTIONS
from raysearch.sources import file_digest

LOST = {"es": (3, 4), "fr": (3, 7), "nl": (), "ru": (1, 3, 200)}
"""Target language to the rows of the source, from 0, that have no translation."""
EXTRA = "Une\tO\tNONE-CATE\nligne\tT-POS\tNONE-CATE\nde\tO\tNONE-CATE\ntrop\tO\tNONE-CATE"
"""Row 2 of the French translation, which belongs to no source sentence."""
OTHER_POLARITY = 7
"""Row of the source whose only aspect has another polarity in the Russian translation."""
CLASSES = CORPORA["iemocap_classes"].label_names


def write(folder: Path) -> None:
    """Every corpus that is not bundled with the package, below an empty folder."""
    _xabsa(folder / "xabsa")
    for path, content in {
        "emobank/emobank.csv": emobank(),
        "facebook_va/dataset-fb-valence-arousal-anon.csv": facebook(),
        "emotales/emotales_data.json": as_json(emotales()),
        **goemotions(),
        **polarity(),
        **iemocap(),
        "tec/Jan9-2012-tweets-clean.txt": tec(),
        **dailydialog(),
    }.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def pin(at_hand: pytest.MonkeyPatch) -> None:
    """The files that `data_dir` has are those that the project knows: `check` finds them right."""
    folder = data_dir()
    for name, info in CORPORA.items():
        files = (
            replace(file, sha256=file.sha256 and file_digest(folder / file.path))
            for file in info.files
        )
        at_hand.setitem(CORPORA, name, replace(info, files=tuple(files)))


def _xabsa(folder: Path) -> None:
    """The sample reviews, with what is wrong in the real files."""
    files = {
        path.name: path.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")
        for path in sample.REVIEWS.iterdir()
    }
    source, russian = files["gold-en-train.txt"], files["smt-ru-train.txt"]
    russian[OTHER_POLARITY] = russian[OTHER_POLARITY].replace("T-POS", "T-NEG")
    for language, rows in LOST.items():
        for name in (f"smt-{language}", f"cs_en-{language}", f"cs_{language}-en"):
            translated = files[f"{name}-train.txt"]
            translated[:] = [row for at, row in enumerate(translated) if at not in rows]
        files[f"cs_{language}-en-train.txt"] += [_bieos(source[row]) for row in rows]
        files[f"cs_en-{language}-train.txt"][:] = map(_cut, files[f"cs_en-{language}-train.txt"])
    files["smt-fr-train.txt"].insert(2, EXTRA)
    files["gold-es-dev.txt"][0] = files["gold-es-train.txt"][0]
    del files["gold-ru-test.txt"][100:]
    folder.mkdir(parents=True)
    for name, sentences in files.items():
        content = "".join(f"{sentence}\n\n" for sentence in sentences)
        (folder / name).write_bytes(content.encode())


def _bieos(sentence: str) -> str:
    """The same sentence with B-, I-, E- and S- in place of T-."""
    lines = [line.split("\t") for line in sentence.split("\n")]
    marked = [False, *(tag != "O" for _, tag, _ in lines), False]
    for at, cells in enumerate(lines):
        letter = {(False, False): "S", (False, True): "B", (True, True): "I", (True, False): "E"}
        if marked[at + 1]:
            cells[1] = letter[marked[at], marked[at + 2]] + cells[1][1:]
    return "\n".join("\t".join(cells) for cells in lines)


def _cut(sentence: str) -> str:
    """The same sentence with only the first and the last word of each longer aspect."""
    lines: list[str] = []
    for tag, run in itertools.groupby(sentence.split("\n"), key=lambda line: line.split("\t")[1]):
        words = list(run)
        lines += words if tag == "O" or len(words) < 3 else [words[0], words[-1]]
    return "\n".join(lines)


def emobank() -> str:
    """Rows with an official split; two texts of train stand in dev and in test as well."""
    texts = [f"Letter {row} came, and she said: \"It's {row % 7} o'clock.\"" for row in range(116)]
    texts += ["One text.\nTwo lines.", "One text, and a comma.", texts[90], texts[100]]
    rows = [
        (f"e{row}", _role(row), 1 + row % 9 / 2, 5 - row % 7 / 2, 3, text)
        for row, text in enumerate(texts)
    ]
    return _csv(("id", "split", "V", "A", "D", "text"), rows)


def facebook() -> str:
    """Posts with the ratings of two; the message is blank at the known line alone."""
    posts = [
        (f"post number {row}, so it goes", 1 + row % 9, 1 + row % 7, 1 + row % 5, 1 + row % 8)
        for row in range(120)
    ]
    posts[KNOWN_BLANK - 2] = ("", 5, 5, 1, 1)
    return _csv(("Anonymized Message", "Valence1", "Valence2", "Arousal1", "Arousal2"), posts)


def goemotions() -> dict[str, str]:
    """Each emotion in train, dev and test; one comment without and one with several."""
    files = {"goemotions/labels.txt": "\n".join((*EMOTIONS, "neutral"))}
    for role in ("train", "dev", "test"):
        lines = [
            f"That is {name}, in {role}.\t{at}\t{role}{at}\n" for at, name in enumerate(EMOTIONS)
        ]
        lines += [f"Ok.\t{len(EMOTIONS)}\t{role}ok\n", f"Hm.\t4,{len(EMOTIONS)}\t{role}hm\n"]
        files[f"goemotions/{role}.tsv"] = "".join(lines)
    return files


def tec() -> str:
    """Tweets of every emotion, with HTML entities; one blank, and one under two emotions."""
    names = CORPORA["tec"].label_names
    told = [f"1{at:03d}:\tTweet {at} &amp; more \t:: {names[at % 6]}\n" for at in range(120)]
    odd = ["2000:\t \t:: joy\n", "2001:\tWhat a day \t:: joy\n", "2002:\twhat a day\t:: anger\n"]
    return "".join([*told, *odd])


def dailydialog() -> dict[str, str]:
    """Dialogues of seven utterances, one without emotion; one of train lacks an emotion."""
    files = {}
    for part, count in (("train", 8), ("validation", 3), ("test", 3)):
        lines = [
            "".join(f"{part} {row} says {at} . __eou__ " for at in range(7)) for row in range(count)
        ]
        labels = ["0 1 2 3 4 5 6 "] * count
        if part == "train":
            labels[-1] = "0 1 2 3 4 5 "
        root = f"dailydialog/{part}"
        files[f"{root}/dialogues_{part}.txt"] = "\n".join(lines) + "\n"
        files[f"{root}/dialogues_emotion_{part}.txt"] = "\n".join(labels) + "\n"
    return files


def polarity() -> dict[str, str | bytes]:
    """MR and SUBJ in Windows-1252, SST-2 in UTF-8 with its split, CR and MPQA in ASCII."""
    files: dict[str, str | bytes] = {}
    for name in ("rt-polarity", "subj", "custrev", "mpqa"):
        files[f"sentiment/{name}.all"] = _opinions(f"of {name}")
    for name in ("rt-polarity", "subj"):
        signs = "1 a film \u2013 and what a film \u2026 \n"
        files[f"sentiment/{name}.all"] = (_opinions(f"of {name}") + signs).encode("cp1252")
    for role, count in (("train", 60), ("dev", 12), ("test", 18)):
        dessert = "1 crème brûlée , served late \n" if role == "test" else ""
        files[f"sentiment/stsa.binary.{role}"] = _opinions(f"of {role}", count) + dessert
    return files


def emotales(rows: int = 120, seed: int = 3) -> dict[str, list[str] | list[float | None]]:
    """Columns as in the real file; ratings follow the sentence, HUMAN follows another one."""
    draw = np.random.default_rng(seed)
    good, bad = ([word for word, v in TALE_WORDS.items() if v == sign] for sign in (1, -1))
    sentences, valence = [], []
    for number in range(rows):
        mood = draw.integers(-1, 2)
        word = {1: draw.choice(good), -1: draw.choice(bad), 0: "old"}[int(mood)]
        sentences.append(f"And the {word} miller number {number} went into the wood.")
        valence.append(5 + 2.5 * mood)
    columns = {"SENTENCE": sentences, "ID": [f"Tale{number % 18}" for number in range(rows)]}
    for rater in range(1, 7):
        for suffix, centre in (("", valence), ("_ACT", [4.0] * rows), ("_POW", [5.0] * rows)):
            noisy = np.clip(np.round(centre + draw.normal(0, 1, rows)), 1, 9)
            column = [float(value) for value in noisy]
            if rater > 2:  # not every rater saw every sentence
                column[rater::4] = [None] * len(column[rater::4])
            columns[f"ANNOTATOR_{rater}{suffix}"] = column
    columns["HUMAN"] = list(np.roll(valence, 7))  # misaligned
    columns["avg_action"] = list(np.roll(valence, 11))
    return columns


TALE_WORDS = {
    **dict.fromkeys(("happy", "beautiful", "kind", "love", "golden", "joy", "loved"), 1),
    **dict.fromkeys(("good", "sweet", "merry", "dear", "smiled", "princess", "feast"), 1),
    **dict.fromkeys(("dead", "death", "wicked", "afraid", "wept", "cruel", "wolf"), -1),
    **dict.fromkeys(("poor", "cried", "angry", "killed", "dark", "witch", "hungry"), -1),
}
"""A few words of folk tales with the valence that the author of the tests gives them."""


def as_json(columns: dict[str, list[str] | list[float | None]], form: str = "object") -> str:
    """The text of EmoTales's file, as pandas writes it (``object``) or with plain lists."""
    if form == "list":
        return json.dumps(columns)
    return json.dumps(
        {name: {str(i): v for i, v in enumerate(cells)} for name, cells in columns.items()}
    )


def iemocap() -> dict[str, str]:
    """A dialogue in each of the five sessions; all ten emotions in the first."""
    many = [
        (label, f"{1 + at % 5}.0000, {5 - at % 4}.0000, 3.0000", f"Line for {label}.")
        for at, label in enumerate(CLASSES)
    ]
    files = dialogue(1, many)
    for session, emotion in zip(range(2, 6), ("neu", "ang", "sad", "hap"), strict=True):
        said = [
            (emotion, f"{ratings}, {ratings}, 2.0000", f"Session {session} says {ratings}.")
            for ratings in ("2.5000", "4.0000")
        ]
        files |= dialogue(session, said)
    return files


def dialogue(
    session: int, utterances: Iterable[tuple[str, str, str]], extra: str = ""
) -> dict[str, str]:
    """The two files of one dialogue of IEMOCAP, by path.

    Args:
        session: From 1 to 5.
        utterances: Emotion, ``V, A, D`` and text of each.
        extra: Further lines of the evaluation.
    """
    stem = f"Ses0{session}F_impro01"
    evaluation, transcript = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n", ""
    for number, (emotion, ratings, text) in enumerate(utterances):
        turn = f"{stem}_F{number:03d}"
        evaluation += f"[{number}.2901 - {number + 1}.2357]\t{turn}\t{emotion}\t[{ratings}]\n"
        evaluation += "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        transcript += f"{turn} [00{number}.2901-00{number + 1}.2357]: {text}\n"
    root = f"iemocap/Session{session}/dialog"
    # Real transcripts hold turns that nobody evaluated, and directions without an id.
    noise = f"{stem}_FXX0 [009.0000-009.5000]: Mm.\nF: (laughs)\n"
    return {
        f"{root}/EmoEvaluation/{stem}.txt": evaluation + extra,
        f"{root}/transcriptions/{stem}.txt": transcript + noise,
    }


def _role(row: int) -> str:
    return ("train", "train", "train", "dev", "test")[row % 5]


def _opinions(where: str, count: int = 60) -> str:
    return "".join(f"{row % 2} opinion number {row} {where} \n" for row in range(count))


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()
