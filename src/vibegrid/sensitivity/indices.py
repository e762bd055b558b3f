"""Global sensitivity from the same renders: Morris's elementary effects and Sobol's total indices, by SALib.

The factors are the 34 fields and the seed. Labels have no common unit, so a move to another label is a step of 1: mu*
is the mean absolute change of an output by such a move, sigma the deviation of its signed change. The total index is
Jansen's estimate over the same moves (1999, Computer Physics Communications 117, 35-43), which wants labels drawn anew
where ours are other labels: E (y - y')^2 shrinks by (L - 1)/L. Base and moved render differ in their seed, too, so each
factor's numbers hold the seed's, and the seed's own say how much that is.

Outputs are in standard deviations: the measures over the bank, the embedding's principal components over all renders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.schema import FIELDS
from vibegrid.sensitivity.listening import Heard
from vibegrid.specs.sensitivity import ANOTHER_SEED, EMBEDDING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FACTORS = (ANOTHER_SEED, *FIELDS)
EXPLAINED, MOST_COMPONENTS = 0.95, 12
COLUMNS = (
    "output", "arm", "morris_mu", "morris_mu_star", "morris_mu_star_low", "morris_mu_star_high", "morris_sigma",
    "sobol_total", "sobol_total_low", "sobol_total_high",
)  # fmt: skip


class Indices(NamedTuple):
    """Of one output: arrays over `FACTORS`, intervals as (low, high)."""

    mu: Floats
    mu_star: Floats
    mu_star_interval: tuple[Floats, Floats]
    sigma: Floats
    total: Floats
    total_interval: tuple[Floats, Floats]


def all_indices(heard: Heard, spread: Floats, measures: Sequence[str], drawn: Floats) -> dict[str, Indices]:
    """Indices of the embedding (of its components, weighed by their variance) and of each measure.

    Args:
        heard: of N stars.
        spread: (M,), standard deviations of the measures over random configs.
        measures: their names.
        drawn: (B, N) from `statistics.cluster_weights`: the stars of each resample.
    """
    parts, weights = components(heard.embeddings)
    outputs = {EMBEDDING: (parts, weights)}
    ones = [(heard.measures[:, :, [index]] / spread[index], [1.0]) for index in range(len(measures))]
    outputs |= dict(zip(measures, ones, strict=True))
    return {name: _indices(values, shares, drawn) for name, (values, shares) in outputs.items()}


def components(embeddings: Floats) -> tuple[Floats, Floats]:
    """Principal components of (N, R, dim) over all renders, each of variance 1, with their shares of the variance.

    As many as explain 95 %, at most 12: (N, R, K) and (K,), which sums to 1.
    """
    import numpy as np

    flat = embeddings.reshape(-1, embeddings.shape[2])
    flat = flat - flat.mean(axis=0)
    left, values, _ = np.linalg.svd(flat, full_matrices=False)
    shares = values**2 / max(float((values**2).sum()), 1e-12)
    count = min(int(np.searchsorted(np.cumsum(shares), EXPLAINED)) + 1, MOST_COMPONENTS, len(shares))
    parts = left[:, :count] * np.sqrt(len(flat))
    return parts.reshape(*embeddings.shape[:2], count), shares[:count] / shares[:count].sum()


def _indices(values: Floats, shares: Any, drawn: Floats) -> Indices:
    """Weighted means of SALib's indices over the parts of an output; values (N, R, K), the base first."""
    import numpy as np

    stars = len(values)
    found = [_by_salib(values[:, :, part]) for part in range(values.shape[2])]
    mu, mu_star, sigma, total = (np.tensordot(shares, [each[i] for each in found], axes=1) for i in range(4))
    steps = values[:, 1:] - values[:, :1]
    size = np.abs(steps) @ np.asarray(shares)
    squares = steps**2 @ np.asarray(shares) / 2 * _redrawn()
    return Indices(
        mu,
        mu_star,
        statistics.interval(mu_star, drawn @ size / stars),
        sigma,
        total,
        statistics.interval(total, drawn @ squares / stars),
    )


def _by_salib(output: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """mu, mu*, sigma and total index of the factors, from one output (N, R) of variance 1 over random configs.

    SALib divides the total index by the variance of the N bases, which is taken back: that over all configs is known
    better. Its intervals are not used, those of `sobol_jansen` (1.6.0) scale with the number of resamples.
    """
    import numpy as np
    from SALib.analyze import radial_ee, sobol_jansen

    stars, renders = output.shape
    problem = {"num_vars": renders - 1, "names": list(FACTORS), "bounds": [[0.0, 1.0]] * (renders - 1)}
    moves = np.tile(np.vstack([np.zeros(renders - 1), np.eye(renders - 1)]), (stars, 1))
    flat = np.ascontiguousarray(output).ravel()
    state = np.random.get_state()  # SALib draws from it, for intervals
    try:
        morris = radial_ee.analyze(problem, moves, flat, stars, num_resamples=2)
        variance = float(np.var(output[:, 0]))
        jansen = sobol_jansen.analyze(problem, flat, stars, num_resamples=2)["ST"] if variance > 0 else None
    finally:
        np.random.set_state(state)
    total = np.zeros(renders - 1) if jansen is None else np.asarray(jansen) * variance * _redrawn()
    return np.asarray(morris["mu"]), np.asarray(morris["mu_star"]), np.asarray(morris["sigma"]), total


def _redrawn() -> Floats:
    """What a squared change by a move to another label is times, to be one by a label drawn anew: (1 + F,)."""
    import numpy as np

    return np.array([1.0, *((len(labels) - 1) / len(labels) for labels in FIELDS.values())])


def index_rows(found: Mapping[str, Indices]) -> list[dict[str, str]]:
    """Rows of `COLUMNS`, one an output and factor."""
    rows = []
    for output, each in found.items():
        numbers = (
            each.mu, each.mu_star, *each.mu_star_interval, each.sigma, each.total, *each.total_interval,
        )  # fmt: skip
        for index, factor in enumerate(FACTORS):
            cells = [output, factor, *(f"{values[index]:.6f}" for values in numbers)]
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows
