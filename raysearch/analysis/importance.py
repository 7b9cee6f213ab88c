"""Importance of settings for being among the best, compared with a placebo.

PED-ANOVA (`divergence`) measures how much a setting's density among the best
configurations differs from that among all. A divergence alone says little: it is above 0 even for
a setting without any effect. So each comes with

- a test for any effect of the setting. The divergence would be a poor statistic for it: it uses the
  best group only, and its kernels blur choices. The test uses Savage's scores (1956), which weight
  the best ranks most: how much of their variance lies between a setting's choices (as in Kruskal
  and Wallis for ranks), or is explained by a parabola in the rank of its value, which detects
  an optimum in the middle, too;
- the value of a placebo: the same divergence, and the same fraction of variance, after permuting
  the scores among the configurations in which the setting is active, so that its value has no
  effect. The others keep theirs: the child of a decisive condition is overrepresented among the
  best, which is not an effect of the child's value;
- an interval of its relative value by bootstrap over configurations (percentiles; in 60 simulations
  of 80 configurations it held the mean in 98 to 100 % of cases: it is rather too wide).

The test is exact (`statistics.permutation`) and assumes exchangeable configurations. A sampler
that learns proposes more of what did well, so with one (tpe) settings that it fixed on early may
look important by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from raysearch.findings.sweep import Importance, Importances
from raysearch.leaderboard.card import SearchRange
from raysearch.leaderboard.keys import Codes, Floats
from raysearch.metrics import ranks_of
from raysearch.run import Scalar
from raysearch.statistics.intervals import Interval, spearman
from raysearch.statistics.permutation import (
    ALPHA,
    FEWEST,
    dealt,
    explained_p,
    holm,
)

__all__ = ["agreement", "divergence", "importances"]

_BEST = 10
"""Least size of the best group, if a quarter is as many; Optuna's documentation asks for five,
which is too few for a placebo test."""
_DEALS, _SAMPLES = 999, 300
_FEWEST_SHARED = 3
"""Settings in common that are needed to compare two orders of them."""


def importances(
    configs: Sequence[Mapping[str, Scalar]],
    losses: Sequence[float],
    ranges: Sequence[SearchRange],
    *,
    seed: int = 0,
) -> Importances:
    """How much each setting decides who is among the best.

    The best group is the best tenth, but at least ten, at most a quarter of them.

    Args:
        configs: Settings of the complete configurations, (N,).
        losses: What ranks them, lower is better, (N,), finite.
        ranges: The settings that were searched, (P,).
        seed: Seed of the random numbers.
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
    drawn = random.multinomial(count, np.full(count, 1 / count), size=_SAMPLES).astype(float)
    drawn_top = _best_of(drawn, ranked, share)
    scores = _savage(ranked)
    values, placebos, samples, p_values = [], [], [], []
    deals: dict[bytes, tuple[Floats, Floats]] = {}  # settings of one condition share theirs
    for index in keep:
        grid, numeric = points[index][order], not ranges[index].choices
        size = ranges[index].size
        there = grid >= 0
        if (key := there.tobytes()) not in deals:
            deals[key] = _deals(scores, there, top[0], seed)
        dealt_scores, dealt_top = deals[key]
        columns = _columns(grid[there], numeric)
        p_values.append(explained_p(scores[there], columns, dealt_scores))
        values.append(divergence(top, whole, grid, size, numeric)[0])
        placebos.append(divergence(dealt_top, whole, grid, size, numeric))
        samples.append(divergence(drawn_top, drawn, grid, size, numeric))
    names = [ranges[index].name for index in keep]
    return _importances(
        names, np.array(values), np.stack(placebos), np.stack(samples), holm(p_values), top
    )


def agreement(first: Importances, second: Importances) -> Interval:
    """Spearman's ρ between the importances of two pairs, over the settings that both have.

    Its interval uses the bootstrap samples of both, which are independent of each other.

    Returns:
        NaN for fewer than three settings in common.
    """
    names = [one.name for one in first.settings]
    others = [one.name for one in second.settings]
    common = [name for name in names if name in others]
    if len(common) < _FEWEST_SHARED:
        return Interval(value=np.nan, low=np.nan, high=np.nan, count=len(common))
    here = [names.index(name) for name in common]
    there = [others.index(name) for name in common]
    value = spearman(
        [first.settings[index].value for index in here],
        [second.settings[index].value for index in there],
    )
    drawn = zip(first.samples[here].T, second.samples[there].T, strict=True)
    samples = np.array([spearman(one.tolist(), two.tolist()) for one, two in drawn])
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return Interval(value=value, low=float(low), high=float(high), count=len(common))


def _importances(
    names: Sequence[str],
    values: Floats,
    placebos: Floats,
    samples: Floats,
    p_values: Floats,
    top: Floats,
) -> Importances:
    """Normalise the divergences and compute their intervals."""
    total = values.sum() or 1.0
    of_samples = samples.sum(axis=0)
    shares = np.divide(samples, of_samples, out=np.zeros_like(samples), where=of_samples > 0)
    low, high = np.quantile(shares, [0.025, 0.975], axis=1)
    # The setting's fraction if it were a placebo and the others as they are.
    usual = np.quantile(placebos, 0.95, axis=1)
    usual = usual / (usual + total - values)
    order = np.argsort(-values, kind="stable")
    found = tuple(
        Importance(
            name=names[i],
            value=float(values[i] / total),
            low=float(min(low[i], values[i] / total)),
            high=float(max(high[i], values[i] / total)),
            placebo=float(usual[i]),
            p_value=float(p_values[i]),
            significant=bool(p_values[i] < ALPHA),
        )
        for i in order
    )
    return Importances(
        settings=found, count=top.shape[1], best=int(top.sum()), samples=np.asarray(shares[order])
    )


def _savage(losses: Floats) -> Floats:
    """Savage's scores of ascending losses, (N,), the largest for the best; ties share theirs."""
    bare = np.cumsum(1 / np.arange(len(losses), 0, -1))[::-1].copy()
    _, inverse, sizes = np.unique(losses, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(inverse, weights=bare) / sizes)[inverse], dtype=np.float64)


def _deals(
    scores: Floats, there: npt.NDArray[np.bool_], top: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Scores permuted among those that are `there`, (D, N'), and the best of each, (D, N)."""
    found = dealt(scores[there], deals=_DEALS, seed=seed)
    best = np.tile(top, (_DEALS, 1))
    best[:, there] = found >= scores[top > 0].min()
    return found, best


def _columns(grid: Codes, numeric: bool) -> Floats:
    """A parabola in a number's rank, (N, 2), or indicators of the choices, (N, K)."""
    if not numeric:
        return np.asarray(grid[:, None] == np.unique(grid)[None, :], dtype=np.float64)
    ranks = ranks_of(grid.tolist())
    ranks = (ranks - ranks.mean()) / max(len(ranks), 1)
    return np.stack([ranks, ranks**2], axis=1)


def _best_of(weights: Floats, losses: Floats, share: float) -> Floats:
    """How often each configuration is among the best, (B, N).

    Args:
        weights: How often each is in a sample, (B, N), in ascending order of `losses`.
        losses: (N,), ascending; ties with the last of the best count among them.
        share: Fraction of the best.
    """
    total = weights.sum(axis=1)
    before = np.cumsum(weights, axis=1)
    wanted = np.ceil(share * total - 1e-9)
    last = (before < wanted[:, None]).sum(axis=1)
    return np.where(losses[None, :] <= losses[last][:, None], weights, 0.0)


def divergence(top: Floats, whole: Floats, grid: Codes, size: int, numeric: bool) -> Floats:
    """PED-ANOVA's divergence of each sample.

    The Pearson divergence of Watanabe et al. (IJCAI 2023), with conditions as in condPED-ANOVA
    (KDD 2026). The values equal those of Optuna's `PedAnovaImportanceEvaluator`, which takes 0.2 s
    for one sample of 100 trials and 6 settings, and seconds to import; here 999 placebos and 300
    bootstrap samples of each setting take 0.7 s together.

    Args:
        top: How often each configuration is among the sample's best, (B, N).
        whole: How often it is in the sample, (B, N), or (1, N) if that is the same in all.
        grid: Its point on the setting's grid, (N,); −1 where the setting is not active.
        size: Points of the grid, G.
        numeric: Whether the points are a numeric range, rather than choices.

    Returns:
        (B,), at least 0; 0 if fewer than two configurations have the setting.
    """
    there = grid >= 0
    places = (np.arange(size)[None, :] == grid[there][:, None]).astype(float)  # (N', G)
    in_top, in_all = top[:, there] @ places, whole[:, there] @ places  # (B, G) or (1, G)
    active_top, active_all = in_top.sum(axis=1), in_all.sum(axis=1)
    density = _numeric_density if numeric else _choice_density
    first, second = density(in_top) + 1e-12, density(in_all) + 1e-12
    bare = (second * (first / second - 1) ** 2).sum(axis=1)
    alpha, beta = active_top / top.sum(axis=1), active_all / whole.sum(axis=1)
    scale = np.divide(alpha**2, beta, out=np.zeros_like(alpha), where=beta > 0)
    said = (active_all >= 2) & (active_top > 0)  # as in Optuna: fewer than two say nothing
    return np.where(said, scale * bare, 0.0)


def _choice_density(counts: Floats) -> Floats:
    """Parzen density over choices, (B, G), with Optuna's kernels, which share a prior weight 1."""
    seen = counts > 0
    kernels = seen.sum(axis=1, keepdims=True) + 1.0
    size = counts.shape[1]
    total = counts.sum(axis=1, keepdims=True) + 1.0
    # A kernel puts 1 + 1/K on its own choice and 1/K on each, and sums to 1 + G/K.
    prior = 1 / size / total
    spread = counts.sum(axis=1, keepdims=True) / total / kernels / (1 + size / kernels)
    return np.asarray(counts / total / (1 + size / kernels) + spread + prior)


def _numeric_density(counts: Floats) -> Floats:
    """Parzen density over a grid, (B, G): truncated Gaussians with a width by Scott's rule."""
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


def _widths(counts: Floats, total: Floats) -> Floats:
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


def _seen_from(counts: Floats, begin: Codes) -> Codes:
    """The first point at or after `begin` that any configuration has, (B,)."""
    later = np.arange(counts.shape[1])[None, :] >= begin[:, None]
    return np.asarray(((counts > 0) & later).argmax(axis=1))


_erf = np.frompyfunc(math.erf, 1, 1)


def _normal(values: Floats) -> Floats:
    """The normal distribution function."""
    return 0.5 * (1 + np.asarray(_erf(values / math.sqrt(2)), dtype=np.float64))
