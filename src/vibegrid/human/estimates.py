"""Estimates from tallies of ratings, each with an interval over raters and prompts.

Shapes as in `tallies`; B resamples, K systems. Raters and clusters of prompts are crossed samples and resampled
independently (the pigeonhole bootstrap of `vibegrid.analyses.statistics`). It counts what is noise of single ratings
three times (Owen 2007), and here most is; so its resamples are drawn towards the estimate until their variance is
that of two-way clustering: raters plus prompts less cells (Cameron, Gelbach & Miller 2011, Journal of Business &
Economic Statistics 29, 238-249).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.human.tallies import Pair, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z = 1.959964
PRIOR = 0.5  # wins of either side of every pair, added for Bradley–Terry: strengths stay finite (Haldane 1956)
NEWTON_STEPS = 50
LARGEST_STEP = 2.0
TOLERANCE = 1e-10


class Draws(NamedTuple):
    """Weights of the resamples, shared by all estimates of an analysis."""

    raters: Floats  # (B, R)
    clusters: Floats  # (B, C)


class Estimate(NamedTuple):
    """A mean with its interval: (M,) each; NaN where nothing is known."""

    mean: Floats
    low: Floats
    high: Floats
    resampled: Floats  # (B, M)


def draw(seed: int, name: str, raters: int, clusters: int, resamples: int) -> Draws:
    """Weights for so many raters and clusters."""
    return Draws(
        statistics.seed_weights(statistics.generator(seed, name, "raters"), raters, resamples),
        statistics.cluster_weights(statistics.generator(seed, name, "clusters"), clusters, resamples),
    )


def shares(found: Tally, draws: Draws) -> Estimate:
    """Share of each column, such as win rates.

    The interval is the bootstrap's, and never narrower than Wilson's for as many independent ratings (Wilson 1927):
    where all raters agree, every resample does too, and five of five would be certain.
    """
    import numpy as np

    mean = statistics.means(found.sums, found.counts)
    resampled = statistics.resampled_means(found.sums, found.counts, draws.raters, draws.clusters)
    resampled = mean + (resampled - mean) * shrinkage(found, resampled)
    low, high = statistics.interval(mean, resampled)
    n = np.maximum(found.counts.sum(axis=(0, 1)), 1)
    centre = (mean + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(mean * (1 - mean) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return Estimate(mean, np.fmin(low, centre - half), np.fmax(high, centre + half), resampled)


def variances(found: Tally) -> Floats:
    """Two-way clustered variance of the share of each column, never below that of either: (M,), NaN without ratings.

    With one rater it is that of the prompts.
    """
    import numpy as np

    n = found.counts.sum(axis=(0, 1))
    rest = found.sums - statistics.means(found.sums, found.counts) * found.counts
    rest = np.where(found.counts > 0, rest, 0.0)
    ways = []
    for axis in (1, 0):
        groups = (found.counts.sum(axis=axis) > 0).sum(axis=0)
        small = np.where(groups > 1, groups / np.maximum(groups - 1, 1), 0.0)  # one group says nothing of its variance
        ways.append((rest.sum(axis=axis) ** 2).sum(axis=0) * small)
    cells = (rest**2).sum(axis=(0, 1))
    both = ways[0] + ways[1] - np.where(ways[0] > 0, cells, 0.0)
    total = np.max([both, *ways, cells], axis=0)
    return np.divide(total, n**2, out=np.full(len(n), np.nan), where=n > 0)


def shrinkage(found: Tally, resampled: Floats) -> Floats:
    """What the resamples' distance from the estimate is multiplied by, at most 1: (M,)."""
    import numpy as np

    spread = _variance(resampled)
    ratio = np.divide(variances(found), spread, out=np.ones(len(spread)), where=spread > 0)
    return np.sqrt(np.fmin(ratio, 1.0))


def _variance(resampled: Floats) -> Floats:
    """Variance of each column, without resamples in which it has no rating; 0 where there is none: (M,)."""
    import numpy as np

    known = ~np.isnan(resampled)
    return np.array(
        [column[there].var() if there.any() else 0.0 for column, there in zip(resampled.T, known.T, strict=True)]
    )


def design_effects(found: Tally) -> Floats:
    """How many ratings are worth one independent rating, at least 1, for each column: (M,)."""
    import numpy as np

    n, mean = found.counts.sum(axis=(0, 1)), statistics.means(found.sums, found.counts)
    return np.fmax(variances(found) * n / np.maximum(mean * (1 - mean), 1e-9), 1.0)


def sign_flip_p(found: Tally, centre: float, seed: int, name: str, permutations: int) -> Floats:
    """Two-sided p that the share of each column is `centre`, from the means of the clusters: (M,)."""
    import numpy as np

    sums, counts = found.sums.sum(axis=0), found.counts.sum(axis=0)
    means = np.divide(sums, counts, out=np.full(sums.shape, centre), where=counts > 0) - centre
    signs, exact = statistics.sign_vectors(statistics.generator(seed, name, "signs"), len(sums), permutations)
    return statistics.sign_flip_p(means, counts, signs, exact)


def bradley_terry(found: Tally, pairs: Sequence[Pair], systems: Sequence[str], draws: Draws) -> Estimate:
    """Strengths of the systems, log-odds with mean 0: (K,) (Bradley & Terry 1952). A tie is half a win for both.

    The estimate is `choix`'s; the resamples take the same steps for all of them at once, and a test holds the two to
    each other.
    """
    import numpy as np
    from choix import ilsr_pairwise_dense

    everything = Draws(np.ones((1, draws.raters.shape[1])), np.ones((1, draws.clusters.shape[1])))
    estimate = ilsr_pairwise_dense(win_matrices(found, pairs, systems, everything)[0], max_iter=1000)
    resampled = strengths(win_matrices(found, pairs, systems, draws))
    shares_of = statistics.resampled_means(found.sums, found.counts, draws.raters, draws.clusters)
    rated = found.counts.sum(axis=(0, 1)) > 0
    ratio = variances(found)[rated].sum() / max(_variance(shares_of)[rated].sum(), 1e-12)
    resampled = estimate + (resampled - estimate) * np.sqrt(min(ratio, 1.0))  # as the win rates, all pairs together
    low, high = statistics.interval(estimate, resampled)
    return Estimate(estimate, low, high, resampled)


def win_matrices(found: Tally, pairs: Sequence[Pair], systems: Sequence[str], draws: Draws) -> Floats:
    """How often each system won against each other one, in each resample, with `PRIOR`: (B, K, K)."""
    import numpy as np

    totals = [np.zeros((len(draws.raters), len(pairs))) for _ in found]
    for total, values in zip(totals, found, strict=True):
        for r in range(len(values)):
            total += draws.raters[:, r, None] * (draws.clusters @ values[r])
    place = {system: k for k, system in enumerate(systems)}
    matrices = np.full((len(draws.raters), len(systems), len(systems)), PRIOR)
    matrices[:, range(len(systems)), range(len(systems))] = 0
    for m, (first, second) in enumerate(pairs):
        matrices[:, place[first], place[second]] += totals[0][:, m]
        matrices[:, place[second], place[first]] += totals[1][:, m] - totals[0][:, m]
    return matrices


def strengths(matrices: Floats) -> Floats:
    """Bradley–Terry strengths of each matrix of wins, with mean 0: (B, K), by Newton's method on the likelihood."""
    import numpy as np

    size = matrices.shape[1]
    games, won = matrices + matrices.transpose(0, 2, 1), matrices.sum(axis=2)
    theta = np.zeros(won.shape)
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(theta[:, None, :] - theta[:, :, None]))
        curvature = games * chance * (1 - chance)
        hessian = -curvature + 1.0 / size  # the constant fixes the mean, which the likelihood leaves open
        hessian[:, range(size), range(size)] += curvature.sum(axis=2)
        step = np.linalg.solve(hessian, (won - (games * chance).sum(axis=2))[:, :, None])[:, :, 0]
        theta += np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        if np.abs(step).max() < TOLERANCE:
            break
    return theta - theta.mean(axis=1, keepdims=True)
