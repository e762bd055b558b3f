"""Statistics of stories: are neighbouring pages more alike than shuffled pages of the same text, and of other texts?

Shapes: S runs (seeds), P pages of T stories, B resamples, R permutations. `similarity` is (S, P, P), symmetric, NaN for
pairs with a page that cannot be heard. Every pair of pages weighs the same.

* **shuffled**: neighbours less all pairs of the same text, which is the mean over all orders of its pages. A text of
  two pages has one pair, so it says nothing here and takes no part.
* **others**: page k and k+1 of one text less page k of one and k+1 of another, so that what first pages have in common
  is no coherence.

Intervals resample stories and runs, crossed (`analyses.statistics`): a story's pages are not independent, and every run
answers the same pages. Tests permute pages: within each text (shuffled), or among the texts at each position (others);
both are exact in that each null hypothesis says that just these orders are equally likely (Phipson & Smyth 2010 for
the 1 that is added). They are two-sided: further from the mean of all orders than the order that is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vibegrid.analyses import statistics

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Indices = NDArray[np.intp]

SHUFFLED, OTHERS = "shuffled", "others"
FEWEST_TO_SHUFFLE = 3  # pages; two have one order


class Places(NamedTuple):
    """Which story each page is of, and its position there: (P,) both."""

    story: Indices
    position: Indices

    @classmethod
    def of(cls, stories: Sequence[str], pages: Sequence[int]) -> Places:
        """From names of stories and page numbers."""
        import numpy as np

        return cls(np.unique(list(stories), return_inverse=True)[1], np.asarray(pages, dtype=np.intp))

    @property
    def stories(self) -> int:
        return int(self.story.max()) + 1

    def pairs(self, jump: int | None = 1) -> tuple[Indices, Indices]:
        """Pairs (first, second) of pages of one story, `jump` pages apart; None for any distance."""
        import numpy as np

        apart = self.position[None, :] - self.position[:, None]
        same = self.story[:, None] == self.story[None, :]
        return np.nonzero(same & ((apart > 0) if jump is None else (apart == jump)))  # type: ignore[return-value]


class Draws(NamedTuple):
    """Weights of stories and runs in each resample; the first row is all ones, the estimate itself."""

    stories: Floats  # (1 + B, T)
    runs: Floats  # (1 + B, S)


class Found(NamedTuple):
    """A statistic in every resample (the first is the estimate), and what it is made of."""

    resampled: Floats  # (1 + B,), NaN where there is none
    n: int  # pairs of pages
    stories: int


def draw(seed: int, where: Sequence[str], places: Places, runs: int, resamples: int) -> Draws:
    """Weights named by `where`; the draws of stories are shared by all systems."""
    import numpy as np

    stories = statistics.cluster_weights(statistics.generator(seed, where[0], "stories"), places.stories, resamples)
    of_runs = statistics.seed_weights(statistics.generator(seed, *where, "runs"), runs, resamples)
    return Draws(np.vstack([np.ones(places.stories), stories]), np.vstack([np.ones(runs), of_runs]))


def at_distance(similarity: Floats, places: Places, draws: Draws, jump: int) -> Found:
    """Mean similarity of pages of one text that are `jump` pages apart."""
    first, second = places.pairs(jump)
    return _over_stories(similarity[:, first, second], places.story[first], draws)


def heard(there: Bools, places: Places, draws: Draws) -> Found:
    """Share of the pages that can be heard; there (S, P)."""
    return _over_stories(there.astype(float), places.story, draws)


def vs_shuffled(similarity: Floats, places: Places, draws: Draws) -> Found:
    """Neighbours less all pairs of the same text."""
    import numpy as np

    first, second = places.pairs(1)
    every = places.pairs(None)
    differences = similarity[:, first, second].copy()
    for run, each in enumerate(similarity):
        for story in range(places.stories):
            own = places.story[first] == story
            pairs = each[every][places.story[every[0]] == story]
            enough = np.count_nonzero(~np.isnan(pairs)) >= FEWEST_TO_SHUFFLE
            differences[run, own] = differences[run, own] - np.nanmean(pairs) if enough else np.nan
    return _over_stories(differences, places.story[first], draws)


def vs_others(similarity: Floats, places: Places, draws: Draws) -> Found:
    """Neighbours less pairs of pages at the same positions of two texts; positions weigh as they have neighbours."""
    return _against_others(similarity, places, draws, difference=True)


def of_others(similarity: Floats, places: Places, draws: Draws) -> Found:
    """Mean similarity of a page and another text's next page."""
    return _against_others(similarity, places, draws, difference=False)


def _against_others(similarity: Floats, places: Places, draws: Draws, *, difference: bool) -> Found:
    import numpy as np

    total, weight = np.zeros((2, len(draws.stories)))
    used: set[int] = set()
    n = 0
    for table in _position_tables(similarity, places):
        own = np.zeros((2, len(draws.stories)))
        other = np.zeros((2, len(draws.stories)))
        for run, each in enumerate(table):
            there = ~np.isnan(each)
            values, off = np.where(there, each, 0.0), there & ~np.eye(len(each), dtype=bool)
            by_run = draws.runs[:, run]
            own[0] += by_run * (draws.stories @ values.diagonal())
            own[1] += by_run * (draws.stories @ there.diagonal().astype(float))
            other[0] += by_run * np.einsum("bt,tu,bu->b", draws.stories, values * off, draws.stories, optimize=True)
            other[1] += by_run * np.einsum(
                "bt,tu,bu->b", draws.stories, off.astype(float), draws.stories, optimize=True
            )
        if not own[1][0] or not other[1][0]:
            continue
        at_others = np.divide(other[0], other[1], out=np.full_like(other[0], np.nan), where=other[1] > 0)
        total += np.where(own[1] > 0, own[0] - own[1] * at_others if difference else own[1] * at_others, 0.0)
        weight += own[1]
        present = ~np.isnan(table.diagonal(axis1=1, axis2=2)).all(axis=0)
        used |= set(np.flatnonzero(present).tolist())
        n += int(present.sum())
    resampled = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return Found(resampled, n, len(used))


def _position_tables(similarity: Floats, places: Places) -> list[Floats]:
    """For each position k: page k of text t with page k+1 of text u, (S, T, T), NaN where there is none."""
    import numpy as np

    tables = []
    for position in np.unique(places.position):
        firsts, seconds = (np.flatnonzero(places.position == p) for p in (position, position + 1))
        table = np.full((len(similarity), places.stories, places.stories), np.nan)
        if len(firsts) and len(seconds):
            rows, columns = places.story[firsts], places.story[seconds]
            table[:, rows[:, None], columns[None, :]] = similarity[:, firsts[:, None], seconds[None, :]]
            tables.append(table)
    return tables


def _over_stories(values: Floats, story: Indices, draws: Draws) -> Found:
    """Mean of values (S, n) of stories (n,) under the weights; NaN values are left out."""
    import numpy as np

    size = draws.stories.shape[1]
    member = (story[:, None] == np.arange(size)[None, :]).astype(float)  # (n, T)
    there = ~np.isnan(values)
    sums = np.where(there, values, 0.0) @ member  # (S, T)
    counts = there.astype(float) @ member
    resampled = statistics.resampled_means(sums[:, :, None], counts[:, :, None], draws.runs, draws.stories)[:, 0]
    return Found(resampled, int(there.any(axis=0).sum()), int((counts.sum(axis=0) > 0).sum()))


# tests ---------------------------------------------------------------------------------------------------------


def shuffle_p(similarity: Floats, places: Places, permutations: int, rng: np.random.Generator) -> float:
    """p of neighbours against shuffled pages of the same text; NaN where no text can be shuffled."""
    import numpy as np

    mean = _mean_of_runs(similarity)
    audible = ~np.isnan(np.diagonal(mean))
    sizes = np.bincount(places.story[audible], minlength=places.stories)
    fit = audible & (sizes[places.story] >= FEWEST_TO_SHUFFLE)
    return _permutation_p(mean, places, fit, places.story, permutations, rng)


def others_p(similarity: Floats, places: Places, permutations: int, rng: np.random.Generator) -> float:
    """p of neighbours against pages of other texts at the same positions; NaN where there is one text only."""
    import numpy as np

    mean = _mean_of_runs(similarity)
    fit = ~np.isnan(np.diagonal(mean))
    return _permutation_p(mean, places, fit, places.position, permutations, rng)


TESTS: dict[str, Callable[..., float]] = {SHUFFLED: shuffle_p, OTHERS: others_p}


def _mean_of_runs(similarity: Floats) -> Floats:
    """(P, P): every run has the same pages, so one order serves all of them."""
    import numpy as np

    there = ~np.isnan(similarity)
    count = there.sum(axis=0)
    total = np.where(there, similarity, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _permutation_p(
    mean: Floats, places: Places, fit: Bools, group: Indices, permutations: int, rng: np.random.Generator
) -> float:
    """Two-sided p: pages that are `fit` change places within their group, the others stay out."""
    import numpy as np

    first, second = places.pairs(1)
    used = fit[first] & fit[second]
    first, second = first[used], second[used]
    moved = [members for g in np.unique(group[fit]) if len(members := np.flatnonzero(fit & (group == g))) > 1]
    if not len(first) or not moved:
        return float("nan")
    orders = np.tile(np.arange(len(fit)), (permutations, 1))
    for members in moved:
        orders[:, members] = rng.permuted(np.tile(members, (permutations, 1)), axis=1)
    drawn = _mean_pairs(mean[orders[:, first], orders[:, second]])
    observed = _mean_pairs(mean[first, second][None])[0]
    centre = _expected(mean, moved, first, second)
    extreme = np.abs(drawn - centre) >= abs(observed - centre) - 1e-12
    return float((1 + np.count_nonzero(extreme)) / (1 + permutations))


def _mean_pairs(values: Floats) -> Floats:
    """Means of rows; a pair that no run has heard is left out."""
    import numpy as np

    there = ~np.isnan(values)
    return np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def _expected(mean: Floats, moved: Sequence[Indices], first: Indices, second: Indices) -> float:
    """Mean of the statistic over all orders: each pair at the mean of all pairs that its two groups can put there."""
    import numpy as np

    at = {int(page): members for members in moved for page in members}
    cells = []
    for a, b in zip(first, second, strict=True):
        rows, columns = at.get(int(a), np.array([a])), at.get(int(b), np.array([b]))
        block = mean[np.ix_(rows, columns)].copy()
        if int(a) in at and at[int(a)] is at.get(int(b)):
            np.fill_diagonal(block, np.nan)  # two places, two pages
        cells.append(float(np.nanmean(block)))
    return float(np.mean(cells))
