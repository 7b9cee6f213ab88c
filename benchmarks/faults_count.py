"""What did the kills cost: lost, duplicated, redone, counted from what lies in the folders?

A trial is known by the value of its one parameter. *Lost*: the driver said that it is finished,
or the sweep was to have it, and the result does not hold it. *Duplicated*: the driver said so
twice, or the result holds it twice. *Wrong*: its objective is not that of an undisturbed trial.
*Redone*: a step that the log has already, counted to the kill before it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from faults_kills import Campaign
from faults_work import INTERVAL, WORKS

Figures = dict[str, Any]


def count(campaign: Campaign) -> Figures:
    """The figures of a campaign, over all of its sweeps."""
    events = campaign.events
    sweeps = [event for event in events if event["event"] == "sweep"]
    each = [_count_sweep(campaign, sweep, events) for sweep in sweeps]
    lives = [event for event in events if event["event"] == "life"]
    kills = [event for event in events if event["event"] == "kill"]
    sums = ("trials", "lost", "duplicated", "wrong", "redone", "steps")
    return {
        "system": campaign.system,
        "work": campaign.work,
        "kills": len(kills),
        "targets": dict(Counter(kill["target"] for kill in kills)),
        **{name: sum(one[name] for one in each) for name in sums},
        "most": max((one["most"] for one in each), default=0),
        "over_bound": sum(one["over_bound"] for one in each),
        "bound": INTERVAL,
        "sweeps": len(sweeps),
        "not_restored": sum(event["event"] == "given up" for event in events),
        "hung": sum(life["how"] == "hung" for life in lives),
        "died": sum(life["how"] in ("died", "unrestorable") for life in lives),
        "seconds": sum(life["seconds"] for life in lives),
    }


def _count_sweep(campaign: Campaign, sweep: dict[str, Any], events: list[Any]) -> Figures:
    folder = campaign.folder / str(sweep["index"])
    told = Counter(map(float, _words(folder / "told")))
    path = folder / "result.json"
    result = json.loads(path.read_text()) if path.exists() else []
    held = Counter(key for key, _ in result)
    missing = sum(key not in held for key in told)
    if path.exists():
        missing = max(missing, sweep["trials"] - len(held))
    kills = [
        event["line"]
        for event in events
        if event["event"] == "kill" and event["sweep"] == sweep["index"]
    ]
    redone, most, over = redone_steps(_words(folder / "log", whole=True), kills)
    work = WORKS[campaign.work](log="")
    return {
        "trials": len(held),
        "lost": missing,
        "duplicated": (told - Counter(list(told))).total() + held.total() - len(held),
        "wrong": sum(value != work.value(key) for key, value in result),
        "redone": redone,
        "most": most,
        "over_bound": over,
        "steps": len(set(_words(folder / "log", whole=True))),
    }


def redone_steps(steps: list[str], kills: list[int]) -> tuple[int, int, int]:
    """Steps taken again: all, most of one trial after one kill, and pairs beyond the bound."""
    seen: set[str] = set()
    again: Counter[tuple[int, str]] = Counter()
    for line, step in enumerate(steps):
        if step in seen:
            before = sum(kill <= line for kill in kills)
            again[before, step.split()[0]] += 1
        seen.add(step)
    beyond = sum(number > INTERVAL for number in again.values())
    return again.total(), max(again.values(), default=0), beyond


def _words(path: Path, *, whole: bool = False) -> list[str]:
    """The lines of a file, as they are or their first words."""
    lines = path.read_text().splitlines() if path.exists() else []
    return lines if whole else [line.split()[0] for line in lines]
