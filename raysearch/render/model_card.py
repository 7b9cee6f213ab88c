"""The model card of an exported encoder: data and their terms, scores, provenance."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import stdev
from typing import Any

import yaml

from raysearch.corpora.registry import CORPORA
from raysearch.leaderboard.openings import count_of
from raysearch.methods.description import SettingNotes
from raysearch.objective import task_mean
from raysearch.printable import counted, printable
from raysearch.render.readings import read_words
from raysearch.render.table_export import code, markdown_rows, prose
from raysearch.run import Cell, MetricGoal, Run

__all__ = ["Exported", "model_card", "setting_yaml"]

_MADE = (
    *("raysearch", "commit", "dirty", "code", "data_digest", "encoder", "encoder_digest"),
    *("python", "torch", "transformers", "cpu", "precision"),
)
"""Entries of provenance on the card."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported encoder with its row.

    Attributes:
        trial: The row of the weights.
        cells: All complete rows of its configuration, including it.
        readings: Test readings of these, if there are any.
        goal: The ranking metric; None if unknown.
        settings: Its settings, in the format of the method's config.
        folder: The sweep's folder, for display.
        among: Configurations that it was selected from; 0 if the user named it.
        holds: Whether a metric, named without its role, holds for the exported weights.
        notes: Notes on the settings of its method.
        folders: The folders in it of several encoders; none for one.
    """

    trial: Run
    cells: Sequence[Run]
    readings: Mapping[Cell, Run]
    goal: MetricGoal | None
    settings: Mapping[str, Any]
    folder: str
    among: int = 0
    holds: Callable[[str], bool] = lambda metric: True
    notes: SettingNotes = field(default_factory=SettingNotes)
    folders: Sequence[str] = ()


def setting_yaml(found: Exported) -> str:
    """The configuration as YAML, for `--config`."""
    trial = found.trial
    content = {
        "method": trial.method,
        "task": trial.cell.task,
        "seed": trial.cell.seed,
        "setting": dict(found.settings),
    }
    text = yaml.safe_dump(content, sort_keys=False)
    folder = printable(found.folder, lines=False)
    return f"# trial {trial.number} of {folder}; for `train` and `sweep` with --config\n{text}"


def model_card(found: Exported) -> str:
    """The folder's README.md: front matter for model hubs, then prose and tables."""
    trial = found.trial
    names = _corpora(trial, found.notes)
    head = {
        "library_name": "transformers",
        "tags": ["raysearch", trial.method],
        "license": "other",
        "license_name": "see-data-and-base-encoder",
        "datasets": names,
    }
    front = yaml.safe_dump(head, sort_keys=False)
    seed = f"seed {trial.cell.seed} of {counted(len(found.cells), 'cell')}"
    row = shlex.join([f"{found.folder}:{trial.number}", "--task", trial.cell.task])
    again = f"python -m raysearch replay {row} --seed {trial.cell.seed}"
    lines = [
        f"# Encoder of {prose(trial.method)}, trial {trial.number} of {code(found.folder)}",
        "",
        f"Trained by raysearch on {prose(trial.cell.task)} ({seed}) from the encoder "
        f"{code(trial.provenance.get('encoder', 'not stated'))}. {_opening(found)}",
        "",
        "## Scores",
        "",
        *_scores(found),
        "",
        "## Data",
        "",
        *_data(names),
        "",
        "The weights come from these corpora and from the base encoder; before passing them on, "
        "look at the terms of both.",
        "",
        "## Settings",
        "",
        "In `raysearch.yaml`, every one.",
        "",
        "## Provenance",
        "",
        *markdown_rows(("entry", "value"), [*_made(trial)]),
        "",
        f"Train it again and compare: {code(again)}",
        "",
    ]
    return f"---\n{front}---\n\n" + "\n".join(lines)


def _opening(found: Exported) -> str:
    """How to open the weights."""
    call = "`transformers.AutoModel.from_pretrained(folder)`"
    if not found.folders:
        return f"Open it with {call}."
    names = ", ".join(code(name) for name in found.folders)
    return f"It was fine-tuned for each of several corpora: open {names} with {call}."


def _corpora(trial: Run, notes: SettingNotes) -> list[str]:
    named = [str(trial.config.get(name) or "") for name in notes.corpora]
    parts = [part.strip() for text in named for part in text.split("+")]
    return [name for name in dict.fromkeys(parts) if name]


def _data(names: Sequence[str]) -> list[str]:
    rows = []
    for name in names:
        info = CORPORA.get(name)
        known = (info.title, info.licence, info.citation) if info else ("a folder of the user",)
        rows.append((name, *known) if info else (name, *known, "not known", "not known"))
    return markdown_rows(("corpus", "what", "licence", "cite"), rows)


def _scores(found: Exported) -> list[str]:
    trial, own = found.trial, found.readings.get(found.trial.cell)
    dev, beside = _shown(trial.metrics, found, "dev/")
    test, hidden = _shown(own.metrics if own else {}, found, "test/")
    rows = []
    for name in dev:
        values = {cell.cell: cell.metrics[name] for cell in found.cells if name in cell.metrics}
        rows.append((name, f"{trial.metrics[name]:.4f}", _mean_sd(values)))
    for name in test:
        values = {c: r.metrics[name] for c, r in found.readings.items() if name in r.metrics}
        rows.append((name, f"{own.metrics[name]:.4f}" if own else "", _mean_sd(values)))
    lines = markdown_rows(("metric", "these weights", "mean ± sd over cells"), rows) if rows else []
    if beside or hidden:
        lines += [
            *([""] if lines else []),
            f"Not listed are {', '.join(f'`{name}`' for name in (*beside, *hidden))}: they are of "
            "the encoder with what was trained on top of it, which is not among these weights, or "
            "of the encoder before fine-tuning.",
        ]
    if found.among > 1:
        chosen = f"It is the best of {counted(found.among, 'configuration')} on dev"
        higher = ", so that its dev score is higher than what to expect" if dev else ""
        lines += ["", f"{chosen}{higher}."]
    if own:
        counts = [(reading.number, count_of(reading)) for reading in found.readings.values()]
        these = f"; these numbers at {own.finished}" if test else ""
        lines += ["", f"Test data were {read_words(counts)}{these}."]
    else:
        lines += ["", "Test data were not read for this trial."]
    return lines


def _shown(metrics: Mapping[str, float], found: Exported, role: str) -> tuple[list[str], list[str]]:
    """Metrics of a role over all corpora, the ranking one first; those that hold, and others."""
    names = [name for name in metrics if name.startswith(role) and name.count("/") == 1]
    first = role + found.goal.name.partition("/")[2] if found.goal else ""
    names.sort(key=lambda name: (name != first, name))
    holding = [name for name in names if found.holds(name.removeprefix(role))]
    return holding, [name for name in names if name not in holding]


def _made(trial: Run) -> list[tuple[str, str]]:
    entries = [(name, trial.provenance[name]) for name in _MADE if trial.provenance.get(name)]
    return [*entries, ("device", trial.device), ("finished", trial.finished)]


def _mean_sd(values: Mapping[Cell, float]) -> str:
    spread = f" ± {stdev(values.values()):.4f}" if len(values) > 1 else ""
    return f"{task_mean(values):.4f}{spread} (n = {len(values)})" if values else ""
