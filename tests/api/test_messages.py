"""Progress goes to the view that is handed in; by default nothing is shown."""

import warnings

import pytest

from raysearch.api.messages import PROGRESS, QUIET, Messages, shown
from raysearch.events import Event, EventKind, QuietView, SweepHeader, View
from raysearch.render.live import LiveView

CARD = {
    "name": "noop", "method": "noop", "metric": "dev/score", "direction": "maximize",
    "mode": "joint", "aggregate": "mean", "tasks": ["sample"], "cells": 1, "trials": 3,
}  # fmt: skip
HEADER = SweepHeader(card=CARD, headline="sweep noop", root="/storage/noop", seconds=None)


def tell(view: View) -> None:
    with view:
        view.event(Event(kind=EventKind.SWEEP, header=HEADER))
        view.event(Event(kind=EventKind.MESSAGE, text="starting"))
        view.event(Event(kind=EventKind.OUTPUT, text="a library's line"))
        view.event(Event(kind=EventKind.WARNING, text="the disk is full"))


def test_by_default_only_warnings_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    tell(Messages(warn=said.append).view())
    assert said == ["the disk is full"]
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        tell(QUIET.view())
    assert [str(one.message) for one in found] == ["the disk is full"]
    assert capsys.readouterr() == ("", "")


def test_progress_is_the_live_view(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PROGRESS.view())
    lines = ["sweep noop", "starting", "a library's line", "the disk is full"]
    assert capsys.readouterr().out.splitlines() == lines


def test_a_caller_from_python_sees_the_live_view_unless_it_is_quiet() -> None:
    for quiet, kind in ((False, LiveView), (True, QuietView)):
        with shown(quiet) as messages:
            assert isinstance(messages.view(), kind)
