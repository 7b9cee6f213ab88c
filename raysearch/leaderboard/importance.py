"""Which settings decide who is among the best, and which cannot be told from a placebo.

PED-ANOVA (Watanabe et al., IJCAI 2023; with conditions as in condPED-ANOVA, KDD 2026): the
Pearson divergence between a setting's density among the best configurations and among all.
The figures equal those of Optuna's `PedAnovaImportanceEvaluator`; this one computes thousands
of samples at once, because a divergence alone says little: it is above 0 even for a setting
without any effect. So each comes with

- what a placebo reaches: the same divergence after the scores were dealt out at random among
  the configurations, so that no setting has an effect;
- an interval of its share by bootstrap over configurations (percentiles; in 60 simulations of 80
  configurations it held the mean share in 98 to 100 % of cases: it is rather too wide).

The test takes configurations for exchangeable. A sampler that learns proposes more of what did
well, so with one (tpe) settings that it took to early may look important by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raysearch.leaderboard.keys import Codes, Floats
from raysearch.leaderboard.ranges import SearchRange
from raysearch.trial import Scalar

__all__ = ["FEWEST", "Importance", "Importances", "divergences", "importances"]

FEWEST = 8
"""Complete configurations below which no placebo can be told from anything."""
_BEST = 10
"""Configurations that the best group holds where a quarter is as many; Optuna's documentation
asks for five, of which no placebo test tells much."""
_DEALS, _SAMPLES = 999, 300
_ALPHA = 0.05
_Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Importance:
    """A setting's weight in who is among the best.

    Attributes:
        name: The setting.
        value: Its divergence, as a share of the sum over all settings.
        low: Lower end of a 95 % percentile interval by bootstrap, in the same unit.
        high: Its upper end.
        placebo: 95 % of placebos stay below this share, beside the other settings as they are.
        p_value: Share of placebos that reach `value`, corrected for the number of settings
            (Holm).
        told: Whether it can be told from a placebo: `p_value` is below 5 %, and its interval
            stays above the middle placebo.
    """

    name: str
    value: float
    low: float
    high: float
    placebo: float
    p_value: float
    told: bool


@dataclass(frozen=True, kw_only=True)
class Importances:
    """All settings of one contest.

    Attributes:
        settings: By value, largest first; empty for fewer than 8 configurations.
        count: Complete configurations.
        best: How many of them are the best group.
        samples: Settings (in the order of `settings`) × bootstrap samples, (P, B).
    """

    settings: tuple[Importance, ...]
    count: int
    best: int
    samples: Floats


def importances(
    configs: Sequence[Mapping[str, Scalar]],
    losses: Sequence[float],
    ranges: Sequence[SearchRange],
    *,
    seed: int = 0,
) -> Importances:
    """How much each setting decides who is among the best.

    Args:
        configs: Settings of the complete configurations, (N,).
        losses: What ranks them, lower is better, (N,), finite.
        ranges: The settings that were searched, (P,).
        seed: Of the random numbers.

    Returns:
        The best group is the best tenth, but at least ten, at most a quarter of them.
    """
    count = len(configs)
    share = min(max(0.1, _BEST / count), 0.25) if count else 0.25
    ranges = [one for one in ranges if one.size > 1]
    points = [one.points(configs) for one in ranges]
    keep = [i for i, found in enumerate(points) if len(set(found[found >= 0].tolist())) > 1]
    if count < FEWEST or not keep or len(set(losses)) < 2:
        return Importances(settings=(), count=count, best=0, samples=np.empty((0, 0)))
    random = np.random.default_rng(seed)
    order = np.argsort(np.asarray(losses, float), kind="stable")
    ranked = np.asarray(losses, float)[order]
    whole = np.ones((1, count))
    top = _best_of(whole, ranked, share)
    deals = np.stack([random.permutation(top[0]) for _ in range(_DEALS)])
    drawn = random.multinomial(count, np.full(count, 1 / count), size=_SAMPLES).astype(float)
    drawn_top = _best_of(drawn, ranked, share)
    values, placebos, samples = [], [], []
    for index in keep:
        grid, numeric = points[index][order], not ranges[index].choices
        size = ranges[index].size
        values.append(_divergence(top, whole, grid, size, numeric)[0])
        placebos.append(_divergence(deals, whole, grid, size, numeric))
        samples.append(_divergence(drawn_top, drawn, grid, size, numeric))
    names = [ranges[index].name for index in keep]
    return _told(names, np.array(values), np.stack(placebos), np.stack(samples), count, top)


def divergences(
    configs: Sequence[Mapping[str, Scalar]],
    losses: Sequence[float],
    ranges: Sequence[SearchRange],
    share: float = 0.1,
) -> dict[str, float]:
    """The bare figures of PED-ANOVA, without intervals, for any share of best configurations.

    Args:
        configs: Settings, (N,) with N ≥ 2.
        losses: Lower is better, (N,).
        ranges: The settings to judge.
        share: Of the best, in (0, 1).
    """
    order = np.argsort(np.asarray(losses, float), kind="stable")
    whole = np.ones((1, len(configs)))
    top = _best_of(whole, np.asarray(losses, float)[order], share)
    return {
        one.name: float(
            _divergence(top, whole, one.points(configs)[order], one.size, not one.choices)[0]
        )
        for one in ranges
        if one.size > 1
    }


def _told(
    names: Sequence[str],
    values: Floats,
    placebos: Floats,
    samples: Floats,
    count: int,
    top: _Counts,
) -> Importances:
    """Put the figures together: shares, intervals, Holm's correction."""
    total = values.sum() or 1.0
    bare = (1 + (placebos >= values[:, None]).sum(axis=1)) / (1 + placebos.shape[1])
    p_values, worst = np.empty(len(names)), 0.0
    for place, index in enumerate(np.argsort(bare, kind="stable")):
        worst = max(worst, min(1.0, bare[index] * (len(names) - place)))
        p_values[index] = worst
    of_samples = samples.sum(axis=0)
    shares = np.divide(samples, of_samples, out=np.zeros_like(samples), where=of_samples > 0)
    low, high = np.quantile(shares, [0.025, 0.975], axis=1)
    # What the share would be if the setting were a placebo and the others as they are.
    middle, usual = np.quantile(placebos, [0.5, 0.95], axis=1)
    middle, usual = middle / (middle + total - values), usual / (usual + total - values)
    order = np.argsort(-values, kind="stable")
    found = tuple(
        Importance(
            name=names[i],
            value=float(values[i] / total),
            low=float(min(low[i], values[i] / total)),
            high=float(max(high[i], values[i] / total)),
            placebo=float(usual[i]),
            p_value=float(p_values[i]),
            told=bool(p_values[i] < _ALPHA and low[i] > middle[i]),
        )
        for i in order
    )
    return Importances(
        settings=found, count=count, best=int(top.sum()), samples=np.asarray(shares[order])
    )


def _best_of(weights: _Counts, losses: Floats, share: float) -> _Counts:
    """How often each configuration is among the best, (B, N).

    Args:
        weights: How often each is in a sample, (B, N), in ascending order of `losses`.
        losses: (N,), ascending; those that equal the last of the best count among them.
        share: Of the best.
    """
    total = weights.sum(axis=1)
    before = np.cumsum(weights, axis=1)
    wanted = np.ceil(share * total - 1e-9)
    last = (before < wanted[:, None]).sum(axis=1)
    return np.where(losses[None, :] <= losses[last][:, None], weights, 0.0)


def _divergence(top: _Counts, whole: _Counts, grid: Codes, size: int, numeric: bool) -> Floats:
    """The divergence of each sample, (B,); see `_best_of` for the weights."""
    there = grid >= 0
    places = (np.arange(size)[None, :] == grid[there][:, None]).astype(float)  # (N', G)
    in_top, in_all = top[:, there] @ places, whole[:, there] @ places  # (B, G) or (1, G)
    active_top, active_all = in_top.sum(axis=1), in_all.sum(axis=1)
    density = _numeric_density if numeric else _choice_density
    first, second = density(in_top) + 1e-12, density(in_all) + 1e-12
    bare = (second * (first / second - 1) ** 2).sum(axis=1)
    alpha, beta = active_top / top.sum(axis=1), active_all / whole.sum(axis=1)
    scale = np.divide(alpha**2, beta, out=np.zeros_like(alpha), where=beta > 0)
    said = (active_all >= 2) & (active_top > 0)  # Optuna: fewer than two say nothing
    return np.where(said, scale * bare, 0.0)


def _choice_density(counts: _Counts) -> _Counts:
    """Parzen density over choices, (B, G): Optuna's, whose kernels share a prior weight of 1."""
    seen = counts > 0
    kernels = seen.sum(axis=1, keepdims=True) + 1.0
    size = counts.shape[1]
    total = counts.sum(axis=1, keepdims=True) + 1.0
    # A kernel puts 1 + 1/K on its own choice and 1/K on each, and sums to 1 + G/K.
    prior = 1 / size / total
    spread = counts.sum(axis=1, keepdims=True) / total / kernels / (1 + size / kernels)
    return np.asarray(counts / total / (1 + size / kernels) + spread + prior)


def _numeric_density(counts: _Counts) -> _Counts:
    """Parzen density over a grid, (B, G): Gaussians cut to it, their width by Scott's rule."""
    size = counts.shape[1]
    total = counts.sum(axis=1)
    width = _widths(counts, np.maximum(total, 1.0))
    # From a point of the grid to the edges of the others there are 2G half-integer distances.
    edges = _normal((np.arange(-size, size) + 0.5)[None, :] / width[:, None])  # (B, 2G)
    mass = np.diff(edges, axis=1)  # mass at distance d − (G − 1), d = 0 … 2G − 2
    at = np.arange(size)
    inside = edges[:, 2 * size - 1 - at] - edges[:, size - 1 - at]  # of the kernel at each point
    spread = counts / inside
    distance = at[None, :] - at[:, None] + size - 1  # (from, to)
    found = np.empty_like(counts)
    for begin in range(0, len(counts), 128):  # (128, G, G) at once is 2.5 MB
        part = slice(begin, begin + 128)
        found[part] = np.einsum("bg,bgh->bh", spread[part], mass[part][:, distance])
    prior = np.diff(_normal((np.arange(size + 1) - 0.5 - (size - 1) / 2) / size))
    return np.asarray((found + prior / prior.sum()) / (total + 1)[:, None])


def _widths(counts: _Counts, total: Floats) -> Floats:
    """Scott's width of each sample, (B,), at least 0.5/1.64 of a step."""
    at = np.arange(counts.shape[1])
    mean = counts @ at / total
    squares = (counts * (at[None, :] - mean[:, None]) ** 2).sum(axis=1)
    sd = np.sqrt(squares / np.maximum(1, total - 1))
    before = np.cumsum(counts, axis=1)
    # As Optuna: the first point that reaches a quarter, and the one after three quarters.
    first = (before < (total // 4)[:, None]).sum(axis=1)
    third = (before <= (total * 3 // 4)[:, None]).sum(axis=1)
    last = counts.shape[1] - 1 - (counts[:, ::-1] > 0).argmax(axis=1)
    lower = _seen_from(counts, first)
    upper = np.minimum(_seen_from(counts, np.minimum(third, last)), last)
    width = 1.059 * np.minimum((upper - lower) / 1.34, sd) * total**-0.2
    return np.asarray(np.maximum(width, 0.5 / 1.64))


def _seen_from(counts: _Counts, begin: Codes) -> Codes:
    """The first point at or after `begin` that any configuration has, (B,)."""
    later = np.arange(counts.shape[1])[None, :] >= begin[:, None]
    return np.asarray(((counts > 0) & later).argmax(axis=1))


_erf = np.frompyfunc(math.erf, 1, 1)


def _normal(values: Floats) -> Floats:
    """The normal distribution function."""
    return 0.5 * (1 + np.asarray(_erf(values / math.sqrt(2)), dtype=np.float64))
