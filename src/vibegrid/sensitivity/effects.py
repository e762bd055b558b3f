"""What a move of one field changes, beyond what another seed changes, with intervals and tests.

A cosine distance of unit vectors is half a squared distance, so noise and effect add up in it, and the difference to
the distance of another seed is the effect's own. A measure's shift is an absolute change in standard deviations, where
they add up to less than their sum: a small effect beside much noise reads too small, never too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import ROW_COLUMNS, Row, fixed
from vibegrid.schema import FIELDS
from vibegrid.sensitivity.listening import Heard
from vibegrid.specs.sensitivity import (
    ACOUSTIC,
    ALL_FIELDS,
    ANOTHER_SEED,
    CONFIGS,
    EMBEDDING,
    HEARD,
    SHIFT,
    SensitivitySpec,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def shifts(heard: Heard, spread: Floats) -> Floats:
    """How far each render lies from its base: (N, 1 + F, 2 + M), another seed first, then the fields.

    The last axis: cosine distance of embeddings (0 to 2), mean absolute change of the measures, and the absolute
    change of each measure, both in units of `spread`.

    Args:
        heard: of N stars.
        spread: (M,), standard deviations of the measures over random configs.
    """
    import numpy as np

    base, others = heard.embeddings[:, :1], heard.embeddings[:, 1:]
    lengths = np.linalg.norm(base, axis=2) * np.linalg.norm(others, axis=2)
    cosine = np.divide((base * others).sum(axis=2), lengths, out=np.zeros(lengths.shape), where=lengths > 0)
    changes = np.abs(heard.measures[:, 1:] - heard.measures[:, :1]) / spread
    return np.concatenate([1.0 - cosine[:, :, None], changes.mean(axis=2, keepdims=True), changes], axis=2)


def effect_rows(spec: SensitivitySpec, moved: Floats, measures: Sequence[str]) -> list[Row]:
    """Rows of `compare.ROW_COLUMNS`: `mean` is the shift itself, `delta` what it is beyond another seed's.

    `heard` is 1 where the interval of `delta` lies above 0. p: two-sided sign-flip test over the bases, Holm over the
    fields of one metric.

    Args:
        spec: the analysis.
        moved: from `shifts`.
        measures: names of its last axis, after the first two.
    """
    import numpy as np

    bases, arms = len(moved), [ANOTHER_SEED, *FIELDS]
    names = [EMBEDDING, ACOUSTIC, *measures]
    drawn = statistics.cluster_weights(statistics.generator(spec.seed, spec.experiment, "bases"), bases, spec.bootstrap)
    signs, exact = statistics.sign_vectors(
        statistics.generator(spec.seed, spec.experiment, "signs"), bases, spec.permutations
    )
    rows: list[Row] = []
    for index, name in enumerate(names):
        values = moved[:, :, index]  # (N, 1 + F)
        beyond = values - values[:, :1]
        mean, excess = values.mean(axis=0), beyond.mean(axis=0)
        low, high = statistics.interval(mean, drawn @ values / bases)
        first, last = statistics.interval(excess, drawn @ beyond / bases)
        p = statistics.sign_flip_p(beyond, np.ones(beyond.shape), signs, exact)
        holm = [np.nan, *statistics.holm([float(value) for value in p[1:]])]
        for arm, field in enumerate(arms):
            row = blank(spec, field, name + SHIFT, bases) | _numbers(mean[arm], low[arm], high[arm])
            if arm:
                row |= {"delta": fixed(excess[arm]), "delta_low": fixed(first[arm]), "delta_high": fixed(last[arm])}
                row |= {"p_value": f"{p[arm]:.4g}", "p_holm": f"{holm[arm]:.4g}"}
            rows.append(row)
        if name in HEARD:
            rows += _heard(spec, HEARD[name], first[1:], bases)
    return rows


def _heard(spec: SensitivitySpec, metric: str, lows: Floats, bases: int) -> list[Row]:
    marks = [float(low > 0) for low in lows]
    rows = [
        blank(spec, field, metric, bases) | {"mean": fixed(mark)} for field, mark in zip(FIELDS, marks, strict=True)
    ]
    share = blank(spec, ALL_FIELDS, metric, len(marks)) | {"mean": fixed(sum(marks) / len(marks))}
    return [*rows, share]


def blank(spec: SensitivitySpec, arm: str, metric: str, n: int) -> Row:
    """A row without its numbers."""
    return dict.fromkeys(ROW_COLUMNS, "") | {
        "scale": spec.scale,
        "experiment": spec.experiment,
        "arm": arm,
        "reference": ANOTHER_SEED,
        "status": "ok",
        "decoding": spec.decoding,
        "eval_set": CONFIGS,
        "subset": "all",
        "metric": metric,
        "primary": "confirmatory" if metric == EMBEDDING + SHIFT else "exploratory",
        "n": str(n),
        "n_clusters": str(n),
        "n_seeds": "1",
    }


def _numbers(mean: Any, low: Any, high: Any) -> Row:
    return {"mean": fixed(mean), "ci_low": fixed(low), "ci_high": fixed(high)}
