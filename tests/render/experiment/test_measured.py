"""Sentences on curves, from numbers worked by hand."""

from raysearch.findings.experiment import Course
from raysearch.render.experiment.words import course_sentence
from raysearch.statistics.intervals import Interval


def course(low: float, high: float) -> Course:
    change = Interval(value=(low + high) / 2, low=low, high=high, level=0.95, count=5)
    return Course(metric="dev/x", steps=(12, 72), first=0.5, last=0.6, change=change)


def test_a_change_within_noise_is_none() -> None:
    sure = course_sentence(course(0.05, 0.15))
    assert sure.startswith("dev/x is 0.5000 at the first report (step 12) and 0.6000 at the last")
    assert sure.endswith("a change of +0.1000, +0.0500 to +0.1500.")
    assert course_sentence(course(-0.05, 0.25)).endswith(", which cannot be told from none.")
