"""Dataclasses with the options of the commands and their defaults.

An option is a field here and a keyword of the function; the command line only reads words into
them. Each class checks the types of its values when it is made, what they mean is checked where
it is known.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from raysearch.config import SEED, as_scalar, check_value
from raysearch.errors import ConfigError, quoted, unknown_name
from raysearch.methods import package_folder
from raysearch.names import checked_name
from raysearch.version import PACKAGE

__all__ = [
    "EvaluateOptions",
    "ExperimentOptions",
    "Folder",
    "HardwareOptions",
    "Options",
    "SearchOptions",
    "SweepOptions",
    "TrainOptions",
    "absolute_folders",
    "check_seed",
    "find_space",
    "read_pack",
    "setting_text",
    "with_keywords",
    "words_of",
]

Folder = str | os.PathLike[str]


@dataclass(frozen=True)
class Options:
    """Options of every command.

    Attributes:
        quiet: Whether no progress is shown, only warnings.
    """

    _: KW_ONLY
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check that every value has the type of its field; paths become text."""
        problems = []
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            found, fits = _fitted(value, kind)
            if fits:
                object.__setattr__(self, name, found)
            else:
                problems.append(f"`--{_word(name)}` must be {_rule(kind)}, but got {quoted(value)}")
        if problems:
            raise ConfigError(problems)

    def of(self, options: type[Options]) -> dict[str, Any]:
        """The values of the fields that another class of options shares."""
        own = {item.name for item in fields(self)}
        return {f.name: getattr(self, f.name) for f in fields(options) if f.name in own}


@dataclass(frozen=True)
class SettingsOptions(Options):
    """Options of the commands that train.

    Attributes:
        settings: Settings of the method that are held at a value.
        results: Folder that holds a folder for each sweep.
        data_dir: Folder of the corpora; None for $RAYSEARCH_DATA, else ``../shared/data`` if it
            is there, else ``~/.cache/raysearch/data``.
    """

    _: KW_ONLY
    settings: Mapping[str, Any] | None = None
    results: Folder = "results"
    data_dir: Folder | None = None

    @property
    def setting_texts(self) -> dict[str, str]:
        """The settings as ``--set`` takes them.

        Raises:
            ConfigError: A value is empty.
        """
        texts = {name: setting_text(value) for name, value in (self.settings or {}).items()}
        if empty := [name for name, text in texts.items() if not name or not text]:
            raise ConfigError(
                [f"`--set` must be NAME=VALUE, but got {quoted(f'{n}={texts[n]}')}" for n in empty]
            )
        return texts


@dataclass(frozen=True)
class HardwareOptions(SettingsOptions):
    """Options on where trials run, and their resources.

    Attributes:
        slots: Trials at once; None for as many as CPUs and GPUs hold.
        workers_per_trial: Processes that share a trial.
        cpus_per_worker: CPUs of each; fractions are allowed.
        gpus_per_worker: GPUs of each; fractions share a GPU, 0 trains on the CPU. None for one
            where this machine has GPUs; 0 on a cluster.
        gpu_types: Types of GPUs in the order in which they are asked for, such as ``L4,A10G``; None
            for any.
        pack: Workers that share a GPU, in place of `gpus_per_worker`; ``auto`` measures what one
            takes at its peak.
        storage: Folder or URI that every node can write; below it, under the sweep's name, lie
            checkpoints, weights, stages and rows. Empty for `results`.
        stages: Folder or URI of the stages that trials share; empty for the sweep's own.
        stages_limit: Most that these may take in GB; None for half of the free disk.
        quota: Most that the sweep's checkpoints, weights and own stages may take in GB.
        hang_limit: A worker without a report for this long is replaced.
        cluster: Cluster file or URL of a head's dashboard that the command runs the sweep on.
        slurm: Slurm file whose partition runs the sweep in jobs.
        address: Ray cluster to join; None for a Ray of its own.
        max_cost: End in order before the nodes have cost more than this.
        prices: Cluster file that says what nodes cost.
    """

    _: KW_ONLY
    slots: int | None = None
    workers_per_trial: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float | None = None
    gpu_types: str | None = None
    pack: int | str | None = None
    storage: Folder = ""
    stages: Folder = ""
    stages_limit: float | None = None
    quota: float | None = None
    hang_limit: str = "1h"
    cluster: Folder | None = None
    slurm: Folder | None = None
    address: str | None = None
    max_cost: float | None = None
    prices: Folder | None = None


@dataclass(frozen=True)
class SearchOptions(HardwareOptions):
    """Options of the search and its budget; None for the search space's own.

    Attributes:
        space: A search space's file, or the name of one that comes with raysearch.
        config: File that `raysearch export` wrote: settings that are not searched are held at
            its values, below `settings`.
        name: Name of the sweep; None for that of the space's file.
        trials: Configurations over all runs; with mode ``per_task`` of each task.
        time: Time of this run, such as ``90s``, ``30m``, ``2h``.
        seeds: Repeats of each configuration.
        sampler: One of tpe, random, grid, qmc, cmaes and gp.
        metric: What is optimised.
        direction: Of `metric`.
        pairs: Language pairs, such as ``en-es,en-fr``.
        mode: One configuration scored on all tasks, or a search for each task.
        aggregate: Joint: the mean over the tasks, or the worst task.
        warm_start: Per task: first the so many best of every task before it.
        seed: Of the sampler.
        keep: Whose final weights stay on disk.
        study: URL of the study's database; empty for a file of the sweep's own.
    """

    _: KW_ONLY
    space: Folder | None = None
    config: Folder | None = None
    name: str | None = None
    trials: int | None = None
    time: str | None = None
    seeds: int | None = None
    sampler: str | None = None
    metric: str | None = None
    direction: Literal["maximize", "minimize"] | None = None
    pairs: str | None = None
    mode: Literal["joint", "per_task"] | None = None
    aggregate: Literal["mean", "worst"] | None = None
    warm_start: int | None = None
    seed: int = 0
    keep: Literal["best", "all", "none"] = "best"
    study: str = ""


@dataclass(frozen=True)
class SweepOptions(SearchOptions):
    """Options of `raysearch sweep`.

    Attributes:
        method: For example ``carl``.
    """

    method: str


@dataclass(frozen=True)
class TrainOptions(SettingsOptions):
    """Options of `raysearch train`.

    Attributes:
        method: For example ``carl``.
        config: File of an exported configuration: its settings, task and seed are those of the
            trial where nothing else is said.
        task: Which language pair, for a method over several.
        seed: The trial's seed; None for that of `config`, else 0.
        name: Folder below `results`; None for one named after the settings.
    """

    method: str
    _: KW_ONLY
    config: Folder | None = None
    task: str | None = None
    seed: int | None = None
    name: str | None = None


@dataclass(frozen=True)
class ExperimentOptions(HardwareOptions):
    """Options of `raysearch experiment`.

    Attributes:
        name: An experiment such as ``carl-ablation``, or a space file with a section ``study``.
        scale: ``small`` fits two CPU cores, ``paper`` is the papers' own size, for a GPU.
        seeds: Cells of each arm and task; None for the experiment's own.
    """

    name: str
    _: KW_ONLY
    scale: Literal["small", "paper"] = "small"
    seeds: int | None = None


@dataclass(frozen=True)
class EvaluateOptions(Options):
    """Options of `raysearch evaluate`.

    Attributes:
        sweep: Folder or URI of a sweep.
        trial: Number, ``best`` or ``all``, or several; None for ``best``, of an oracle ``all``.
        task: Only cells of this corpus or pair.
        oracle: Whether to read target dev, which no selection may see, instead.
        metric: What ``best`` means; None for the sweep's own goal.
        data_dir: Folder of the corpora, as in `SettingsOptions`.
    """

    sweep: Folder
    _: KW_ONLY
    trial: int | str | Sequence[int | str] | None = None
    task: str | None = None
    oracle: bool = False
    metric: str | None = None
    data_dir: Folder | None = None


P = ParamSpec("P")
O = TypeVar("O", bound=Options)  # noqa: E741
R = TypeVar("R")


def with_keywords(options: Callable[P, O]) -> Callable[[Callable[[O], R]], Callable[P, R]]:
    """Decorator: call a function of options with their fields as keywords.

    Args:
        options: The class; what it refuses, the function refuses.
    """
    signature = inspect.signature(options)

    def decorate(function: Callable[[O], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in kwargs.keys() - signature.parameters.keys():
                words = [f"--{_word(known)}" for known in signature.parameters]
                raise ConfigError(unknown_name("option", f"--{_word(name)}", words))
            return function(options(*args, **kwargs))

        call.__signature__ = signature.replace(  # type: ignore[attr-defined]
            return_annotation=inspect.signature(function).return_annotation
        )
        return call

    return decorate


def words_of(options: Options) -> list[str]:
    """The options that are not at their defaults, as words of the command line."""
    words = []
    for item in fields(options):
        value = getattr(options, item.name)
        if item.name == "settings":
            texts = cast("SettingsOptions", options).setting_texts
            words += [f"--set={name}={text}" for name, text in texts.items()]
        elif item.kw_only and value != item.default:
            word = f"--{_word(item.name)}"
            several = value if isinstance(value, list | tuple) else [value]
            words += [word] if value is True else [f"{word}={one}" for one in several]
    return words


def absolute_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with absolute paths for folders of this machine.

    A corpus or an encoder may be a folder; the processes that train start in another one.
    """
    return {
        name: str(Path(value).absolute())
        if isinstance(value, str) and "/" in value and Path(value).is_dir()
        else value
        for name, value in settings.items()
    }


def setting_text(value: Any) -> str:
    """A setting's value as `--set` takes it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(as_scalar(value))


def read_pack(text: int | str) -> int | str:
    """A number of trials, or ``auto``.

    Raises:
        ConfigError: Something else.
    """
    if text == "auto":
        return text
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= 10_000:
        raise ConfigError(f"`--pack` must be auto or a number from 1 to 10000, but got {text!r}")
    return number


def check_seed(seed: int) -> None:
    """Check that a seed is valid.

    Raises:
        ConfigError: It cannot.
    """
    _, must = check_value(SEED, seed)
    if must:
        raise ConfigError(f"`--seed` must be {must}, but got {quoted(seed)}")


def find_space(method: str, option: str | None, *, said: str = "--space") -> Path:
    """The search space of ``--space``, else the method's own in ``search_spaces/``.

    A file here comes first; then one of those that come with this package, so that the same
    command works in any folder; then one beside a method that another package adds.

    Args:
        method: Name of the method.
        option: A file, or the name of one that comes with this package: ``carl-emobank``; None
            for the method's own.
        said: What the file was named by.

    Raises:
        ConfigError: There is no such file; the message names what there is.
    """
    if option is None:
        checked_name(method, "a method")
        name = Path("search_spaces") / f"{method}.yaml"
        places = [name, *(home / name for home in (PACKAGE, package_folder(method)) if home)]
    else:
        places = [Path(option), PACKAGE / option, PACKAGE / "search_spaces" / f"{option}.yaml"]
    for place in places:
        if place.is_file():
            return place
    if option is None:
        raise ConfigError(f"{name} must be in this folder, but is not; name a file with --space")
    own = PACKAGE / "search_spaces"
    known = sorted(str(path.relative_to(own).with_suffix("")) for path in own.rglob("*.yaml"))
    raise ConfigError(
        f"`{said}` must be a search space file or one of {', '.join(known)}, but {option} is none"
    )


def _word(name: str) -> str:
    """An option as written on the command line."""
    return "set" if name == "settings" else name.replace("_", "-")


def _kinds(options: type[Options]) -> dict[str, Any]:
    """Every field's type, resolved."""
    hints = get_type_hints(options)
    return {item.name: hints[item.name] for item in fields(options)}


def _fitted(value: Any, kind: Any) -> tuple[Any, bool]:
    """The value converted to the type of its field, and whether it fits."""
    origin = get_origin(kind) or kind
    if origin in (Union, UnionType):
        tried = (_fitted(value, one) for one in get_args(kind))
        return next((found for found in tried if found[1]), (value, False))
    if origin is Literal:
        return value, value in get_args(kind)
    if origin in (int, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and (origin is float or value == value // 1)
        return (origin(value) if fits else value), fits
    if origin is os.PathLike and isinstance(value, os.PathLike):
        return os.fspath(value), True
    return value, isinstance(value, cast("type", origin))


def _rule(kind: Any) -> str:
    """A type in words."""
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        return " or ".join(dict.fromkeys(map(_rule, kinds)))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return _RULES.get(get_origin(kind) or kind, "of another type")


_RULES = {
    int: "an integer",
    float: "a number",
    str: "a text",
    bool: "True or False",
    os.PathLike: "a path",
    Mapping: "a mapping",
    Sequence: "a list",
}
