"""Each arm of an experiment against its reference arm: the rows of ``all_tables.csv``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vibegrid.analyses import statistics
from vibegrid.analyses.observations import ALL, Table, tabulate
from vibegrid.errors import InputError
from vibegrid.specs.analyses import AnalysisSpec, ArmSpec, analysis_spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = (
    "scale", "experiment", "arm", "system", "reference", "status", "decoding", "eval_set", "subset", "metric",
    "primary", "mean", "ci_low", "ci_high", "n", "n_clusters", "n_seeds", "n_dropped", "delta", "delta_low",
    "delta_high", "p_value", "p_holm",
)  # fmt: skip
KEY = ("scale", "experiment", "arm", "decoding", "eval_set", "subset", "metric", "system")
# what compare returns: besides the columns of the tables, the mean of each seed, for the band of the figures
ROW_COLUMNS = (*COLUMNS, "seed_means")
TRAINING = "training"  # "eval set" of what trainings say of themselves
FACTS = {"train_steps": "steps", "train_tokens": "tokens", "train_reward_slope": "reward_slope"}
NORMAL_975 = 1.959964

Row = dict[str, str]


def compare(
    spec: AnalysisSpec | Mapping[str, Any],
    scores: Mapping[str, Iterable[Mapping[str, Any]]],
    statuses: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    """Rows of `ROW_COLUMNS`, all text, sorted by `KEY`; the same bytes for the same input.

    Means have 6 decimals, p-values 4 significant digits; what does not apply is empty. `n` counts prompts
    (of one seed), `n_seeds` the runs with scores. A failed arm is one row with its status and no numbers;
    an arm some of whose runs failed has status ``partial``. p-values are two-sided sign-flip tests on
    cluster means; `p_holm` is adjusted over the arms of one (metric, eval set, subset). An arm that is the
    reference's runs under another name is not compared.

    Args:
        spec: the experiment.
        scores: run -> rows of its scores.csv (`observations.COLUMNS`).
        statuses: run -> {"status": "ok" or "failed", "reason", "n_dropped", "steps", "tokens"}.

    Raises:
        InputError: a run of an arm has neither scores nor a status, or a score is malformed.
    """
    spec = analysis_spec(spec)
    runs = {arm.arm: _scored_runs(spec, arm, scores, statuses) for arm in spec.arms}
    used = {run: scores[run] for names in runs.values() for run in names}
    tables = tabulate(used, spec.subsets)
    rows: list[Row] = []
    for table in tables:
        rows += _compare_table(spec, table, runs, statuses)
    for arm in spec.arms:
        rows += _facts(spec, arm, runs[arm.arm], statuses)
        if not any(row["arm"] == arm.arm for row in rows):
            rows.append(_empty(spec, arm, statuses))
    _adjust(rows)
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def _scored_runs(
    spec: AnalysisSpec,
    arm: ArmSpec,
    scores: Mapping[str, Iterable[Mapping[str, Any]]],
    statuses: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    found = []
    for run in dict.fromkeys(arm.runs):
        failed = arm.status == "failed" or statuses.get(run, {}).get("status", "ok") == "failed"
        if not failed and run not in scores:
            raise InputError(f"experiment {spec.experiment}, arm {arm.arm}", f"no scores of run {run!r}")
        if not failed:
            found.append(run)
    return found


def _compare_table(
    spec: AnalysisSpec,
    table: Table,
    runs: Mapping[str, Sequence[str]],
    statuses: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    where = (spec.experiment, table.eval_set, table.subset)
    size = len(table.clusters)
    drawn = statistics.cluster_weights(statistics.generator(spec.seed, *where, "clusters"), size, spec.bootstrap)
    signs, exact = statistics.sign_vectors(statistics.generator(spec.seed, *where, "signs"), size, spec.permutations)
    arms = [arm for arm in spec.arms if runs[arm.arm]]
    data = {arm.arm: table.of(runs[arm.arm]) for arm in arms}
    seeds = {
        name: statistics.seed_weights(
            statistics.generator(spec.seed, *where, "seeds", name), len(values[0]), spec.bootstrap
        )
        for name, values in data.items()
    }
    reference = data.get(spec.reference)
    rows = []
    for arm in arms:
        sums, counts = data[arm.arm]
        numbers = _summary(sums, counts, seeds[arm.arm], drawn)
        if reference is not None and spec.compares(arm):
            pair = (seeds[arm.arm], seeds[spec.reference])
            numbers |= _difference((sums, counts), reference, pair, drawn)
            apart, weights = statistics.cluster_differences(sums, counts, *reference)
            numbers["p_value"] = statistics.sign_flip_p(apart, weights, signs, exact)
        rows += _rows(spec, arm, table, numbers, counts, _seed_means(sums, counts), statuses)
    return rows


def _summary(
    sums: NDArray[np.float64], counts: NDArray[np.float64], seeds: Any, clusters: Any
) -> dict[str, NDArray[np.float64]]:
    mean = statistics.means(sums, counts)
    low, high = statistics.interval(mean, statistics.resampled_means(sums, counts, seeds, clusters))
    return {"mean": mean, "ci_low": low, "ci_high": high}


def _difference(arm: Any, reference: Any, seeds: Any, clusters: Any) -> dict[str, NDArray[np.float64]]:
    """Difference of means on the clusters that both have, with its interval."""
    both = statistics.shared(arm[1], reference[1])[None]
    sums, counts = arm[0] * both, arm[1] * both
    other_sums, other_counts = reference[0] * both, reference[1] * both
    delta = statistics.means(sums, counts) - statistics.means(other_sums, other_counts)
    resampled = statistics.resampled_means(sums, counts, seeds[0], clusters)
    resampled = resampled - statistics.resampled_means(other_sums, other_counts, seeds[1], clusters)
    low, high = statistics.interval(delta, resampled)
    return {"delta": delta, "delta_low": low, "delta_high": high}


def _seed_means(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> list[list[float]]:
    """Mean of each seed, for each metric: M lists of up to S numbers."""
    totals, sizes = sums.sum(axis=1), counts.sum(axis=1)
    return [
        [float(t / c) for t, c in zip(totals[:, m], sizes[:, m], strict=True) if c > 0] for m in range(totals.shape[1])
    ]


def _rows(
    spec: AnalysisSpec,
    arm: ArmSpec,
    table: Table,
    numbers: Mapping[str, NDArray[np.float64]],
    counts: NDArray[np.float64],
    seed_means: Sequence[Sequence[float]],
    statuses: Mapping[str, Mapping[str, Any]],
) -> list[Row]:
    rows = []
    for index, metric in enumerate(table.metrics):
        size = counts[:, :, index]
        if not size.any():
            continue
        row = _base(spec, arm, statuses) | {
            "eval_set": table.eval_set,
            "subset": table.subset,
            "metric": metric,
        }
        row["primary"] = _primary(spec, table.eval_set, table.subset, metric)
        for column, values in numbers.items():
            row[column] = _p(values[index]) if column == "p_value" else fixed(values[index])
        row["n"] = str(int(size.max(axis=0).sum()))
        row["n_clusters"] = str(int((size.max(axis=0) > 0).sum()))
        row["n_seeds"] = str(int((size.sum(axis=1) > 0).sum()))
        row["seed_means"] = " ".join(fixed(mean) for mean in seed_means[index])
        rows.append(row)
    return rows


def _facts(
    spec: AnalysisSpec, arm: ArmSpec, runs: Sequence[str], statuses: Mapping[str, Mapping[str, Any]]
) -> list[Row]:
    """Facts of an arm's trainings, as means over its runs; nothing for what was not trained.

    The reward's slope (per step, of GRPO) has an interval, from the standard errors of the runs' own slopes: it says
    whether the rewards of these runs rose, not what other seeds would do.
    """
    rows = []
    for metric, key in FACTS.items():
        states = [statuses[run] for run in runs if statuses.get(run, {}).get(key)]
        known = [float(state[key]) for state in states]
        if not known:
            continue
        mean = sum(known) / len(known)
        row = _base(spec, arm, statuses) | {"eval_set": TRAINING, "subset": ALL, "metric": metric}
        row |= {"primary": "exploratory", "mean": fixed(mean), "n_seeds": str(len(known))}
        if f"{key}_se" in states[0]:
            half = NORMAL_975 * sum(float(state[f"{key}_se"]) ** 2 for state in states) ** 0.5 / len(known)
            row |= {"ci_low": fixed(mean - half), "ci_high": fixed(mean + half)}
        row["seed_means"] = " ".join(fixed(value) for value in known)
        rows.append(row)
    return rows


def _empty(spec: AnalysisSpec, arm: ArmSpec, statuses: Mapping[str, Mapping[str, Any]]) -> Row:
    """The row of an arm without scores."""
    row = _base(spec, arm, statuses)
    return row | {
        "eval_set": spec.primary.eval_set,
        "subset": ALL,
        "metric": spec.primary.metric,
        "primary": "confirmatory",
        "n_seeds": "0",
    }


def _base(spec: AnalysisSpec, arm: ArmSpec, statuses: Mapping[str, Mapping[str, Any]]) -> Row:
    runs = list(dict.fromkeys(arm.runs))
    states = [statuses.get(run, {}) for run in runs]
    failed = sum(state.get("status", "ok") == "failed" for state in states)
    status = "ok" if arm.status != "failed" and runs else "failed"
    if failed:
        status = "failed" if failed == len(runs) else "partial"
    row = dict.fromkeys(ROW_COLUMNS, "")
    return row | {
        "scale": spec.scale,
        "experiment": spec.experiment,
        "arm": arm.arm,
        "system": arm.system,
        "reference": spec.reference,
        "status": status,
        "decoding": arm.decoding or spec.decoding,
        "n_dropped": str(sum(int(state.get("n_dropped") or 0) for state in states)),
    }


def _primary(spec: AnalysisSpec, eval_set: str, subset: str, metric: str) -> str:
    chosen = (spec.primary.eval_set, ALL, spec.primary.metric)
    return "confirmatory" if (eval_set, subset, metric) == chosen else "exploratory"


def _adjust(rows: list[Row]) -> None:
    """Fill `p_holm`: Holm over the arms of one (metric, eval set, subset)."""
    families: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["p_value"]:
            families.setdefault((row["metric"], row["eval_set"], row["subset"]), []).append(row)
    for family in families.values():
        for row, p in zip(family, statistics.holm([float(row["p_value"]) for row in family]), strict=True):
            row["p_holm"] = _p(p)


def fixed(value: float) -> str:
    """6 decimals, empty for NaN, no negative zero."""
    if math.isnan(value):
        return ""
    text = f"{float(value):.6f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def _p(value: float) -> str:
    return "" if math.isnan(value) else f"{float(value):.4g}"
