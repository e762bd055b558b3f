"""How well the differences of an automatic metric rank what raters preferred.

A unit is a prompt with a pair of systems: x is the difference of the metric, y the mean preference of the raters for
the pair's first system, less a half. Which of a pair is called first is arbitrary, so every unit counts both ways
round, (x, y) and (-x, -y): ranks are then symmetric about zero, and turning a pair round changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.human.estimates import Draws
from vibegrid.human.tallies import Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Scores = Mapping[str, Mapping[str, Mapping[str, float]]]  # system to prompt to metric to value


class Ranked(NamedTuple):
    """A rank correlation: of the sample, its interval, a two-sided p, and how many units it is of."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def differences(units: Sequence[tuple[str, Pair]], scores: Scores) -> tuple[list[str], Floats]:
    """Metrics by name, and the difference of each on each unit: (U, metrics), NaN where one of the two has none."""
    import numpy as np

    names: list[str] = sorted({metric for prompts in scores.values() for row in prompts.values() for metric in row})
    table: Any = np.full((len(units), len(names)), np.nan)
    for u, (prompt, (first, second)) in enumerate(units):
        ours, theirs = scores[first].get(prompt, {}), scores[second].get(prompt, {})
        for m, name in enumerate(names):
            if name in ours and name in theirs:
                table[u, m] = ours[name] - theirs[name]
    return names, np.round(table, 9)


def rank_correlation(x: Floats, values: Floats, clusters: Sequence[int], draws: Draws, signs: Any) -> Ranked | None:
    """Spearman's correlation of a metric's differences with the raters' preference; None where one is constant.

    Intervals resample raters and clusters; ranks of the metric are those of the sample, and ranks of the preference are
    taken anew in each resample, since it changes with the raters. The test flips the preferences of whole clusters.

    Args:
        x: differences, (U,), NaN where unknown.
        values: preferences by rater, (U, R), NaN where a rater was not asked.
        clusters: number of each unit's cluster.
        draws: weights.
        signs: vectors of `statistics.sign_vectors` for the clusters, and whether they are all.
    """
    import numpy as np

    there = ~np.isnan(x)
    if not there.any():
        return None
    x, values, place = x[there], values[there], np.asarray(clusters)[there]
    known = ~np.isnan(values)
    filled = np.where(known, values - 0.5, 0.0)
    u = _ranks(x[None])[0]
    whole = _ranks(np.round(filled.sum(axis=1) / known.sum(axis=1), 9)[None])[0]
    scale = np.sqrt((u * u).sum() * (whole * whole).sum())
    if not scale:
        return None
    counts = draws.raters @ known.T
    means: Any = np.divide(draws.raters @ filled.T, counts, out=np.zeros(counts.shape), where=counts > 0)
    weights = draws.clusters[:, place] * (counts > 0)
    v = _ranks(np.round(means, 9))
    spread = np.sqrt((weights @ (u * u)) * (weights * v * v).sum(axis=1))
    resampled = np.divide((weights * v) @ u, spread, out=np.full(len(spread), np.nan), where=spread > 0)
    mean = np.array([(u * whole).sum() / scale])
    low, high = statistics.interval(mean, resampled[:, None])
    products: Any = np.bincount(place, u * whole, minlength=signs[0].shape[1])
    p = statistics.sign_flip_p(products[:, None], (products != 0)[:, None].astype(float), *signs)
    return Ranked(float(mean[0]), float(low[0]), float(high[0]), float(p[0]), int(there.sum()))


def _ranks(values: Floats) -> Floats:
    """Centred ranks of each row with its mirror image, ties at their mean: (B, U), odd in the values."""
    import numpy as np
    from scipy.stats import rankdata

    size = values.shape[1]
    return rankdata(np.hstack([values, -values]), axis=1)[:, :size] - (2 * size + 1) / 2
