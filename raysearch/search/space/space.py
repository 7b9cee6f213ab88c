"""The search space of a sweep: what it searches and what it holds fixed.

`load_space` reads ``search_spaces/*.yaml`` (grammar: `raysearch.search.space.file`) and checks
it against the method's config class. The result is frozen. It completes configurations, knows
the paper's own setting, and identifies what was searched by a digest.

``sweep.json`` has the canonical space and the seed under ``study`` (`identity_of`), so that a lost
study can be made again (`space_of`), even if the space's file has changed or is gone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from raysearch import methods
from raysearch.config import (
    TrainingConfig,
    as_scalar,
    check_value,
    checked_settings,
    plain_config,
    read_config,
    rules,
    said_value,
)
from raysearch.errors import ConfigError, StoreError
from raysearch.methods import outside_methods
from raysearch.objective import Aggregate
from raysearch.run import MetricGoal, Scalar
from raysearch.scalars import parse_seconds
from raysearch.search.space.experiment import Question, read_question
from raysearch.search.space.file import (
    TASK_DEFAULTS,
    option_problem,
    read_parameters,
    read_settings,
    read_space_file,
)
from raysearch.search.space.parameters import Parameter
from raysearch.search.suggest.samplers import sampler_problem

__all__ = ["IDENTITY", "SearchSpace", "identity_of", "load_space", "space_of"]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """A checked search space.

    Attributes:
        method: Name in `raysearch.methods.METHODS`.
        config_type: The method's config class; its ``PAPER`` (field name to value) is the
            paper's own setting.
        goal: Metric and direction that rank configurations.
        trials: Configurations to ask for in total, over all sessions of the sweep; at least 1.
        time_seconds: Seconds after which no further configuration is asked for, or None.
        seeds: Cells per task and configuration; at least 1.
        sampler: Name in `raysearch.search.suggest.samplers.SAMPLERS`.
        pruner: Name in `raysearch.search.suggest.pruners.PRUNERS`.
        reduction: One configuration in `reduction` survives a rung.
        mode: ``joint``: a configuration has cells of every task; ``per_task``: of one task,
            and `trials` counts per task.
        aggregate: How values of tasks are combined; see `objective.aggregate_value`.
        warm_start: Best configurations of each earlier task that a task tries first.
        question: The experiment's question; None if the file has no section for it.
        setting: Field name to value, held fixed; fields not named keep their defaults.
        parameters: What the file searches, parents of conditions before their children.
        source: File that it came from, for messages.
    """

    method: str
    config_type: type[TrainingConfig]
    goal: MetricGoal
    trials: int
    time_seconds: float | None
    seeds: int
    sampler: str
    pruner: str
    reduction: int
    setting: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    source: str
    mode: Literal["joint", "per_task"] = "joint"
    aggregate: Aggregate = "mean"
    warm_start: int = 0
    question: Question | None = None

    @property
    def searched(self) -> tuple[Parameter, ...]:
        """The parameters that can be active: conditions on fixed settings are resolved."""
        fixed = dataclasses.asdict(self.config_type()) | dict(self.setting)
        kept: dict[str, Parameter] = {}
        for item in self.parameters:
            open_conditions = {}
            for parent, values in item.when.items():
                if parent in kept:
                    open_conditions[parent] = values
                elif any(parent == other.name for other in self.parameters):
                    break  # the parent is never active, so this one is not either
                elif as_scalar(fixed[parent]) not in values:
                    break
            else:
                kept[item.name] = dataclasses.replace(item, when=open_conditions)
        return tuple(kept.values())

    @property
    def canonical(self) -> dict[str, Any]:
        """Everything that makes numbers comparable, as plain JSON: all but trials and time."""
        options = {name: getattr(self, name) for name in TASK_DEFAULTS}
        said = {name: value for name, value in options.items() if value != TASK_DEFAULTS[name]}
        return {
            **said,
            "method": self.method,
            "objective": dataclasses.asdict(self.goal),
            "seeds": self.seeds,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "reduction": self.reduction,
            "setting": {name: as_scalar(value) for name, value in self.setting.items()},
            "search": {item.name: item.canonical() for item in self.parameters},
        }

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `canonical`; independent of the order of keys in the file."""
        text = json.dumps(self.canonical, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self, params: Mapping[str, Scalar]) -> TrainingConfig:
        """A configuration as an instance of `config_type`.

        Raises:
            ConfigError: The values are not compatible.
        """
        return read_config(self.config_type, {**self.setting, **params}, where=self.source)

    def config_for(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Every setting of a configuration as JSON scalars and lists, validated.

        Raises:
            ConfigError: The values are not compatible.
        """
        return plain_config(self.read(params))

    def paper_first(self, task: str = "") -> tuple[dict[str, Any], dict[str, Scalar]]:
        """The paper's own setting, which every sweep tries first.

        A grid's combinations are the arms of a comparison, which may differ in nothing but the
        searched settings: there the paper's values of these alone are taken.

        Args:
            task: The task; empty for one setting over all tasks.

        Returns:
            The config (`setting`, then the paper's values, then defaults), and its searched
            values within their ranges. A literal value outside of its range stays in the
            config, but the sampler must not see it as suggested.

        Raises:
            ConfigError: The paper's values are not compatible with `setting`.
        """
        paper = self.config_type.paper(task, self.setting)
        if self.sampler == "grid":
            asked = {item.name for item in self.parameters}
            paper = {name: value for name, value in paper.items() if name in asked}
        config = self.config_for({n: v for n, v in paper.items() if n not in self.setting})
        scalars = {name: as_scalar(value) for name, value in config.items()}
        declared = {item.name: item for item in self.parameters}
        contained: dict[str, Scalar] = {}
        for item in self.searched:
            # The paper may fix a parent that the space leaves at another default.
            matters = item.matters(contained) and declared[item.name].matters(scalars)
            if matters and item.contains(scalars[item.name]):
                contained[item.name] = scalars[item.name]
        return config, contained

    def paper_beside(self, task: str = "") -> dict[str, tuple[Scalar, Scalar]]:
        """Settings that nobody searches but in which `paper_first` differs from the other trials.

        Returns:
            Setting to the paper's value and that of the others.
        """
        config, contained = self.paper_first(task)
        others = self.config_for(contained)
        searched = {item.name for item in self.parameters}
        return {
            name: (as_scalar(value), as_scalar(others[name]))
            for name, value in config.items()
            if value != others[name] and name not in searched
        }

    def with_overrides(
        self,
        settings: Mapping[str, str],
        *,
        time_seconds: float | str | None = None,
        **options: Any,
    ) -> SearchSpace:
        """The space with the command line's overrides.

        Args:
            settings: Field name to value as typed; a searched one becomes fixed.
            time_seconds: Replaces ``budget.time``: seconds, or text such as ``30m``.
            options: Replacements by name in `OPTION_RULES`; None leaves the file's value.

        Raises:
            ConfigError: One sentence for every invalid value.
        """
        typed = {name: said_value(text) for name, text in settings.items()}
        fixed, wrong = checked_settings(self.config_type, typed)
        problems = [f"{text} (--set)" for text in wrong.values()]
        given = {name: value for name, value in options.items() if value is not None}
        for name, value in given.items():
            problem = option_problem(name, value)
            if problem:
                problems.append(f"`--{name.replace('_', '-')}` {problem}")
        seconds = self.time_seconds
        if time_seconds is not None:
            seconds = parse_seconds(time_seconds)
            if seconds is None:
                problems.append(f"`--time` must be like 90s, 30m or 2h, but got {time_seconds!r}")
        if problems:
            raise ConfigError(problems)
        goal = MetricGoal(
            given.pop("metric", self.goal.name), given.pop("direction", self.goal.direction)
        )
        changed = dataclasses.replace(
            self,
            goal=goal,
            time_seconds=seconds,
            setting={**self.setting, **fixed},
            parameters=tuple(item for item in self.parameters if item.name not in fixed),
            **given,
        )
        _check_whole(changed)
        return changed


def load_space(path: Path, config_type: type[TrainingConfig] | None = None) -> SearchSpace:
    """Read and check a search space.

    Args:
        path: The YAML file.
        config_type: The method's config class; by default that of the method it names.

    Raises:
        ConfigError: Every problem of the file, each with file and line.
    """
    read, problems = read_space_file(path)
    if config_type is None and read.method is not None:
        try:
            config_type = methods.config_type(read.method)
        except ConfigError as error:
            problems.add(str(error), read.lines["method"])
    if config_type is None or read.method is None:
        problems.raise_all()
        raise AssertionError("a file without a method has a problem")
    setting = read_settings(read.setting, config_type, problems)
    parameters = read_parameters(read, config_type, problems)
    question = None
    if read.study is not None:
        question = read_question(read.study, config_type, parameters, problems)
    if not problems:
        lines = {"sampler": 1} | {name: node.line for name, node in read.search.items()}
        lines |= read.lines
        for name, problem in _clashes(config_type, read.options, parameters).items():
            problems.add(problem, lines[name])
    problems.raise_all()
    options = dict(read.options)
    space = SearchSpace(
        method=read.method,
        config_type=config_type,
        goal=MetricGoal(options.pop("metric"), options.pop("direction")),
        time_seconds=read.time_seconds,
        setting=setting,
        parameters=parameters,
        question=question,
        source=str(path),
        **options,
    )
    _check_whole(space)
    return space


def _check_whole(space: SearchSpace) -> None:
    """Check the space as a whole: something is searched, and the paper's setting can run."""
    if not space.searched:
        raise ConfigError(
            f"`search` must leave something to be searched, but every parameter is fixed or its "
            f"condition never holds ({space.source}); `raysearch train` runs one trial"
        )
    options = {name: getattr(space, name) for name in ("sampler", "pruner", *TASK_DEFAULTS)}
    found = [*_clashes(space.config_type, options, space.searched).values()]
    found = found or _task_setting_problems(space)
    if found:
        raise ConfigError([f"{text} ({space.source})" for text in found])
    space.paper_first()


def _clashes(
    config_type: type[TrainingConfig], options: Mapping[str, Any], searched: Sequence[Parameter]
) -> dict[str, str]:
    """Options that are incompatible, or would make configurations that cannot be compared.

    Args:
        config_type: The method's config class.
        options: Values of ``sampler``, ``pruner`` and the names in `TASK_DEFAULTS`.
        searched: What is searched.

    Returns:
        Option or setting at fault to a sentence without its end.
    """
    found = {"sampler": sampler_problem(options["sampler"], searched)}
    if options["mode"] == "joint" and options["warm_start"]:
        found["warm_start"] = (
            f"`warm_start` must be 0 unless `mode` is per_task, but got {options['warm_start']}: "
            "in joint mode every configuration runs on all tasks anyway"
        )
    if options["mode"] == "per_task" and options["aggregate"] != "mean":
        found["aggregate"] = (
            f"`aggregate` must be left out where `mode` is per_task, but got "
            f"{options['aggregate']}: a configuration has one task then"
        )
    names = [item.name for item in searched]
    found |= {name: _unlike(name) for name in names if name in config_type.SCORED_ON}
    if options["pruner"] != "none" and "reports" in names:
        found["reports"] = (
            "`reports` must be fixed where `pruner` is not none, but is searched: a report would "
            "be another share of the training in each configuration; give it under `setting`"
        )
    return {name: problem for name, problem in found.items() if problem}


def _task_setting_problems(space: SearchSpace) -> list[str]:
    """Searched settings that change the method's tasks, so that cells would differ.

    Returns:
        Sentences without their end; empty for a config class of no known method.
    """
    if space.method not in (*methods.METHODS, *outside_methods()):
        return []
    tasks = methods.get_method(space.method).tasks
    config = {name: as_scalar(value) for name, value in space.paper_first()[0].items()}

    # The arms of a question are compared by its metric, not ranked by development data.
    asked = space.question is not None and not space.question.goal.name.startswith("dev/")

    def scored_on(values: Mapping[str, Scalar]) -> tuple[tuple[str, ...], str]:
        read = read_config(space.config_type, {**config, **values}, where=space.source)
        return tasks(read), "" if asked else read.selected_on

    wanted = scored_on({})

    def changes(name: str, value: Scalar) -> bool:
        try:
            return scored_on({name: value}) != wanted
        except ConfigError:  # it cannot be changed alone
            return False

    return [
        _unlike(item.name)
        for item in space.searched
        if any(changes(item.name, value) for value in _ends(item))
    ]


def _ends(item: Parameter) -> tuple[Scalar, ...]:
    return item.choices if item.kind == "choice" else (item.low, item.high)


def _unlike(name: str) -> str:
    return (
        f"`{name}` must be fixed, but is searched: it says on which data a configuration is "
        "scored, and scores on different data cannot be ranked together; give it under `setting`, "
        "in a sweep for each value"
    )


IDENTITY = "study"
"""Key in ``sweep.json``."""


def identity_of(space: SearchSpace, seed: int) -> dict[str, Any]:
    """The value of `IDENTITY`."""
    return {"space": space.canonical, "seed": seed}


def space_of(
    card: Mapping[str, Any], where: str, config_type: type[TrainingConfig] | None = None
) -> tuple[SearchSpace, int]:
    """The space of a sweep, without its time limit, and its seed, from its ``sweep.json``.

    Args:
        card: What the file holds.
        where: The file, for messages.
        config_type: The method's config class; by default that of the method it names.

    Raises:
        StoreError: The file is damaged, or an older or another raysearch wrote it.
    """
    if IDENTITY not in card:
        raise StoreError(
            f"`{where}` must say under `{IDENTITY}` what was searched, but a raysearch wrote it "
            "that did not say so yet; take another --name for a new sweep"
        )
    try:
        said, seed = card[IDENTITY]["space"], int(card[IDENTITY]["seed"])
        space = _read(said, int(card["trials"]), where, config_type)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"`{where}` must say under `{IDENTITY}` what was searched, but cannot be read: "
            f"{error!r}"
        ) from error
    if space.canonical != said:
        raise StoreError(
            f"`{where}` must be of this version of raysearch, but its space reads otherwise now; "
            "recover the study with the version that made it"
        )
    return space, seed


def _read(
    said: Mapping[str, Any], trials: int, where: str, config_type: type[TrainingConfig] | None
) -> SearchSpace:
    config_type = config_type or methods.config_type(said["method"])
    known = rules(config_type)
    return SearchSpace(
        method=said["method"],
        config_type=config_type,
        goal=MetricGoal(**said["objective"]),
        trials=trials,
        time_seconds=None,
        setting={name: check_value(known[name], v)[0] for name, v in said["setting"].items()},
        parameters=tuple(_parameter(name, item) for name, item in said["search"].items()),
        source=where,
        **{name: said[name] for name in ("seeds", "sampler", "pruner", "reduction")},
        **{name: said.get(name, default) for name, default in TASK_DEFAULTS.items()},
    )


def _parameter(name: str, said: Mapping[str, Any]) -> Parameter:
    when = {parent: tuple(values) for parent, values in said["when"].items()}
    if "choices" in said:
        return Parameter(name=name, kind="choice", choices=tuple(said["choices"]), when=when)
    span = {key: said[key] for key in ("kind", "low", "high", "log")}
    return Parameter(name=name, when=when, **span)
