"""An experiment as a Markdown page: question, answer, table, figure, and the command behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raysearch.findings.experiment import Answer
from raysearch.leaderboard.keys import encoder_name, made_by
from raysearch.leaderboard.openings import count_of
from raysearch.printable import printable
from raysearch.render.experiment.table import markdown_table
from raysearch.render.experiment.words import names_of
from raysearch.render.format import duration
from raysearch.render.readings import READ_ONCE, read_words
from raysearch.render.table_export import code, prose
from raysearch.run import Run

__all__ = ["Provenance", "study_page"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of an experiment's numbers.

    Attributes:
        command: Command that reproduces them.
        sources: Distinct commits or versions that trained and read, in the format of `made_by`.
        encoder: Name and layers.
        corpora: Training data.
        steps: Fewest and most optimizer steps of a trial.
        devices: Distinct devices.
        seconds: Training and evaluation, all cells together.
        cells: Number of complete rows.
        opened: How often the test data was opened for their readings, if not once.
    """

    command: str
    sources: tuple[str, ...]
    encoder: str
    corpora: str
    steps: tuple[int, int]
    devices: tuple[str, ...]
    seconds: float
    cells: int
    opened: str = ""

    @classmethod
    def of(cls, trials: Sequence[Run], command: str) -> Provenance:
        """The origin as recorded in the rows.

        Args:
            trials: At least one row.
            command: The command that made them.
        """
        marks = dict.fromkeys(made_by(trial.provenance) for trial in trials)
        steps = [trial.steps for trial in trials]
        opened = read_words((trial.number, count_of(trial)) for trial in trials)
        return cls(
            command=command,
            sources=tuple(marks),
            encoder=", ".join(dict.fromkeys(encoder_name(trial.config) for trial in trials)),
            corpora=", ".join(dict.fromkeys(t.provenance.get("corpora", "") for t in trials)),
            steps=(min(steps), max(steps)),
            devices=tuple(dict.fromkeys(trial.device for trial in trials)),
            seconds=sum(trial.seconds for trial in trials),
            cells=len(trials),
            opened="" if opened == READ_ONCE else opened,
        )


def study_page(
    name: str,
    question: str,
    answer: Answer,
    sentences: Sequence[str],
    *,
    limits: Sequence[str],
    origin: Provenance,
    figure: str,
) -> str:
    """The page in Markdown.

    Args:
        name: The study's name.
        question: Its question.
        answer: The results.
        sentences: Conclusions.
        limits: What it cannot show.
        origin: Origin of the numbers.
        figure: Path of the figure relative to the page; "" for none.
    """
    reference = names_of(answer)(answer.reference.arm)
    lines = [f"# {prose(name)}", "", f"**{prose(question)}**", "", *_items(sentences), ""]
    lines += [*markdown_table(answer), ""]
    lines += [
        f"{code(answer.goal.name)}: mean over tasks ± sd between seeds. Differences are to "
        f"**{prose(reference)}**, paired over cells (task and seed), with Student's interval.",
        "",
    ]
    if figure:
        lines += [f"![{prose(question)}]({figure})", ""]
    if limits:
        lines += ["## What it cannot say", "", *_items(limits), ""]
    return "\n".join([*lines, "## How it was made", "", *_origin(origin), ""])


def _items(sentences: Sequence[str]) -> list[str]:
    return [f"- {prose(sentence)}" for sentence in sentences]


def _origin(origin: Provenance) -> list[str]:
    few, most = origin.steps
    steps = f"{few}" if few == most else f"{few} to {most}"
    return [
        "```bash",
        printable(origin.command, lines=False),
        "```",
        "",
        prose(
            f"{origin.encoder} on {origin.corpora}, {steps} steps; {origin.cells} cells, "
            f"{duration(origin.seconds)} of one slot, on {', '.join(origin.devices)}; "
            f"{', '.join(origin.sources)}."
            + (f" Test was {origin.opened}." if origin.opened else "")
        ),
    ]
