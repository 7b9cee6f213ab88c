"""A model card: terms of every corpus, scores with their spread, nothing that breaks a table."""

import yaml

from raysearch.corpora import CORPORA
from raysearch.methods.description import SettingNotes
from raysearch.render.model_card import Exported, model_card
from raysearch.render.table_export import markdown_rows
from raysearch.run import Cell, MetricGoal, Run, RunState


def exported(**changes: object) -> Exported:
    cells = [
        Run(
            sweep="carl",
            number=3,
            cell=Cell("emobank+mine", seed),
            method="carl",
            state=RunState.COMPLETE,
            config={"corpora": "emobank+/data/my|corpus", "polarity_corpora": "mr"},
            metrics={"dev/va_mae": 0.3, "dev/va_pearson": 0.5 + 0.1 * seed, "train/loss": 1.0},
            provenance={"data_digest": "abc", "encoder": "package:minilm"},
            finished="2026-01-02T03:04:05+00:00",
        )
        for seed in range(2)
    ]
    fields = {
        "trial": cells[0],
        "cells": cells,
        "readings": {},
        "goal": MetricGoal("dev/va_pearson"),
        "settings": {"top_k": 0.2},
        "folder": "results/carl",
        "notes": SettingNotes(corpora=("corpora", "polarity_corpora")),
    }
    return Exported(**{**fields, **changes})  # type: ignore[arg-type]


def test_it_names_the_terms_of_every_corpus() -> None:
    card = model_card(exported())
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["datasets"] == ["emobank", "/data/my|corpus", "mr"]
    for name in ("emobank", "mr"):
        assert f"{CORPORA[name].licence} | {CORPORA[name].citation} |" in card
    assert "| /data/my\\|corpus | a folder of the user | not known | not known |" in card


def test_scores_have_their_spread_and_the_goal_comes_first() -> None:
    lines = model_card(exported(among=24)).splitlines()
    first = lines.index("| dev/va_pearson | 0.5000 | 0.5500 ± 0.0707 (n = 2) |")
    assert lines[first + 1].startswith("| dev/va_mae")
    assert not any("train/loss" in line for line in lines)
    assert "Test data were not read for this trial." in lines
    assert any("best of 24 configurations on dev" in line for line in lines)


def test_scores_that_do_not_hold_for_the_weights_are_only_named() -> None:
    card = model_card(exported(holds=lambda metric: metric != "va_pearson", among=24))
    assert "| dev/va_mae | 0.3000 |" in card and "| dev/va_pearson |" not in card
    assert "Not listed are `dev/va_pearson`: they are of the encoder with what was" in card
    none = model_card(exported(holds=lambda metric: False, among=24)).splitlines()
    assert not any(line.startswith("| metric") for line in none)
    assert "It is the best of 24 configurations on dev." in none
    scores = none[none.index("## Scores") :]
    assert scores[2].startswith("Not listed are `dev/va_pearson`, `dev/va_mae`: they are of")


def test_cells_of_a_table_do_not_end_it() -> None:
    assert markdown_rows(["a"], [["x|y\nz <b>"]])[2] == "| x\\|y z &lt;b> |"
