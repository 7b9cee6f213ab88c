"""Writes docs/experiments/: a page and a figure for each study whose rows are in results/reference.

    python docs/experiments.py                            # pages from the rows that are there
    python docs/experiments.py --take results/carl-scale  # first takes over a finished study's rows

A test compares the pages with the rows.
"""

import argparse
import json
import shutil
from itertools import takewhile
from pathlib import Path

from raysearch.api.answer import (
    MEASURED,
    Experiment,
    experiments,
    find_experiment,
    read_experiment,
)
from raysearch.leaderboard import Store
from raysearch.run import RunState
from raysearch.seal import seal

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
PAGES = Path(__file__).with_suffix("")

HEAD = """\
# The papers' own questions

Each page is the answer of `raysearch experiment NAME` at the small scale. `python
docs/experiments.py` writes it from the rows in `results/reference/NAME` (Parquet, with learning
curves and the test evaluations), which `raysearch leaderboard`, `report` and `compare` read like
those of any sweep.

The same command with `--scale paper` runs the experiment at the paper's own size on a GPU; none has
been run at that size. Most scores here are those of one layer of a small encoder after a few dozen
steps, and the answers hold for that setting alone.

The rows are of the commits that the pages name. Since then the penalties of all probes are chosen
on dev, CARL's target keeps its small steps, a warm-up shares the schedule of what follows, MSMO's
critic is trained until its gap can be trusted, and test sentences that a trial has read are not
scored: trained again, the arms that this concerns have other numbers. `carl-depth`, `carl-labels`,
`carl-normalisation` and `msmo-codeswitch` are of later commits. `msmo-depth`, of a whole encoder,
takes hours and has no rows yet.

| experiment | question | answer |
|---|---|---|
"""


def take(folder: Path) -> None:
    """Take the complete rows of a finished study over, with its card, evaluations and measures."""
    name = folder.name
    place = REFERENCE / name
    shutil.rmtree(place, ignore_errors=True)
    for part in ("", "test"):
        rows = [t for t in Store(folder / part).trials() if t.state is RunState.COMPLETE]
        kept = Store(place / part)
        for trial in rows:
            kept.append(trial)
        if rows:
            kept.compact()
    card = json.loads((folder / "sweep.json").read_text())
    card["space"] = f"search_spaces/studies/{name}.yaml"
    (place / "sweep.json").write_text(json.dumps(seal(card), indent=1) + "\n")
    if (folder / MEASURED).exists():
        shutil.copyfile(folder / MEASURED, place / MEASURED)


def kept() -> dict[str, Experiment]:
    """The studies whose rows are there, by name."""
    names = [name for name in experiments() if (REFERENCE / name).is_dir()]
    return {
        name: read_experiment(str(REFERENCE / name), find_experiment(name)[1], name)
        for name in names
    }


def index(found: dict[str, Experiment]) -> str:
    """The page that lists all."""
    rows = [
        f"| [{name}]({name}.md) | {study.question.text} | {lead(study)} |"
        for name, study in found.items()
    ]
    return HEAD + "\n".join([*rows, ""])


def lead(study: Experiment) -> str:
    """The answer in short: of a series whether it matters, else what the reference is beside."""
    series = takewhile(lambda sentence: not sentence.startswith("Against"), study.sentences)
    return " ".join(series) or study.sentences[0]


def main() -> None:
    """Take over what is asked for, and write all pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--take", type=Path, action="append", default=[])
    for folder in parser.parse_args().take:
        take(folder)
    PAGES.mkdir(exist_ok=True)
    found = kept()
    for name, study in found.items():
        (PAGES / f"{name}.svg").write_text(study.figure(), encoding="utf-8")
        (PAGES / f"{name}.md").write_text(study.page(f"{name}.svg"), encoding="utf-8")
    (PAGES / "README.md").write_text(index(found), encoding="utf-8")


if __name__ == "__main__":
    main()
