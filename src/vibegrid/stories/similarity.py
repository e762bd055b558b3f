"""How alike two pages are: by the CLAP embedding of their audio, by acoustic measures, by the fields of their configs.

Shapes: S runs (seeds) of a system, P pages. A similarity is (S, P, P), symmetric, NaN where a page cannot be heard: a
page without sound is like nothing, neither its neighbour nor another text, so it is counted (`pages_heard`) and its
pairs are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.schema import FIELDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Pages(NamedTuple):
    """What one run of a system made of all pages; a page that cannot be heard has None in all three."""

    embeddings: Sequence[NDArray[Any] | None]  # unit norm
    measures: Sequence[Mapping[str, float] | None]
    configs: Sequence[Mapping[str, Any] | None]  # 34 labels each

    @property
    def heard(self) -> list[bool]:
        return [config is not None for config in self.configs]


def similarities(systems: Mapping[str, Sequence[Pages]]) -> dict[str, dict[str, Floats]]:
    """System -> kind (`specs.stories.KINDS`) -> similarities (S, P, P).

    ``clap``: cosine, in [-1, 1]. ``config``: share of the fields that are equal, in [0, 1]. ``acoustic``: 1 less the
    mean difference of ranks, in [0, 1]: each measure's rank among the pages of all systems, which no measure's unit
    or outlier matters to; two pages drawn at random have 2/3.
    """
    import numpy as np

    names = sorted(
        {name for runs in systems.values() for run in runs for page in run.measures if page for name in page}
    )
    pool = {
        name: np.sort([page[name] for runs in systems.values() for run in runs for page in run.measures if page])
        for name in names
    }
    return {
        system: {
            "clap": np.stack([_cosines(run) for run in runs]),
            "acoustic": np.stack([_acoustic(run, pool) for run in runs]),
            "config": np.stack([_equal_fields(run) for run in runs]),
        }
        for system, runs in systems.items()
    }


def ranks(values: Sequence[float], pool: Floats) -> Floats:
    """Place of each value among the sorted `pool`, in [0, 1], ties at the middle of theirs."""
    import numpy as np

    low, high = np.searchsorted(pool, values, "left"), np.searchsorted(pool, values, "right")
    return (low + high) / (2 * len(pool))


def _cosines(run: Pages) -> Floats:
    import numpy as np

    size = next((len(page) for page in run.embeddings if page is not None), 1)
    vectors = np.array([np.full(size, np.nan) if page is None else page for page in run.embeddings], dtype=np.float64)
    return np.clip(np.einsum("id,jd->ij", vectors, vectors), -1.0, 1.0)


def _acoustic(run: Pages, pool: Mapping[str, Floats]) -> Floats:
    import numpy as np

    there = np.array(run.heard)
    apart = np.full((len(there), len(there)), np.nan)
    apart[np.ix_(there, there)] = 0.0
    for name, known in pool.items():
        placed = np.full(len(there), np.nan)
        placed[there] = ranks([page[name] for page in run.measures if page], known)
        apart += np.abs(placed[:, None] - placed[None, :])
    return 1.0 - apart / max(len(pool), 1)


def _equal_fields(run: Pages) -> Floats:
    import numpy as np

    found = np.full((len(run.configs),) * 2, np.nan)
    for i, first in enumerate(run.configs):
        for j, second in enumerate(run.configs):
            if first is not None and second is not None:
                found[i, j] = np.mean([_same(first[field], second[field]) for field in FIELDS])
    return found


def _same(a: object, b: object) -> bool:
    """Equal labels; True is not 1."""
    return type(a) is type(b) and a == b
