"""How well numbers tell two groups apart."""

from collections.abc import Sequence

import numpy as np


def auc(higher: Sequence[float] | np.ndarray, lower: Sequence[float] | np.ndarray) -> float | None:
    """Probability that a value of the first group is above one of the second, ties as half; None without a pair.

    The area under the ROC curve, which is U / (n m) of Mann and Whitney 1947.
    """
    differences = np.asarray(higher)[:, None] - np.asarray(lower)[None, :]
    if differences.size == 0:
        return None
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))
