"""The expected score of the best of n candidates, from N of them, for every n from 1 to N.

The candidates of a vibe come in no order, so every subset of n of its N is as good a draw of n. The mean over all of
them is the unbiased estimator that pass@k is for successes (Chen et al. 2021, arXiv 2107.03374): the candidate of rank
r (0 is the best) is the best of C(N-1-r, n-1) of the C(N, n) subsets. Invalid candidates rank last: a reading is that
of the subsets that hold a valid one, whose share is `valid_share`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np


def rank_weights(total: int, n: int) -> np.ndarray:
    """Share of the subsets of `n` of `total` candidates whose best has rank 0, 1, ...: (total,), sum 1."""
    return np.array([comb(total - 1 - rank, n - 1) for rank in range(total)]) / comb(total, n)


def valid_share(n_valid: int, total: int, n: int) -> float:
    """Share of the subsets of `n` that hold a valid candidate."""
    return 1.0 - comb(total - n_valid, n) / comb(total, n)


def expected(chosen_by: Sequence[float], read_by: Sequence[float], total: int) -> np.ndarray:
    """Expected reading of the best of n, for n = 1 ... `total`: (total,).

    Args:
        chosen_by: score of each valid candidate that decides which is best (the first of equal ones).
        read_by: score of each valid candidate that is read.
        total: number of candidates, the invalid ones too; at least one is valid.
    """
    order = sorted(range(len(chosen_by)), key=lambda i: (-chosen_by[i], i))
    readings = np.array([read_by[i] for i in order])
    weights = np.array([rank_weights(total, n)[: len(order)] for n in range(1, total + 1)])
    return (weights @ readings) / weights.sum(axis=1)
