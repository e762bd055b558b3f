"""Rows of a field usage analysis: numbers of each system and field, with intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import ROW_COLUMNS, Row, fixed
from vibegrid.schema import FIELDS
from vibegrid.specs.usage import (
    ABLATIONS,
    ALL_FIELDS,
    DIVERGENCE,
    ENTROPY,
    FOLLOWS,
    INFORMATION,
    TEACHER_ROWS,
    UsageSpec,
)
from vibegrid.usage.ablation import Losses
from vibegrid.usage.information import Following, divergence, normalised_entropy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.intp]

SIGNIFICANT = 0.05


def following_rows(base: Row, found: Following) -> list[Row]:
    """What each field says of the vibe, whether it follows it (Holm-adjusted p < 0.05), and how many do."""
    holm = statistics.holm([float(p) for p in found.p_values])
    rows, marks = [], []
    for index, field in enumerate(FIELDS):
        follows = holm[index] < SIGNIFICANT
        marks.append(float(follows))
        numbers = {"mean": found.information[index], "ci_low": found.low[index], "ci_high": found.high[index]}
        tested = {"p_value": f"{found.p_values[index]:.4g}", "p_holm": f"{holm[index]:.4g}"}
        chosen = {"arm": field, "metric": INFORMATION, "primary": "confirmatory"}
        rows.append(base | chosen | _fixed(numbers) | tested)
        rows.append(base | {"arm": field, "metric": FOLLOWS, "mean": fixed(marks[-1])})
    share = base | {"arm": ALL_FIELDS, "metric": FOLLOWS, "mean": fixed(sum(marks) / len(marks)), "n": str(len(marks))}
    return [*rows, share | {"n_clusters": ""}]


def spread_rows(base: Row, answers: Sequence[Floats], clusters: Ints, reference: Floats, weights: Floats) -> list[Row]:
    """Entropy of each field's labels and their divergence from the teacher's: means over runs.

    A resample has fewer different labels than the sample it is drawn from; the intervals are moved by what the
    resamples' mean lies beside the estimate.

    Args:
        base: a row without its numbers.
        answers: of each run (P, S).
        clusters: (P,), of each prompt, from 0.
        reference: (S,), counts of the teacher's labels.
        weights: (B, C) from `statistics.cluster_weights`.
    """
    import numpy as np

    member = np.eye(int(clusters.max()) + 1)[clusters]  # (P, C)
    counts = [member.T @ run for run in answers]  # (C, S)
    rows = []
    measures = {ENTROPY: normalised_entropy, DIVERGENCE: lambda found: divergence(found, reference)}
    for metric, measure in measures.items():
        value = np.mean([measure(each.sum(axis=0)) for each in counts], axis=0)
        resampled = np.mean([measure(weights @ each) for each in counts], axis=0)
        low, high = statistics.interval(value, np.clip(resampled - resampled.mean(axis=0) + value, 0.0, 1.0))
        for index, field in enumerate(FIELDS):
            numbers = {"mean": value[index], "ci_low": low[index], "ci_high": high[index]}
            rows.append(base | {"arm": field, "metric": metric} | _fixed(numbers))
    return rows


def loss_rows(spec: UsageSpec, base: Row, losses: Losses) -> list[Row]:
    """What each ablated field loses in CLAP score; sign-flip tests over clusters, Holm over the fields of a metric."""
    import numpy as np

    names = list(dict.fromkeys(losses.clusters))
    member = np.eye(len(names))[[names.index(cluster) for cluster in losses.clusters]]
    flat = losses.values.reshape(len(losses.clusters), -1)
    known = ~np.isnan(flat)
    sums, counts = (member.T @ np.where(known, flat, 0.0))[None], (member.T @ known.astype(float))[None]
    where = (spec.experiment, losses.system, "ablation")
    drawn = statistics.cluster_weights(statistics.generator(spec.seed, *where), len(names), spec.bootstrap)
    signs, exact = statistics.sign_vectors(
        statistics.generator(spec.seed, *where, "signs"), len(names), spec.permutations
    )
    mean = statistics.means(sums, counts)
    low, high = statistics.interval(mean, statistics.resampled_means(sums, counts, np.ones((spec.bootstrap, 1)), drawn))
    apart = statistics.cluster_differences(sums, counts, np.zeros(sums.shape), counts)
    p = statistics.sign_flip_p(*apart, signs, exact).reshape(len(losses.fields), -1)
    table = [each.reshape(len(losses.fields), -1) for each in (mean, low, high, counts[0].sum(axis=0))]
    rows = []
    for kind, metric in enumerate(ABLATIONS):
        holm = statistics.holm([float(value) for value in p[:, kind]])
        for index, field in enumerate(losses.fields):
            value, first, last, n = (float(each[index, kind]) for each in table)
            numbers = _fixed({"mean": value, "ci_low": first, "ci_high": last})
            tested = {"p_value": f"{p[index, kind]:.4g}", "p_holm": f"{holm[index]:.4g}"}
            sizes = {"n": str(int(n)), "n_clusters": str(len(names)), "n_seeds": "1"}
            rows.append(base | {"arm": field, "metric": metric} | numbers | tested | sizes)
    return rows


def blank(spec: UsageSpec, system: str, eval_set: str, clusters: int, prompts: int, runs: int) -> Row:
    """A row without its field and numbers."""
    return dict.fromkeys(ROW_COLUMNS, "") | {
        "scale": spec.scale,
        "experiment": spec.experiment,
        "system": system,
        "reference": TEACHER_ROWS,
        "status": "ok" if runs else "failed",
        "decoding": spec.decoding,
        "eval_set": eval_set,
        "subset": "all",
        "primary": "exploratory",
        "n": str(prompts),
        "n_clusters": str(clusters),
        "n_seeds": str(runs),
    }


def _fixed(numbers: Mapping[str, Any]) -> Row:
    return {column: fixed(float(value)) for column, value in numbers.items()}
