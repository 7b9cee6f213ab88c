"""What is in the public corpora: the figures of docs/carl.md and docs/msmo.md.

    python benchmarks/corpus_figures.py [--data-dir DIR] [--json PATH]

Everything is read with this package's own loaders, and what needs no corpus (how far a target
encoder moves, what a perturbation changes) is computed with the methods' own functions. About
twenty seconds of one core.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raysearch import corpora, encoders
from raysearch.corpora import LOADERS, facebook
from raysearch.corpora.absa.files import gold_file, open_corpus, pair_files, pairs
from raysearch.corpora.absa.pairs import report_corpus
from raysearch.corpora.absa.records import POLARITIES, TaggedSentence
from raysearch.corpora.absa.tagged import TaggedFile, read_tagged
from raysearch.corpora.absa.views import RowMap, TrainFiles, map_rows
from raysearch.corpora.records import ROLES, Rows, normalise
from raysearch.corpora.registry import corpus_info
from raysearch.corpora.seen import Passages, marks
from raysearch.corpora.source import Source, read_csv
from raysearch.methods.carl.data import tokenise
from raysearch.methods.carl.evaluation.measures import label_spread
from raysearch.methods.carl.model import momentum_at
from raysearch.methods.carl.perturbation import ascend, choose_tokens, share_changed
from raysearch.training.provenance import provenance

VA = ("emobank", "facebook")
POLARITY = ("mr", "sst2", "cr", "subj", "mpqa")
SPREAD = (("scale", "cos_uncentred"), ("scale", "cos_centred"), ("standardised", "cos_centred"))
"""Scalings and geometries of labels that docs/carl.md §4.1 compares."""


def read_rows(name: str, folder: Path) -> Rows:
    """The rows of a corpus as they stand in its files, before texts of test are held apart."""
    return LOADERS[name](Source(corpus_info(name), folder))


def sizes(folder: Path) -> dict[str, Any]:
    """Rows of each corpus: all, of each official split, and those of which the text is blank."""
    found = {}
    for name in (*VA, *POLARITY):
        rows = read_rows(name, folder)
        blank = sum(rows.dropped.values())
        split = Counter(row.role for row in rows.rows)
        found[name] = {"rows": len(rows.rows) + blank, "blank": blank}
        if "" not in split:
            found[name] |= {role: split[role] for role in ROLES}
    return found


def rated(folder: Path) -> dict[str, Any]:
    """Ratings of EmoBank and of the Facebook posts, on their own scales, and shared texts."""
    found: dict[str, Any] = {}
    for name in VA:
        rows = read_rows(name, folder).rows
        valence, arousal = np.array([row.label for row in rows]).T
        removed = corpora.load(name, folder, {"train"}).removed
        found[name] = {
            "valence_sd": float(valence.std()),
            "arousal_sd": float(arousal.std()),
            "correlation": float(np.corrcoef(valence, arousal)[0, 1]),
            "repeated": len(rows) - len({normalise(row.text) for row in rows}),
            "train_texts": {r.reason: r.texts for r in removed if r.role == "train"},
        }
    source = Source(corpus_info("facebook"), folder)
    lines = read_csv(source, facebook.PATH, facebook.COLUMNS)
    ratings = np.array([ratings for _, (_, *ratings) in lines], dtype=float).T
    found["raters"] = {
        "valence": float(np.corrcoef(ratings[0], ratings[1])[0, 1]),
        "arousal": float(np.corrcoef(ratings[2], ratings[3])[0, 1]),
    }
    return found


def emotions(folder: Path) -> dict[str, Any]:
    """GoEmotions: comments with one emotion, and those of its ten largest classes."""
    rows = read_rows("goemotions", folder)
    classes = Counter(row.label for row in rows.rows)
    split = {
        role: len(Source(corpus_info("goemotions"), folder).lines(f"goemotions/{role}.tsv"))
        for role in ROLES
    }
    return {
        **split,
        "single": len(rows.rows) + rows.dropped["neutral"],
        "single_not_neutral": len(rows.rows),
        "ten_largest": sum(count for _, count in classes.most_common(10)),
    }


def shared_reviews(folder: Path) -> dict[str, int]:
    """Test sentences of SST-2 that stand in MR's train split, as a whole or a passage of them."""
    train = corpora.load("mr", folder, {"train"}).split("train").texts
    test = corpora.load("sst2", folder, {"test"}).split("test").texts
    known = marks(train)
    equal = np.array([bool(marks([text]) & known) for text in test])
    return {
        "test": len(test),
        "equal": int(equal.sum()),
        "passage": int((equal | Passages(train).overlap(test)).sum()),
    }


def spread(folder: Path) -> list[dict[str, Any]]:
    """Contrast of labels: `label_spread` over the train splits, batches of 64."""
    opened = [corpora.load(name, folder, {"train"}) for name in VA]
    kept = (
        *("corpus", "scaling", "geometry", "temperature", "pair_mean", "pair_sd", "entropy"),
        *("arousal_mean", "centre_share"),
    )
    return [
        {key: record[key] for key in kept}
        for record in label_spread(opened, batch_size=64, seed=0)
        if (record["scaling"], record["geometry"]) in SPREAD
    ]


def tokens(folder: Path) -> dict[str, float]:
    """Tokens of EmoBank's training sentences, special ones left out, and how many are chosen."""
    texts = corpora.load("emobank", folder, {"train"}).split("train").texts
    found = tokenise(encoders.load("package:minilm"), texts, 128)
    counts = np.add.reduceat(found.eligible, found.starts[:-1], dtype=np.int64)
    eligible = torch.arange(int(counts.max())) < torch.from_numpy(counts)[:, None]
    chosen = choose_tokens(torch.zeros(eligible.shape), eligible, 0.1)
    return {
        "mean": float(counts.mean()),
        "median": float(np.median(counts)),
        "below_10": float((counts < 10).mean()),
        "chosen": float(chosen.sum()) / float(counts.sum()),
        "chosen_rounded_down": float((counts // 10).sum() / counts.sum()),
    }


def momentum() -> list[dict[str, float]]:
    """Share of its first weights that the target still has after the last step."""
    found = []
    for steps in (1143, 1250, 3810, 7620):
        for gap in (4e-4, 4e-3, 1e-2):
            rising = np.prod([momentum_at(step, steps, gap) for step in range(steps)])
            found.append(
                {
                    "steps": steps,
                    "gap": gap,
                    "rising": float(rising),
                    "constant": (1 - gap) ** steps,
                }
            )
    return found


def perturbation() -> list[dict[str, float]]:
    """Share of the coordinates of Gaussian vectors that a step of radius ε changes."""
    found = []
    chosen = torch.ones((1, 64), dtype=torch.bool)
    for sd, radii in ((0.042, (1e-10, 5e-9, 1e-7, 1e-4, 1e-2)), (1.0, (5e-9,))):
        chance = torch.Generator().manual_seed(0)
        clean = sd * torch.randn((1, 64, 768), generator=chance)
        still, gradient = torch.zeros_like(clean), torch.randn(clean.shape, generator=chance)
        for epsilon in radii:
            sign, ball = (
                ascend(still, gradient, chosen, epsilon=epsilon, step_size=1.0, norm=norm)
                for norm in ("sign", "l2")
            )
            moved = (clean + sign).double() - clean.double()
            found.append(
                {
                    "sd": sd,
                    "epsilon": epsilon,
                    "fp32": float(share_changed(clean, clean + sign, chosen, torch.float32)),
                    "fp32_l2": float(share_changed(clean, clean + ball, chosen, torch.float32)),
                    "bf16": float(share_changed(clean, clean + sign, chosen, torch.bfloat16)),
                    "fp16": float(share_changed(clean, clean + sign, chosen, torch.float16)),
                    "relative": float(moved.norm() / clean.double().norm()),
                }
            )
    return found


def _longest(sentences: tuple[TaggedSentence, ...]) -> int:
    """Words of the longest aspect."""
    return max(a.end - a.begin + 1 for one in sentences for a in one.aspects)


def _lengths(file: TaggedFile) -> dict[str, float]:
    words = [len(one.words) for one in file.sentences]
    return {"mean": sum(words) / len(words), "max": max(words)}


def _between(rows: RowMap, extra: int) -> range:
    """Source rows between those of the two translated rows around an extra one."""
    before, after = (
        next(link.s for link in rows.links if link.t == row) for row in (extra - 1, extra + 1)
    )
    return range(before + 1, after)


def languages(folder: Path) -> dict[str, Any]:
    """Sentences and aspects of the gold files, by language."""
    place = open_corpus("xabsa", folder)
    found = {}
    for one in report_corpus("xabsa", folder).languages:
        files = {role: read_tagged(place, gold_file(place, one.language, role)) for role in ROLES}
        polarities = {
            role: Counter(a.polarity for s in files[role].sentences for a in s.aspects)
            for role in ("train", "test")
        }
        found[one.language] = {
            "sentences": dict(one.rows),
            "aspects": dict(one.aspects),
            "in_train": dict(one.in_train),
            "mixed": one.mixed,
            "polarities": {r: [n[name] for name in POLARITIES] for r, n in polarities.items()},
            "without_aspect": sum(not s.aspects for s in files["train"].sentences),
            "most_aspects": {
                role: max(len(s.aspects) for s in file.sentences) for role, file in files.items()
            },
            "words": _lengths(files["train"]),
        }
    return found


def translated(folder: Path) -> dict[str, Any]:
    """The translation and the code-switched files of each target of English."""
    place = open_corpus("xabsa", folder)
    reports = {one.pair: one for one in report_corpus("xabsa", folder).pairs}
    found = {}
    for pair in pairs(place):
        names = pair_files(place, pair, ("train",))
        s, t, st, ts = (
            read_tagged(place, path)
            for path in (
                names.roles["train"],
                names.translation,
                names.source_switched,
                names.target_switched,
            )
        )
        report, rows = reports[pair], map_rows(place, TrainFiles(s=s, t=t, st=st, ts=ts))
        found[names.target] = {
            "rows": {"t": len(t), "ts": len(ts), "st": len(st)},
            "together": sum(map(len, (s, t, st, ts))),
            "aspects": report.translated_aspects,
            "alone": report.alone,
            "first_apart": next(n for n, link in enumerate(rows.links) if link.s != link.t),
            "extra": list(rows.extra),
            "extra_source": [row for extra in rows.extra for row in _between(rows, extra)],
            "damaged": sum(
                any(a.end > a.begin for a in one.aspects) for one in st.sentences[len(ts) :]
            ),
            "unequal": [link.switched for link in rows.links if s.lines[link.s] in report.unequal],
            "shortened": report.shortened,
            "longest_aspect": _longest(ts.sentences),
            "usable": report.usable,
            "usable_aspects": report.usable_aspects,
            "words": _lengths(t),
        }
    return found


def critic_frozen(steps: int, batches: int) -> int:
    """Steps after which the learning rate of the published code's critic is 0.

    Its schedule has a horizon of `steps` updates, but counts one in each of the critic's five a
    step (ten in the first 26 steps, and in each 500th of an epoch).
    """
    updates = 0
    for step in range(steps):
        inside = step % batches
        updates += 10 if step <= 25 or inside % 500 == 0 else 5
        if updates >= steps:
            return step + 1
    raise AssertionError("five updates a step use up the horizon")


def absa(folder: Path) -> dict[str, Any]:
    """Everything of docs/msmo.md."""
    targets = translated(folder)
    together = [one["together"] for one in targets.values()]
    return {
        "languages": languages(folder),
        "targets": targets,
        "critic_frozen": {
            str(steps): sorted({critic_frozen(steps, -(-rows // size)) for rows in together})
            for steps, size in ((2000, 16), (2500, 8))
        },
    }


def figures(folder: Path) -> dict[str, Any]:
    """All figures."""
    return {
        "sizes": sizes(folder),
        "rated": rated(folder),
        "emotions": emotions(folder),
        "shared_reviews": shared_reviews(folder),
        "spread": spread(folder),
        "tokens": tokens(folder),
        "momentum": momentum(),
        "perturbation": perturbation(),
        "absa": absa(folder),
    }


def main() -> None:
    """Compute, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    where = provenance()
    result = {
        "benchmark": "corpus_figures",
        "command": "python benchmarks/corpus_figures.py --data-dir DIR",
        **figures(corpora.data_dir(arguments.data_dir)),
        "commit": where["commit"],
        "dirty": where["dirty"],
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
