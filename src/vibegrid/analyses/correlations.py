"""Correlations of scores under weights of systems and prompts, and tests of them: the statistics of `agreement`.

Shapes: S systems, P prompts, U = S * P units, B resamples, R permutations. A unit is one system's answer to one
prompt; its value is the mean over those of the system's runs (seeds) that have all the scores in question, NaN
where none has. Every system weighs the same, however many runs it has.

Systems and prompts are crossed, and both are samples of what could have been scored: six systems are not 180
independent points. So intervals resample systems and clusters of prompts, and tests permute both (schemes compared
for metrics of generated text by Deutsch, Dror & Roth 2021, TACL 9, 1132-1146). Resampling prompts alone gives
intervals that are too narrow: in 1000 simulations of six systems and 30 prompts without any correlation
(standard deviations: systems 1, prompts 0.7, units 1), nominal 95 % intervals covered zero in 58 % over prompts alone
and in 97 % over both; the test rejected in 6 %.

A resample is a vector of weights, and every statistic is computed with weights, so that ranks are those of the
resample. `sign_matrix` is the whole of a rank correlation: half its weighted row sums are centred ranks (ties at their
mean), and the products of two scores' signs are Kendall's concordances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

KENDALL_PERMUTATIONS = 1000  # one costs U * U; the resolution of p is 0.001
_CHUNK = 2_000_000  # numbers in memory at a time
_FLAT = 1e-12  # a variance below this share of the second moment is rounding, and the column constant


class Draws(NamedTuple):
    """Random numbers of one subset, shared by all its statistics.

    The first row of the weights is all ones: the estimate itself.
    """

    systems: Floats  # (1 + B, S) weights
    prompts: Floats  # (1 + B, P) weights; a cluster's prompts have one
    system_orders: NDArray[np.intp]  # (R, S)
    prompt_orders: NDArray[np.intp]  # (R, P)

    @property
    def units(self) -> Floats:
        """Weights of the units, (1 + B, U)."""
        return (self.systems[:, :, None] * self.prompts[:, None, :]).reshape(len(self.systems), -1)


def draw_numbers(
    seed: int, where: Sequence[str], systems: int, clusters: Sequence[str], resamples: int, permutations: int
) -> Draws:
    """Weights and orders for so many systems and for prompts of these clusters, named by `where`."""
    import numpy as np

    names, place = np.unique(clusters, return_inverse=True)
    of_systems = statistics.seed_weights(statistics.generator(seed, *where, "systems"), systems, resamples)
    of_clusters = statistics.cluster_weights(statistics.generator(seed, *where, "clusters"), len(names), resamples)
    rng = statistics.generator(seed, *where, "permutations")
    return Draws(
        np.vstack([np.ones(systems), of_systems]),
        np.vstack([np.ones(len(place)), of_clusters[:, place]]),
        rng.permuted(np.tile(np.arange(systems), (permutations, 1)), axis=1),
        _prompt_orders(rng, place, permutations),
    )


def _prompt_orders(rng: np.random.Generator, cluster: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Permutations of prompts that move whole clusters, each to the place of one of its size: (count, P)."""
    import numpy as np

    orders = np.tile(np.arange(len(cluster)), (count, 1))
    sizes = np.bincount(cluster)
    for size in np.unique(sizes):
        members = np.stack([np.flatnonzero(cluster == each) for each in np.flatnonzero(sizes == size)])
        moved = rng.permuted(np.tile(np.arange(len(members)), (count, 1)), axis=1)
        orders[:, members.ravel()] = members[moved].reshape(count, -1)
    return orders


def sign_matrix(values: Floats) -> NDArray[np.float32]:
    """Sign of each difference of two values along the first axis: (n, n, ...); 0 where one is missing.

    Sums of these times whole weights are whole numbers, and exact in 32 bits.
    """
    import numpy as np

    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.sign(values[None] - values[:, None])).astype(np.float32)


def _ratio(product: Any, first: Any, second: Any) -> Any:
    """product / sqrt(first * second), NaN where a variance is zero."""
    import numpy as np

    scale = np.sqrt(np.maximum(first, 0) * np.maximum(second, 0))
    return np.divide(product, scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _weighted_sum(weights: Any, matrix: Any) -> Floats:
    """w' M w for each row w of the weights."""
    import numpy as np

    return np.einsum("bu,bu->b", weights, weights @ matrix, dtype=np.float64)


def spearman(weights: Floats, x: Any, y: Any) -> Floats:
    """Rank correlation under each row of the weights (B, n), from signs x, y (n, n, ...): (B, ...)."""
    import numpy as np

    flat = weights.astype(np.float32)
    ranks = [(flat @ s.reshape(len(s), -1)).reshape(len(flat), *s.shape[1:]).astype(np.float64) for s in (x, y)]
    total = [np.einsum("bn,bn...,bn...->b...", weights, ranks[i], ranks[j]) for i, j in ((0, 1), (0, 0), (1, 1))]
    return _ratio(total[0], total[1], total[2])


def kendall(weights: Floats, x: Any, y: Any) -> Floats:
    """Kendall's tau-b under each row of the weights; the copies of a unit in a resample are ties."""
    import numpy as np

    flat = weights.astype(np.float32)
    return _ratio(*(_weighted_sum(flat, matrix) for matrix in (x * y, np.abs(x), np.abs(y))))


def pearson(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Product-moment correlation under each row of the weights (B, U) of x, y (U,)."""
    import numpy as np

    there = ~np.isnan(x)
    used = weights[:, there]
    x, y = x[there] - x[there].mean(), y[there] - y[there].mean()
    size = np.maximum(used.sum(axis=1), 1)
    mean_x, mean_y = used @ x / size, used @ y / size
    seconds = [(used @ (v * v), used @ (v * v) - size * m * m) for v, m in ((x, mean_x), (y, mean_y))]
    spreads = [np.where(spread > _FLAT * whole, spread, 0.0) for whole, spread in seconds]
    return _ratio(used @ (x * y) - size * mean_x * mean_y, *spreads)


def between_systems(draws: Draws, x: Floats, y: Floats) -> tuple[Floats, list[Floats]]:
    """Rank correlation of the systems' means, (B,); and the centred ranks of x's and of y's means, (S,) each.

    Args:
        draws: of the subset.
        x, y: scores of the units, (S, P).
    """
    import numpy as np

    there = ~np.isnan(x)
    size = draws.prompts @ there.T
    ranks = []
    for values in (x, y):
        total = draws.prompts @ np.where(there, values, 0.0).T
        means = np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0)
        signs = np.nan_to_num(np.sign(np.round(means[:, :, None] - means[:, None, :], 12)))
        ranks.append(np.einsum("bst,bt->bs", signs, draws.systems))
    total = [np.einsum("bs,bs,bs->b", draws.systems, ranks[i], ranks[j]) for i, j in ((0, 1), (0, 0), (1, 1))]
    return _ratio(total[0], total[1], total[2]), [each[0] for each in ranks]


def within_prompts(draws: Draws, x: Any, y: Any) -> tuple[Floats, Floats]:
    """Mean over prompts of the rank correlation across systems, (B,); and the coefficients of the prompts, (P,).

    Args:
        draws: of the subset.
        x, y: signs, (S, S, P).
    """
    import numpy as np

    each = spearman(draws.systems, x, y)
    weights = np.where(np.isnan(each), 0.0, draws.prompts)
    size = weights.sum(axis=1)
    total = (weights * np.nan_to_num(each)).sum(axis=1)
    return np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0), each[0]


def permutation_p(x: Floats, y: Floats, there: Any, draws: Draws) -> float:
    """Two-sided p of the correlation of two centred arrays (S, P), 0 where missing; NaN where one is constant.

    Null hypothesis: y is as likely with its systems and its clusters of prompts in any other order. The statistic
    is computed over the units that both have after the permutation, and p is (b + 1) / (R + 1), as in
    `statistics.sign_flip_p`.

    Args:
        x, y: as above.
        there: whether both scores are known, (S, P).
        draws: of the subset.
    """
    import numpy as np

    observed = _ratio(np.sum(x * y), np.sum(x * x), np.sum(y * y))
    if np.isnan(observed):
        return math.nan
    extreme, count, step = 0, len(draws.system_orders), max(1, _CHUNK // x.size)
    for start in range(0, count, step):
        orders = _orders(draws, slice(start, start + step))
        moved = y.ravel().take(orders)
        scale = np.sum(x * x) * np.sum(y * y)
        if not there.all():
            scale = there.ravel().astype(float).take(orders) @ (x * x).ravel() * ((moved * moved) @ there.ravel())
        found = np.abs(moved @ x.ravel())
        extreme += int((found >= (abs(observed) - 1e-9) * np.sqrt(scale)).sum())
    return (extreme + 1) / (count + 1)


def _orders(draws: Draws, rows: slice) -> NDArray[np.intp]:
    """Some of the permutations, as places of the units: (rows, U)."""
    prompts = draws.prompt_orders[rows]
    orders = draws.system_orders[rows, :, None] * prompts.shape[1] + prompts[:, None, :]
    return orders.reshape(len(orders), -1)


def kendall_p(x: Any, y: Any, draws: Draws) -> float:
    """As `permutation_p`, for signs (U, U); of `KENDALL_PERMUTATIONS`, since each costs U * U."""
    import numpy as np

    if not (x.any() and y.any()):
        return math.nan
    ranks = np.where(y.any(axis=1), y.sum(axis=1), np.nan)
    higher, lower = x > 0, x < 0

    def concordance(ranks: Any) -> int:
        ahead = ranks[None, :] > ranks[:, None]
        return abs(int(np.count_nonzero(ahead & higher)) - int(np.count_nonzero(ahead & lower)))

    orders = _orders(draws, slice(KENDALL_PERMUTATIONS))
    observed = concordance(ranks)
    extreme = sum(concordance(ranks[order]) >= observed for order in orders)
    return (extreme + 1) / (len(orders) + 1)


def standardised(signs: Any) -> Floats:
    """Centred ranks along the first axis with sum of squares 1, from signs (n, n, ...): (n, ...); 0 if constant."""
    import numpy as np

    ranks = signs.sum(axis=1, dtype=np.float64)
    scale = np.sqrt((ranks * ranks).sum(axis=0))
    return np.divide(ranks, scale, out=np.zeros(ranks.shape), where=scale > 0)


def alpha(weights: Floats, values: Floats) -> Floats:
    """Krippendorff's alpha for interval data under each row of the weights: (B,); NaN where nothing varies.

    alpha = 1 - D_o / D_e, over the units with two values or more. With the squared difference, both are sums of
    squares: within units, and over all values (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability).

    Args:
        weights: (B, U).
        values: of each unit by each rater, (U, J), NaN where missing.
    """
    import numpy as np

    size = (~np.isnan(values)).sum(axis=1)
    used = size >= 2
    values, size, weights = values[used], size[used], weights[:, used]
    if not len(values):
        return np.full(len(weights), np.nan)
    values = values - np.nanmean(values)
    mean = np.nanmean(values, axis=1)
    apart = np.nansum((values - mean[:, None]) ** 2, axis=1) * size / (size - 1)
    count = weights @ size
    second = weights @ np.nansum(values**2, axis=1)
    whole = second - (weights @ np.nansum(values, axis=1)) ** 2 / np.maximum(count, 1)
    observed = (weights @ apart) * (count - 1)
    whole = np.where(whole > _FLAT * second, whole, 0.0) * count
    return 1 - np.divide(observed, whole, out=np.full(len(weights), np.nan), where=whole > 0)
