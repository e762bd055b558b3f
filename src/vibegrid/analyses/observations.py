"""Scores in long form -> arrays by seed, cluster and metric, one table for each eval set and subset."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vibegrid.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("eval_set", "id", "subset_keys", "cluster", "metric", "value")
ALL = "all"  # the subset that is the whole eval set


@dataclass(frozen=True)
class Table:
    """All scores of one subset of one eval set.

    `sums` and `counts` map a run to arrays (C, M) in the order of `clusters` and `metrics`.
    """

    eval_set: str
    subset: str
    clusters: tuple[str, ...]
    metrics: tuple[str, ...]
    sums: Mapping[str, NDArray[np.float64]]
    counts: Mapping[str, NDArray[np.float64]]

    def of(self, runs: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`sums` and `counts` (S, C, M) of the runs."""
        import numpy as np

        return np.stack([self.sums[run] for run in runs]), np.stack([self.counts[run] for run in runs])


def tabulate(scores: Mapping[str, Iterable[Mapping[str, Any]]], subset_tags: Sequence[str]) -> list[Table]:
    """Tables of all runs, sorted by eval set and subset; ``all`` and one subset for each value of a tag.

    Args:
        scores: run -> rows of its scores.csv. An empty value is a metric that does not apply to its prompt.
        subset_tags: keys of ``subset_keys`` to split by.

    Raises:
        InputError: a column is missing, a value is no finite number, a prompt has a metric twice, or two runs
            answered different prompts of one eval set.
    """
    found: dict[tuple[str, str], dict[tuple[str, str, str], tuple[float, int]]] = {}
    prompts: dict[str, dict[str, set[str]]] = {}
    for run, rows in scores.items():
        seen: set[tuple[str, str, str]] = set()
        for number, row in enumerate(rows, start=2):
            where = f"scores of {run}, line {number}"
            missing = [column for column in COLUMNS if column not in row]
            if missing:
                raise InputError(where, f"column {missing[0]!r} is missing", f"columns: {', '.join(COLUMNS)}")
            key = (str(row["eval_set"]), str(row["id"]), str(row["metric"]))
            if key in seen:
                raise InputError(where, f"{key[2]} of prompt {key[1]!r} in {key[0]} occurs twice")
            seen.add(key)
            prompts.setdefault(key[0], {}).setdefault(run, set()).add(key[1])
            value = _number(row["value"], where)
            if value is None:
                continue
            cell = (run, str(row["cluster"] or row["id"]), key[2])
            for subset in (ALL, *_subsets(row["subset_keys"], subset_tags, where)):
                cells = found.setdefault((key[0], subset), {})
                total, count = cells.get(cell, (0.0, 0))
                cells[cell] = (total + value, count + 1)
    for eval_set, of_runs in prompts.items():
        _check_same_prompts(eval_set, of_runs)
    return [_table(*key, found[key], list(scores)) for key in sorted(found)]


def _check_same_prompts(eval_set: str, prompts: Mapping[str, set[str]]) -> None:
    """Runs are compared prompt by prompt; those without the set are no part of that."""
    first, *others = prompts
    for run in others:
        different = prompts[run] ^ prompts[first]
        if different:
            raise InputError(
                f"scores of {run}",
                f"{eval_set} has other prompts than in {first}: {len(different)} differ, {min(different)!r} among them",
                "the scores are of different versions of the eval set",
            )


def _table(
    eval_set: str, subset: str, cells: Mapping[tuple[str, str, str], tuple[float, int]], runs: Sequence[str]
) -> Table:
    import numpy as np

    clusters = tuple(sorted({cluster for _, cluster, _ in cells}))
    metrics = tuple(sorted({metric for _, _, metric in cells}))
    row = {cluster: index for index, cluster in enumerate(clusters)}
    column = {metric: index for index, metric in enumerate(metrics)}
    sums = {run: np.zeros((len(clusters), len(metrics))) for run in runs}
    counts = {run: np.zeros((len(clusters), len(metrics))) for run in runs}
    for (run, cluster, metric), (total, count) in cells.items():
        sums[run][row[cluster], column[metric]] = total
        counts[run][row[cluster], column[metric]] = count
    return Table(eval_set, subset, clusters, metrics, sums, counts)


def _number(value: Any, where: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(where, f"value {value!r} is no finite number")
    return number


def _subsets(keys: Any, tags: Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(keys, str):
        keys = _parsed(keys)
    elif keys is None:
        keys = {}
    if not isinstance(keys, Mapping):
        raise InputError(f"{where}: subset_keys", "a JSON object was expected")
    return tuple(str(keys[tag]) for tag in tags if keys.get(tag) not in (None, "", ALL))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except json.JSONDecodeError:
        return None
