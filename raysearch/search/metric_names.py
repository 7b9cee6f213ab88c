"""Which metrics can the trials of a space have, and does it ask for one that none has?

A misspelt objective would otherwise train every trial to its end, and rank none.
"""

from __future__ import annotations

from collections.abc import Collection

from raysearch.config import TrainingConfig
from raysearch.errors import ConfigError, unknown_name
from raysearch.methods import get_method
from raysearch.methods.description import Reported
from raysearch.search.space.space import SearchSpace

__all__ = ["check_metrics", "known_metrics", "unknown_metric"]


def known_metrics(space: SearchSpace, role: str, data_dir: str) -> frozenset[str]:
    """Names of the metrics that trials of the space can have on a role.

    Args:
        space: What is searched.
        role: ``dev`` or ``test``.
        data_dir: Folder of the corpora.

    Returns:
        Every name ``{role}/…``; empty for a method that says none.

    Raises:
        RaysearchError: No trial of the space could run, and why.
    """
    loader = get_method(space.method)
    if not isinstance(loader, Reported):
        return frozenset()
    found: set[str] = set()
    for config in _variety(space):
        found.update(loader.metrics(config, role=role, data_dir=data_dir))
    return frozenset(found)


def _variety(space: SearchSpace) -> list[TrainingConfig]:
    """The paper's own setting, and that with each choice of each searched setting in it."""
    paper, _ = space.paper_first()
    changes = [{item.name: choice} for item in space.searched for choice in item.choices]
    found = [space.read(paper)]
    for change in changes:
        try:
            found.append(space.read({**paper, **change}))
        except ConfigError:
            continue  # it goes with other settings only
    return found


def check_metrics(space: SearchSpace, data_dir: str) -> None:
    """See that trials have the metrics by which the space ranks them and answers its question.

    Names of other roles than dev and test (``train/…``) are known once there is a report.

    Raises:
        ConfigError: One sentence for every metric that no trial can have.
        RaysearchError: No trial of the space could run, and why.
    """
    asked = {"metric": space.goal.name}
    if space.question is not None:
        asked["study.metric"] = space.question.goal.name
        asked |= {
            f"study.beside[{place}]": name for place, name in enumerate(space.question.beside)
        }
        if space.question.figure == "curves":
            asked["study.y"] = space.question.y
    known = {role: known_metrics(space, role, data_dir) for role in ("dev", "test")}
    problems = [
        unknown_metric(place, name, known[role])
        for place, name in asked.items()
        for role in known
        if name.startswith(f"{role}/") and known[role] and name not in known[role]
    ]
    if problems:
        raise ConfigError([f"{problem} ({space.source})" for problem in problems])


def unknown_metric(place: str, name: str, known: Collection[str]) -> str:
    """One sentence for a metric that no trial has, with the nearest that they have.

    Args:
        place: Where it is asked for.
        name: The metric.
        known: What there is.
    """
    hint = unknown_name("metric", name, sorted(known))
    return f"`{place}` must be a metric that trials report, but is an {hint}"
