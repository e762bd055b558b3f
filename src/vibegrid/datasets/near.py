"""Which texts are too near to others, by cosine of their embeddings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BLOCK = 1024  # rows a matrix product, so that memory stays small for large sets
# This threshold means equal text: rounding puts equal vectors a little off 1.0, and different ones on it.
EXACT = 1.0


class Near(NamedTuple):
    """For each of n texts: whether it is too near, to which of the others it is nearest, and how near."""

    hit: np.ndarray  # bool (n,)
    nearest: np.ndarray  # int (n,)
    cosine: np.ndarray  # float32 (n,), in [-1, 1]; -1 where there are no others


def near_any(
    texts: Sequence[str],
    vectors: np.ndarray,
    others: Sequence[str],
    other_vectors: np.ndarray,
    threshold: float,
) -> Near:
    """Compare each text with all `others`: a hit is an equal text, or a cosine of `threshold` or more.

    Args:
        texts: n texts, with unit-norm `vectors` (n, d).
        others: m texts, with unit-norm `other_vectors` (m, d).
        threshold: in (0, 1]; 1.0 means equal texts only.
    """
    place = {text: i for i, text in reversed(list(enumerate(others)))}
    nearest = np.zeros(len(texts), dtype=np.int64)
    cosine = np.full(len(texts), -1.0, dtype=np.float32)
    if others:
        for start in range(0, len(texts), BLOCK):
            product = np.clip(vectors[start : start + BLOCK] @ other_vectors.T, -1.0, 1.0)
            nearest[start : start + BLOCK] = product.argmax(axis=1)
            cosine[start : start + BLOCK] = product.max(axis=1)
    equal = np.array([text in place for text in texts], dtype=bool)
    for i in np.flatnonzero(equal).tolist():
        nearest[i], cosine[i] = place[texts[i]], 1.0
    hit = equal if threshold >= EXACT else equal | (cosine >= threshold)
    return Near(hit, nearest, cosine)
