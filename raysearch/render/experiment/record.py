"""How is an answer written for a program: one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raysearch.findings.experiment import Answer, ArmResult
from raysearch.render.experiment.words import names_of
from raysearch.render.format import json_number
from raysearch.statistics.intervals import Interval

__all__ = ["answer_record"]


def answer_record(
    answer: Answer, *, name: str, question: str, sentences: Sequence[str]
) -> dict[str, Any]:
    """Every number of the answer; what is not known is null.

    Args:
        answer: What was computed.
        name: The study's name.
        question: What was asked.
        sentences: What may be said of it.
    """
    call = names_of(answer)
    return {
        "study": name,
        "question": question,
        "metric": answer.goal.name,
        "direction": answer.goal.direction,
        "reference": call(answer.reference.arm),
        "answer": list(sentences),
        "arms": [
            {
                **_arm(result, call(result.arm)),
                "same_as": None if result.twin is None else call(result.twin),
            }
            for result in answer.results
        ],
        "effects": [
            {
                "setting": effect.name,
                "means": [{"value": v, "mean": mean} for v, mean in effect.means.items()],
                "p_value": effect.test.p_value,
                "blocks": effect.test.blocks,
            }
            for effect in answer.effects
        ],
        "overall": None
        if answer.overall is None
        else {
            "untested": list(answer.untested),
            "p_value": json_number(answer.overall.p_value),
            "blocks": answer.overall.blocks,
        },
    }


def _arm(result: ArmResult, name: str) -> dict[str, Any]:
    return {
        "arm": name,
        "settings": dict(result.arm.settings),
        "paper": result.arm.paper,
        "trials": list(result.arm.numbers),
        "cells": len(result.values),
        "mean": result.mean,
        "sd": json_number(result.sd),
        "by_task": dict(result.by_task),
        "beside": dict(result.beside),
        "beside_difference": {n: _interval(i) for n, i in result.beside_difference.items()},
        "difference": None if result.difference is None else _interval(result.difference),
        "jointly": None if result.jointly is None else _interval(result.jointly),
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "mean": interval.value,
        "low": json_number(interval.low),
        "high": json_number(interval.high),
        "level": interval.level,
    }
