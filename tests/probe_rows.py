"""Rows, classes and texts that the tests of probes share."""

from __future__ import annotations

import numpy as np


def gaussian(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)


def linear_classes(rows: np.ndarray, classes: int, seed: int = 1) -> np.ndarray:
    weights = np.random.default_rng(seed).standard_normal((rows.shape[1], classes))
    return (rows @ weights).argmax(1).astype(np.int64)


def names(count: int) -> list[str]:
    return [f"text number {index}" for index in range(count)]
