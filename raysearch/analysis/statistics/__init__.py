"""What may be concluded from scores: pure functions of numbers, each with its source."""

from raysearch.analysis.statistics.bootstrap import MeanInterval, mean_interval
from raysearch.analysis.statistics.overtuning import Overtuning, overtuning
from raysearch.analysis.statistics.stochastic_order import (
    StochasticOrder,
    chance_of_separation,
    stochastic_order,
    violation_ratio,
)
from raysearch.analysis.statistics.student import BlockTest, block_test, student_interval
from raysearch.analysis.statistics.validation_curve import (
    ESTIMATORS,
    budgets,
    expected_best,
)

__all__ = [
    "ESTIMATORS",
    "BlockTest",
    "MeanInterval",
    "Overtuning",
    "StochasticOrder",
    "block_test",
    "budgets",
    "chance_of_separation",
    "expected_best",
    "mean_interval",
    "overtuning",
    "stochastic_order",
    "student_interval",
    "violation_ratio",
]
