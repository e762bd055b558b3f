"""Intervals and tests for scores of prompts that come in clusters and of settings that come in seeds.

Shapes: S seeds, C clusters, M metrics, B resamples. A reading is held as two arrays, ``sums[S, C, M]`` (the
sum of the scores of a cluster's prompts) and ``counts[S, C, M]`` (how many there are; 0 where a metric does
not apply). Its statistic is the plain mean over all prompts and seeds, ``sums.sum / counts.sum``: every
prompt weighs the same, so a cluster weighs as much as it has prompts. All functions are deterministic:
random numbers come from named seeds.

The experiment and the code that resamples are apart: `cluster_weights`, `seed_weights` and `sign_vectors`
draw, the rest is arithmetic. Draws are shared by the arms and metrics of one (eval set, subset): common
random numbers, so that the interval of a difference resamples the same prompts for both arms, and the job
takes half a second.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

EXACT_CLUSTERS = 12  # up to this many clusters, all sign vectors are enumerated
_TIE = 1e-12  # statistics closer than this (relative) are equal: sums in another order differ in the last bit


def generator(seed: int, *names: str) -> np.random.Generator:
    """A random generator that depends on `seed` and the names only (not on the order of calls)."""
    import numpy as np

    digest = hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def cluster_weights(rng: np.random.Generator, clusters: int, resamples: int) -> Floats:
    """How often each cluster occurs in each resample with replacement: (B, C), rows sum to C."""
    return _weights(rng, clusters, resamples)


def seed_weights(rng: np.random.Generator, seeds: int, resamples: int) -> Floats:
    """As `cluster_weights`, for seeds: (B, S); with one seed all ones, so that only clusters vary."""
    return _weights(rng, seeds, resamples)


def _weights(rng: np.random.Generator, size: int, resamples: int) -> Floats:
    import numpy as np

    drawn = rng.integers(0, size, (resamples, size)) + size * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * size).reshape(resamples, size).astype(float)


def means(sums: Floats, counts: Floats) -> Floats:
    """Mean over all prompts and seeds, for each metric: (M,); NaN where a metric has no prompt."""
    return _ratio(sums.sum(axis=(0, 1)), counts.sum(axis=(0, 1)))


def resampled_means(sums: Floats, counts: Floats, seeds: Floats, clusters: Floats) -> Floats:
    """The statistic in every resample: (B, M); NaN where a resample has no prompt of a metric.

    Seeds and clusters are resampled independently, and one draw of clusters serves all the seeds of a
    resample, because every seed answers the same prompts: seeds and prompts are crossed, not nested.
    Drawing prompts anew within each seed would average away the variance between prompts, and give
    intervals that are too narrow (Davison & Hinkley 1997, Bootstrap Methods and their Application, section
    3.8; the crossed form is the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1, 386-411,
    which errs on the wide side).

    Args:
        sums, counts: (S, C, M).
        seeds: (B, S) from `seed_weights`.
        clusters: (B, C) from `cluster_weights`.
    """
    import numpy as np

    top, bottom = np.zeros((2, len(clusters), sums.shape[2]))
    for s in range(len(sums)):
        top += seeds[:, s, None] * (clusters @ sums[s])
        bottom += seeds[:, s, None] * (clusters @ counts[s])
    return _ratio(top, bottom)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    import numpy as np

    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def interval(estimate: Floats, resampled: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile interval around `estimate`: (low, high), each (M,); NaN where there is no estimate.

    Percentile, not studentised: with three seeds there is no variance worth dividing by. It stays within
    the range of the scores and is somewhat narrow for few clusters (Davison & Hinkley 1997, section 5.3).

    Args:
        estimate: (M,).
        resampled: (B, M).
        level: coverage, in (0, 1).
    """
    import numpy as np

    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.full(estimate.shape, np.nan), np.full(estimate.shape, np.nan)
    whole = ~np.isnan(resampled).any(axis=0)
    if whole.any():
        low[whole], high[whole] = np.quantile(resampled[:, whole], tails, axis=0)
    for column in np.flatnonzero(~whole):
        known = resampled[~np.isnan(resampled[:, column]), column]
        if known.size:
            low[column], high[column] = np.quantile(known, tails)
    # the estimate itself differs from a constant resample in the last bit
    return np.fmin(low, estimate), np.fmax(high, estimate)


def shared(first: Floats, second: Floats) -> Bools:
    """Clusters that both arms have prompts in, for each metric: (C, M), from their counts (S, C, M)."""
    return (first.sum(axis=0) > 0) & (second.sum(axis=0) > 0)


def cluster_differences(
    sums: Floats, counts: Floats, reference_sums: Floats, reference_counts: Floats
) -> tuple[Floats, Floats]:
    """Difference of the cluster means, each averaged over its seeds, and the weights of the clusters: (C,
    M) both.

    The weight is the number of prompts, so that the weighted mean of the differences is the difference of
    the arms' means; it is 0 where one of the two has no prompt, and the difference is then 0 too.
    """
    import numpy as np

    both = shared(counts, reference_counts)
    size = (_per_seed(counts) + _per_seed(reference_counts)) / 2
    difference = _seed_mean(sums, counts) - _seed_mean(reference_sums, reference_counts)
    return np.where(both, difference, 0.0), np.where(both, size, 0.0)


def _per_seed(counts: Floats) -> Floats:
    return counts.mean(axis=0)


def _seed_mean(sums: Floats, counts: Floats) -> Floats:
    import numpy as np

    mean = np.divide(sums, counts, out=np.zeros(sums.shape), where=counts > 0)
    present = (counts > 0).sum(axis=0)
    return np.divide(mean.sum(axis=0), present, out=np.zeros(mean.shape[1:]), where=present > 0)


def sign_vectors(rng: np.random.Generator, clusters: int, permutations: int) -> tuple[Floats, bool]:
    """Vectors of +1 and -1, (P, C), and whether they are all that exist (up to `EXACT_CLUSTERS` clusters).

    The first sign of an exact enumeration is fixed: a vector and its negative give the same two-sided
    statistic.
    """
    import numpy as np

    if clusters <= EXACT_CLUSTERS:
        codes = np.arange(2 ** max(clusters - 1, 0))
        bits = (codes[:, None] >> np.arange(clusters)[None, :]) & 1
        return np.where(bits == 1, -1.0, 1.0), True
    return np.where(rng.integers(0, 2, (permutations, clusters), dtype=np.int8) == 1, -1.0, 1.0), False


def sign_flip_p(differences: Floats, weights: Floats, signs: Floats, exact: bool) -> Floats:
    """Two-sided p-values of a sign-flip (randomisation) test for each metric: (M,), in (0, 1].

    Null hypothesis: a cluster's difference is as likely to be d as -d. The statistic is the absolute
    weighted mean. With all sign vectors enumerated p is exact; else it is (b + 1) / (P + 1), since an
    estimate of 0 would be no valid p-value (Phipson & Smyth 2010, Statistical Applications in Genetics and
    Molecular Biology 9(1), 39).

    Args:
        differences, weights: (C, M) from `cluster_differences`; a weight of 0 leaves the cluster out.
        signs, exact: from `sign_vectors`, for C clusters.
    """
    import numpy as np

    product = differences * weights
    used = weights > 0
    observed, tie = np.abs(product.sum(axis=0)), _TIE * np.abs(product).sum(axis=0)
    extreme = (np.abs(signs @ product) >= observed - tie).sum(axis=0)
    p = extreme / len(signs) if exact else (extreme + 1) / (len(signs) + 1)
    few = (used.sum(axis=0) <= EXACT_CLUSTERS) & (not exact)
    for column in np.flatnonzero(few):  # a metric that applies to few of many clusters
        rows = used[:, column]
        every, _ = sign_vectors(np.random.default_rng(0), int(rows.sum()), 1)
        p[column] = (np.abs(every @ product[rows, column]) >= observed[column] - tie[column]).mean()
    return np.where(used.any(axis=0), p, np.nan)


def holm(p_values: list[float]) -> list[float]:
    """p-values adjusted for the family by Holm's step-down method (Holm 1979, Scand. J. Statistics 6,
    65-70).

    The same numbers as ``statsmodels.stats.multitest.multipletests(method="holm")``, and tests hold it to
    that. It is not called here because importing it takes 2.1 s and 150 MB, four times the rest of this
    job, in each of 27 jobs, for these five lines.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
