"""Which corpora does a trial of CARL read, and are they there: asked before anything trains.

Needs no torch, so that a sweep says what is missing before it starts Ray.
"""

from __future__ import annotations

from collections.abc import Collection

from raysearch import corpora
from raysearch.corpora import Corpus
from raysearch.errors import ConfigError, DataError
from raysearch.methods.carl.config import CarlConfig
from raysearch.sources import remembered

__all__ = ["POLES", "check", "load_corpora", "rateable"]

POLES: tuple[str, ...] = ("negative", "positive")
"""Labels of a polarity corpus that can be read as valence 0 and 1; see `training_rows`."""


def check(config: CarlConfig, *, data_dir: str) -> None:
    """See `methods.base.MethodLoader.check`."""
    load_corpora(config, data_dir, {"train", "dev"})


def load_corpora(config: CarlConfig, data_dir: str, roles: Collection[str]) -> dict[str, Corpus]:
    """Every corpus that the settings name, training corpora first, each once.

    Args:
        config: Names the corpora.
        data_dir: Folder of the corpora.
        roles: The roles to be opened.

    Raises:
        ConfigError: A corpus is of another task than the setting that names it.
        DataError: A corpus cannot be read; all that cannot are named.
    """
    opened = tuple(sorted(roles))
    names = dict.fromkeys((*config.corpora, *config.probed))
    loaded, problems = {}, []
    for name in names:
        try:
            loaded[name] = _corpus(name, data_dir, opened)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    _check_tasks(config, loaded)
    return loaded


def rateable(corpus: Corpus) -> bool:
    """Whether CARL can be trained on a corpus: it has ratings, or poles of sentiment."""
    return corpus.task == "va" or (corpus.task == "polarity" and corpus.label_names == POLES)


@remembered
def _corpus(name: str, data_dir: str, roles: tuple[str, ...]) -> Corpus:
    """A corpus is frozen, so all trials of a process share it while its files stay as they are."""
    return corpora.load(name, data_dir, roles)


def _check_tasks(config: CarlConfig, loaded: dict[str, Corpus]) -> None:
    asked = (
        ("va_corpora", config.va_corpora, "va"),
        ("class_corpora", config.class_corpora, "classes"),
        ("polarity_corpora", config.polarity_corpora, "polarity"),
    )
    problems = [
        "`corpora` must name corpora of task va, or of task polarity with the labels negative and "
        f"positive, but {name} is of task {loaded[name].task} with the labels "
        + ", ".join(loaded[name].label_names)
        for name in config.corpora
        if not rateable(loaded[name])
    ]
    problems += [
        f"`{field}` must name corpora of task {task}, but {name} is of task {loaded[name].task}"
        for field, names, task in asked
        for name in names
        if loaded[name].task != task
    ]
    if problems:
        raise ConfigError(problems)
