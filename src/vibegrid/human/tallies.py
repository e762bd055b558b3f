"""Ratings as arrays: who counts, and what they preferred by rater, cluster of prompts and pair of systems.

Shapes: R raters, C clusters, M pairs. Sums and counts are held apart, as `vibegrid.analyses.statistics` wants them,
with raters in the place of seeds: raters and prompts are crossed, and both are samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from vibegrid.human.key import Key
from vibegrid.human.ratings import Rating
from vibegrid.human.trials import CHECK, COMPARE, REPEAT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RATER_COLUMNS = (
    "rater", "form", "ratings", "checks", "failed", "excluded", "left_share", "repeats", "consistent", "median_seconds",
)  # fmt: skip
Pair = tuple[str, str]


class Tally(NamedTuple):
    """Sums and counts of something that ratings say: (R, C, M) both."""

    sums: Floats
    counts: Floats


class Rater(NamedTuple):
    """One rater, all that they said, and why it does not count ("" where it does)."""

    name: str
    ratings: list[Rating]
    excluded: str

    @property
    def checks(self) -> list[Rating]:
        """Ratings of checks."""
        return [rating for rating in self.ratings if rating.trial.kind == CHECK]

    @property
    def failed(self) -> int:
        """Checks in which the broken sound was preferred, or none."""
        return sum(rating.choice != rating.trial.expected for rating in self.checks)


def raters_of(ratings: Sequence[Rating], key: Key, max_failed: int) -> list[Rater]:
    """Raters by name; one is excluded who failed more than `max_failed` checks, or whose form has checks and who
    answered none."""
    by_name: dict[str, list[Rating]] = {}
    for rating in ratings:
        by_name.setdefault(rating.rater, []).append(rating)
    checked = {trial.form for trial in key.trials.values() if trial.kind == CHECK}
    found = []
    for name in sorted(by_name):
        rater = Rater(name, by_name[name], "")
        reason = f"failed {rater.failed} of {len(rater.checks)} checks" if rater.failed > max_failed else ""
        if not rater.checks and rater.ratings[0].trial.form in checked:
            reason = "answered no check"
        found.append(rater._replace(excluded=reason))
    return found


def preference(rating: Rating, key: Key) -> tuple[Pair, float]:
    """The pair of systems of a comparison, by name, and how far its first is preferred: 1, 0.5 or 0."""
    left, right = key.systems_of(rating.trial)
    value = {"a": 1.0, "tie": 0.5, "b": 0.0}[rating.choice]
    return ((left, right), value) if left < right else ((right, left), 1.0 - value)


def wins(raters: Sequence[Rater], key: Key, pairs: Sequence[Pair], clusters: Sequence[str]) -> Tally:
    """How often the first system of each pair was preferred (ties half), in comparisons; repeats are left out."""
    columns = {tuple(sorted(pair)): (m, pair == tuple(sorted(pair))) for m, pair in enumerate(pairs)}
    cells = []
    for r, rater in enumerate(raters):
        for rating in rater.ratings:
            if rating.trial.kind == COMPARE:
                pair, value = preference(rating, key)
                m, same = columns[pair]
                cells.append((r, key.clusters[rating.trial.prompt], m, value if same else 1.0 - value))
    return tally(cells, len(raters), clusters, len(pairs))


def lefts(raters: Sequence[Rater], key: Key, clusters: Sequence[str]) -> Tally:
    """How often the left sound was preferred, in comparisons without ties."""
    cells = [
        (r, key.clusters[rating.trial.prompt], 0, float(rating.choice == "a"))
        for r, rater in enumerate(raters)
        for rating in rater.ratings
        if rating.trial.kind == COMPARE and rating.choice != "tie"
    ]
    return tally(cells, len(raters), clusters, 1)


def consistencies(raters: Sequence[Rater], key: Key, clusters: Sequence[str], *, reversed_only: bool) -> Tally:
    """How often a repeat was answered as the trial that it repeats: the same system preferred, or neither."""
    cells = []
    for r, rater in enumerate(raters):
        for rating, same in consistent(rater, key):
            if not reversed_only or rating.trial.left != key.trials[rating.trial.of].left:
                cells.append((r, key.clusters[rating.trial.prompt], 0, float(same)))
    return tally(cells, len(raters), clusters, 1)


def consistent(rater: Rater, key: Key) -> list[tuple[Rating, bool]]:
    """Repeats that the rater answered, with whether the answer is that of the first time."""
    first = {rating.trial.id: rating for rating in rater.ratings if rating.trial.kind == COMPARE}
    repeats = [rating for rating in rater.ratings if rating.trial.kind == REPEAT and rating.trial.of in first]
    return [(again, preference(again, key) == preference(first[again.trial.of], key)) for again in repeats]


def tally(cells: Sequence[tuple[int, str, int, float]], raters: int, clusters: Sequence[str], columns: int) -> Tally:
    """Sums and counts of (rater, cluster, column, value)."""
    import numpy as np

    place = {cluster: c for c, cluster in enumerate(clusters)}
    sums, counts = np.zeros((2, raters, len(clusters), columns))
    for r, cluster, m, value in cells:
        sums[r, place[cluster], m] += value
        counts[r, place[cluster], m] += 1
    return Tally(sums, counts)


def by_unit(raters: Sequence[Rater], key: Key, pairs: Sequence[Pair]) -> tuple[list[tuple[str, Pair]], Floats]:
    """Units that were rated (prompt and pair), and each rater's preference for the pair's first: (U, R), NaN where
    there is none; of several answers (forms that overlap) the first."""
    import numpy as np

    given = {tuple(sorted(pair)): pair for pair in pairs}
    found: dict[tuple[str, Pair], dict[int, float]] = {}
    for r, rater in enumerate(raters):
        for rating in rater.ratings:
            if rating.trial.kind == COMPARE:
                pair, value = preference(rating, key)
                unit = (rating.trial.prompt, given[pair])
                found.setdefault(unit, {}).setdefault(r, value if given[pair] == pair else 1.0 - value)
    units = sorted(found)
    values = np.full((len(units), len(raters)), np.nan)
    for u, unit in enumerate(units):
        for r, value in found[unit].items():
            values[u, r] = value
    return units, values


def rater_rows(raters: Sequence[Rater], key: Key) -> list[dict[str, str]]:
    """What is known of each rater, the excluded ones too: rows of `RATER_COLUMNS`."""
    rows = []
    for rater in raters:
        compared = [rating for rating in rater.ratings if rating.trial.kind == COMPARE]
        decided = [rating for rating in compared if rating.choice != "tie"]
        repeated = consistent(rater, key)
        cells = (
            rater.name,
            rater.ratings[0].trial.form,
            len(compared),
            len(rater.checks),
            rater.failed,
            rater.excluded,
            f"{sum(rating.choice == 'a' for rating in decided) / len(decided):.3f}" if decided else "",
            len(repeated),
            sum(same for _, same in repeated),
            f"{median(rating.seconds for rating in rater.ratings):.1f}",
        )
        rows.append(dict(zip(RATER_COLUMNS, map(str, cells), strict=True)))
    return rows
