"""How much a field says of the vibe, with the bias of small samples taken off; entropies and divergences of labels.

Shapes: P prompts, K groups of vibes, F fields, S labels of all fields side by side. Answers are one-hot rows (P, S); a
field without a legal label has zeros there and does not count for it.

Mutual information of a finite sample is too large: with 160 prompts, 8 groups and 11 labels by about 0.3 bits where
there is none at all. What permuted prompts give is taken off (as in adjusted mutual information, Vinh, Epps & Bailey
2010, JMLR 11, 2837-2854, before its division), and the same permutations test it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.schema import FIELDS, label_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

NORMAL_975 = 1.959964
BATCH = 100  # permutations at once
STARTS = tuple(sum(len(labels) for labels in list(FIELDS.values())[:index]) for index in range(len(FIELDS)))
SIZES = tuple(len(labels) for labels in FIELDS.values())


class Following(NamedTuple):
    """What the fields say of the vibe, in bits: arrays (F,)."""

    information: Floats  # less what permuted prompts give
    low: Floats
    high: Floats
    p_values: Floats


def one_hot(configs: Sequence[Any]) -> Floats:
    """Configs as rows (P, S); what is no legal label, or no config at all, leaves zeros."""
    import numpy as np

    rows = np.zeros((len(configs), sum(SIZES)))
    for row, config in zip(rows, configs, strict=True):
        for start, field in zip(STARTS, FIELDS, strict=True):
            place = label_index(field, config.get(field)) if isinstance(config, dict) else None
            if place is not None:
                row[start + place] = 1.0
    return rows


def information(tables: Floats) -> Floats:
    """Mutual information in bits of each field with the groups: (..., F) from counts (..., K, S), 0 where all are 0."""
    import numpy as np

    rows = np.add.reduceat(tables, STARTS, axis=-1)  # (..., K, F)
    columns = tables.sum(axis=-2)  # (..., S)
    total = rows.sum(axis=-2)  # (..., F)
    cells = np.add.reduceat(_xlogx(tables).sum(axis=-2), STARTS, axis=-1)
    found = cells - _xlogx(rows).sum(axis=-2) - np.add.reduceat(_xlogx(columns), STARTS, axis=-1) + _xlogx(total)
    return np.maximum(np.divide(found, total, out=np.zeros(total.shape), where=total > 0), 0.0)


def following(
    answers: Sequence[Floats], groups: Ints, clusters: Ints, rng: np.random.Generator, permutations: int
) -> Following:
    """Information of one system's answers about the group of the vibe, as a mean over its runs.

    Interval: a jackknife over clusters of prompts (a text, a group of paraphrases), or the spread under permutation
    where that is wider: without information the jackknife's own is unsure. p: the share of permutations with as much
    information, one-sided, (b + 1)/(P + 1); all runs are permuted alike.

    Args:
        answers: of each run (P, S), see `one_hot`.
        groups: (P,), group of each prompt's vibe.
        clusters: (P,), its cluster.
        rng: draws the permutations.
        permutations: how many.
    """
    import numpy as np

    vibes = np.eye(int(groups.max()) + 1)[groups]  # (P, K)
    tables = np.stack([vibes.T @ run for run in answers])  # (R, K, S)
    raw = information(tables).mean(axis=0)
    null = _permuted(answers, vibes, rng, permutations)
    bias = null.mean(axis=0)
    p_values = ((null >= raw - 1e-12).sum(axis=0) + 1) / (permutations + 1)
    deviation = np.maximum(_jackknife(answers, vibes, tables, clusters, bias), null.std(axis=0))
    value = raw - bias
    return Following(value, value - NORMAL_975 * deviation, value + NORMAL_975 * deviation, p_values)


def _permuted(answers: Sequence[Floats], vibes: Floats, rng: np.random.Generator, permutations: int) -> Floats:
    """The information, as a mean over runs, that permuted prompts give: (permutations, F)."""
    import numpy as np

    orders = np.stack([rng.permutation(len(vibes)) for _ in range(permutations)])
    batches = [vibes.T[:, orders[start : start + BATCH]].swapaxes(0, 1) for start in range(0, permutations, BATCH)]
    return np.concatenate([np.mean([information(batch @ run) for run in answers], axis=0) for batch in batches])


def _jackknife(answers: Sequence[Floats], vibes: Floats, tables: Floats, clusters: Ints, bias: Floats) -> Floats:
    """Standard deviation of the information over the clusters that are left out one at a time: (F,).

    The bias goes with one over the number of prompts.
    """
    import numpy as np

    names = np.unique(clusters)
    left = []
    for name in names:
        rows = np.flatnonzero(clusters == name)
        without = tables - np.stack([vibes[rows].T @ run[rows] for run in answers])
        left.append(information(without).mean(axis=0) - bias * len(clusters) / max(len(clusters) - len(rows), 1))
    values = np.stack(left)
    return np.sqrt((len(names) - 1) / len(names) * ((values - values.mean(axis=0)) ** 2).sum(axis=0))


def normalised_entropy(counts: Floats) -> Floats:
    """Entropy of each field over the logarithm of its number of labels, from counts (..., S): (..., F) in [0, 1].

    With Miller's correction, (labels seen - 1)/(2 n) nats; 0 where nothing was counted.
    """
    import numpy as np

    total = np.add.reduceat(counts, STARTS, axis=-1)
    nats = _xlogx(total) - np.add.reduceat(_xlogx(counts), STARTS, axis=-1)
    nats = np.log(2.0) * np.divide(nats, total, out=np.zeros(total.shape), where=total > 0)
    seen = np.add.reduceat((counts > 0).astype(float), STARTS, axis=-1)
    nats = nats + np.divide(np.maximum(seen - 1, 0), 2 * total, out=np.zeros(total.shape), where=total > 0)
    return np.clip(nats / np.log(np.array(SIZES)), 0.0, 1.0)


def divergence(counts: Floats, reference: Floats) -> Floats:
    """Jensen-Shannon divergence of each field's labels from the reference's, in bits: (..., F) in [0, 1].

    Args:
        counts: (..., S); the result is 0 where a field has none.
        reference: (S,).
    """
    import numpy as np

    here, there = _shares(counts), _shares(reference)
    middle = (here + there) / 2
    parts = _xlogx(here) / 2 + _xlogx(there) / 2 - _xlogx(middle)
    known = np.add.reduceat(counts, STARTS, axis=-1) > 0
    return np.clip(np.add.reduceat(parts, STARTS, axis=-1), 0.0, 1.0) * known


def _shares(counts: Floats) -> Floats:
    import numpy as np

    total = np.repeat(np.add.reduceat(counts, STARTS, axis=-1), SIZES, axis=-1)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)


def _xlogx(values: Floats) -> Floats:
    """x log2 x, 0 at 0."""
    import numpy as np

    return values * np.log2(np.where(values > 0, values, 1.0))
