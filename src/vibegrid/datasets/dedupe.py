"""Removes near-duplicates among training rows: greedy, in the order of the rows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vibegrid.datasets.near import EXACT

BLOCK = 512


class Duplicates(NamedTuple):
    """Indices of the rows that stay, and (removed, kept one it repeats, cosine) for the rest, in row
    order."""

    kept: list[int]
    removed: list[tuple[int, int, float]]


def dedupe(texts: Sequence[str], vectors: np.ndarray, threshold: float) -> Duplicates:
    """A row goes if a kept earlier row has the same text, or a cosine of `threshold` or more to it.

    Args:
        texts: n texts in row order, with unit-norm `vectors` (n, d).
        threshold: in (0, 1]; 1.0 removes equal texts only.
    """
    first: dict[str, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(text, i)
    unique = list(first.values())
    twin = {i: (i, 1.0) for i in unique} if threshold >= EXACT else _greedy(unique, vectors, threshold)
    kept, removed = [], []
    for i, text in enumerate(texts):
        if first[text] == i and twin[i][0] == i:
            kept.append(i)
            continue
        to, cosine = twin[first[text]]
        removed.append((i, to, 1.0 if to == first[text] else cosine))
    return Duplicates(kept, removed)


def _greedy(unique: Sequence[int], vectors: np.ndarray, threshold: float) -> dict[int, tuple[int, float]]:
    """Row -> (the kept row it repeats, cosine); a kept row repeats itself. Whole blocks are compared at
    once."""
    twin: dict[int, tuple[int, float]] = {}
    kept: list[int] = []
    for start in range(0, len(unique), BLOCK):
        block = list(unique[start : start + BLOCK])
        against = kept + block
        cosines = vectors[block] @ vectors[against].T
        alive = np.zeros(len(against), dtype=bool)
        alive[: len(kept)] = True
        offset = len(kept)
        for row, i in enumerate(block):
            near = np.where(alive, cosines[row], -2.0)
            best = int(near.argmax())
            if near[best] >= threshold:
                twin[i] = (against[best], float(min(near[best], 1.0)))
            else:
                alive[offset + row] = True
                twin[i] = (i, 1.0)
        kept += [i for i in block if twin[i][0] == i]
    return twin
