"""Finds experiments (the papers' own questions) and reads their answers from rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from raysearch.analysis.experiment import answer, arms_of, curve_change, tuned_arms, with_readings
from raysearch.errors import ConfigError, StoreError, known_names, unknown_name
from raysearch.findings.experiment import Answer, Arm
from raysearch.leaderboard import Store
from raysearch.leaderboard.openings import readings_of
from raysearch.leaderboard.part_file import DamagedError, decode_any
from raysearch.methods import get_method, notes_of
from raysearch.methods.description import Measure, measures_of
from raysearch.printable import counted
from raysearch.render.experiment.page import Provenance, study_page
from raysearch.render.experiment.words import answer_sentences, arm_name, course_sentence
from raysearch.run import Run, RunState, Scalar
from raysearch.search.space.experiment import Question
from raysearch.search.space.space import SearchSpace, load_space
from raysearch.storage import open_storage
from raysearch.storage.uri import join, redacted
from raysearch.version import PACKAGE

__all__ = [
    "EXPERIMENTS",
    "MEASURED",
    "Experiment",
    "experiment_arms",
    "experiments",
    "find_experiment",
    "kept_measures",
    "measure_of",
    "read_experiment",
]

EXPERIMENTS = PACKAGE / "search_spaces" / "studies"
MEASURED = "measured.parquet"
"""What an experiment measured beyond its rows, in the sweep's folder."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment with its rows.

    Attributes:
        name: Its name.
        method: Whose trials it has.
        question: What was asked.
        answer: What was computed.
        arms: All arms, those without a complete cell included.
        trials: Complete rows, with their readings.
        measured: Records of what was measured beyond them.
        small: Whether it is of the small scale.
        command: What makes it again.
    """

    name: str
    method: str
    question: Question
    answer: Answer
    arms: Sequence[Arm]
    trials: Sequence[Run]
    measured: Sequence[Mapping[str, Any]]
    small: bool
    command: str

    @property
    def _measure(self) -> Measure | None:
        asked = self.question.measure
        return measure_of(self.method, asked) if asked else None

    @cached_property
    def sentences(self) -> list[str]:
        """The answer in sentences."""
        failed = {
            f"{arm_name(arm, self.answer.self_naming)}, "
            f"{len(arm.failed)} of {counted(len(arm.failed) + len(arm.cells), 'cell')}": next(
                iter(arm.failed.values())
            )
            for arm in self.arms
            if arm.failed
        }
        kind = self.question.figure
        said = answer_sentences(self.answer, failed, series=kind in ("lines", "heat", "curves"))
        if self._measure is not None:
            said += self._measure.sentences(self.measured)
        found = curve_change(self.arms, self.question.y) if kind == "curves" else None
        return said if found is None else [course_sentence(found), *said]

    def figure(self) -> str:
        """The figure as SVG."""
        from raysearch.render.experiment.figures import draw  # matplotlib: 0.3 s
        from raysearch.render.experiment.plot import svg

        asked = self.question
        drawn = draw(
            asked.figure,
            self.answer,
            x=asked.x,
            lines=asked.lines,
            y=asked.y,
            measured=self.measured,
            measure=self._measure,
        )
        return svg(drawn)

    def page(self, figure: str) -> str:
        """The page in Markdown.

        Args:
            figure: Path of the figure from the page.
        """
        return study_page(
            self.name,
            self.question.text,
            self.answer,
            self.sentences,
            limits=(*self.question.limits, *(self.question.small if self.small else ())),
            origin=Provenance.of(self.trials, self.command),
            figure=figure,
        )


def experiments() -> dict[str, SearchSpace]:
    """The experiments that come with this package, by name."""
    spaces = {path.stem: load_space(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))}
    return {name: space for name, space in spaces.items() if space.question is not None}


def find_experiment(name: str) -> tuple[Path, SearchSpace]:
    """An experiment by its name, or by a file of the user's own.

    Raises:
        ConfigError: There is none, or its file is wrong or asks nothing.
    """
    path = next(
        (file for file in (Path(name), EXPERIMENTS / f"{name}.yaml") if file.is_file()), None
    )
    if path is None:
        raise ConfigError(unknown_name("experiment", name, tuple(experiments())))
    space = load_space(path)
    if space.question is None:
        raise ConfigError(
            f"{path} must have a section `study` that asks a question, but has none; "
            f"`raysearch sweep {space.method} --space {path}` runs it as it is"
        )
    return path, space


def measure_of(method: str, name: str) -> Measure:
    """A measure by its name.

    Raises:
        ConfigError: The method has none of that name.
    """
    known = measures_of(get_method(method))
    if name not in known:
        raise ConfigError(
            f"`measure` must be known, but got {name!r}; {known_names(tuple(known))}"
            if known
            else f"`measure` must be of a method that has measures, but {method} has none; leave "
            "it out of the experiment, or set another method"
        )
    return known[name]


def read_experiment(
    folder: str, space: SearchSpace, name: str, *, small: bool = True
) -> Experiment:
    """Answer an experiment from the rows of a folder.

    Raises:
        StoreError: There is no row.
        ConfigError: The reference has no complete cell.
    """
    assert space.question is not None
    rows = Store(folder).trials()
    if not rows:
        raise StoreError(
            f"`{redacted(folder)}` must hold the rows of an experiment, but has none; "
            f"python -m raysearch experiment {name} makes them"
        )
    trials = with_readings(rows, readings_of(folder).trials())
    arms = experiment_arms(trials, space)
    asked, kept = space.question, kept_measures(folder)
    notes = notes_of(space.method)
    return Experiment(
        name=name,
        method=space.method,
        question=asked,
        answer=answer(
            arms,
            asked.goal,
            reference=asked.reference,
            beside=asked.beside,
            self_naming=notes.self_naming,
            moved=notes.moved,
        ),
        arms=arms,
        trials=[trial for trial in trials if trial.state is RunState.COMPLETE],
        measured=[] if kept is None else kept.to_pylist(),
        small=small,
        command=f"python -m raysearch experiment {name}",
    )


def experiment_arms(trials: Sequence[Run], space: SearchSpace) -> list[Arm]:
    """The arms that an experiment compares, in their order; of what is tuned, the chosen ones."""
    assert space.question is not None
    arms = sorted(arms_of(trials, _varied(space), _among(space)), key=_order(space))
    tuned = space.question.tuned
    return tuned_arms(arms, tuned, space.goal) if tuned else arms


def _varied(space: SearchSpace) -> Callable[[Mapping[str, Scalar]], Mapping[str, Scalar]]:
    """Function from a row's settings to those that the space searches and that are active."""

    def chosen(config: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        found: dict[str, Scalar] = {}
        for item in space.searched:
            if item.matters(found):
                found[item.name] = config.get(item.name)
        return found

    return chosen


def _among(space: SearchSpace) -> Callable[[Mapping[str, Scalar]], bool]:
    """Function that says whether settings are one of the space's combinations."""
    items = {item.name: item for item in space.searched}
    return lambda settings: all(items[name].contains(value) for name, value in settings.items())


def _order(space: SearchSpace) -> Callable[[Arm], tuple[int, ...]]:
    """Sort key of arms: the paper's first, then the order of the choices in the file."""
    choices = {item.name: list(item.choices) for item in space.searched}

    def position(arm: Arm) -> tuple[int, ...]:
        if arm.literal:
            return ()
        return tuple(
            choices[name].index(value) if value in choices[name] else 0
            for name, value in arm.settings.items()
        )

    return position


def kept_measures(folder: str) -> pa.Table | None:
    """Measurements beyond the rows of a sweep; None if there are none.

    Raises:
        StoreError: The file is damaged.
    """
    try:
        with open_storage(folder, make=False).open(MEASURED) as file:
            return decode_any(file.read())
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise StoreError(
            f"`{join(redacted(folder), MEASURED)}` must be what an experiment measured, but "
            f"{error}; move it away and run the same command again, which measures it anew (an "
            "embedding opens the test data for that, which is recorded)"
        ) from error
