"""What the first trial of a sweep changes beside the searched settings.

It has the paper's own values, also of settings that the space holds fixed for all others, so that
the best of the search and the paper's setting may differ in more than what was searched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from raysearch.leaderboard.tasks import first_trials
from raysearch.run import Scalar

__all__ = ["beside_search", "beside_text"]

CONFIG = "config/"
Beside = Mapping[str, tuple[Scalar, Scalar]]
"""Setting to the first trial's value and that of the others."""


def beside_text(task: str, beside: Beside) -> str:
    """One sentence on the differences, without its end; empty if there are none.

    Args:
        task: The task that is searched for itself; empty for all together.
        beside: The differences.
    """
    if not beside:
        return ""
    named = ", ".join(
        f"{name} {_said(own)} for {_said(other)}" for name, (own, other) in beside.items()
    )
    which = f"the first trial of {task}" if task else "trial 0"
    return (
        f"{which}, the paper's own setting, also has {named} of the others, which are not "
        "searched: a difference from it may be due to these"
    )


def beside_search(table: pa.Table, searched: Collection[str]) -> tuple[str, ...]:
    """A sentence for each task, or for all together, whose first trial differs in more.

    Args:
        table: Rows of *trials* of one sweep.
        searched: Names of the searched settings; without any nothing is known, and nothing said.
    """
    if not searched or not table.num_rows:
        return ()
    keys = zip(table.column("task").to_pylist(), table.column("trial").to_pylist(), strict=True)
    firsts = first_trials(keys)
    if len(set(firsts.values())) == 1:
        firsts = {"": next(iter(firsts.values()))}
    found = (beside_text(task, _beside(table, task, n, searched)) for task, n in firsts.items())
    return tuple(text for text in found if text)


def _beside(table: pa.Table, task: str, first: int, searched: Collection[str]) -> Beside:
    """Settings in which a trial differs from all others of a task, which agree in them."""
    if task:
        table = table.filter(pc.equal(table.column("task"), task))
    is_first = pc.equal(table.column("trial"), first)
    own, others = table.filter(is_first), table.filter(pc.invert(is_first))
    found = {}
    for column in table.column_names if others.num_rows else ():
        name = column.removeprefix(CONFIG)
        if name == column or name in searched:
            continue
        value, values = own.column(column)[0].as_py(), others.column(column).unique().to_pylist()
        if len(values) == 1 and values[0] != value:
            found[name] = (value, values[0])
    return found


def _said(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
