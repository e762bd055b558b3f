"""How far scores of the same renders agree: correlations of pairs, agreement of raters, with intervals and tests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import KEY, ROW_COLUMNS, Row, fixed
from vibegrid.analyses.correlations import (
    Draws,
    alpha,
    between_systems,
    draw_numbers,
    kendall,
    kendall_p,
    pearson,
    permutation_p,
    sign_matrix,
    spearman,
    standardised,
    within_prompts,
)
from vibegrid.analyses.observations import ALL, Table, tabulate
from vibegrid.errors import InputError
from vibegrid.evals.parts import PARTS
from vibegrid.files import read_csv, read_json, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.specs.agreement import ALPHA, PAIR_METRICS, AgreementSpec, agreement_spec, pair_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST_SYSTEMS = 3  # with two, a rank correlation across systems is 1 or -1 whatever they are
POINT_COLUMNS = ("system", "run", "id", "cluster")


class Part(NamedTuple):
    """One subset of the eval set."""

    subset: str
    clusters: list[str]  # of each prompt
    renders: list[Floats]  # of each system, in alphabetical order: (runs, P, scores), NaN where missing
    draws: Draws


def measure_agreement(spec: Mapping[str, Any], *, folders: Sequence[Path], out: Path) -> None:
    """Write ``comparison.csv``, ``points.csv`` (one row a render) and ``spec.json`` (with the runs used) to ``out``.

    Args:
        spec: an AgreementSpec; its runs are names of ``folders``.
        folders: folders of scores; a run whose training failed has none and is left out.
        out: folder of the analysis.

    Raises:
        InputError: as `agreement`, or every run failed.
    """
    parsed = agreement_spec(spec)
    failed = {folder.name for folder in folders if read_json(folder / PARTS)["run"]["status"] == "failed"}
    scores = {folder.name: read_csv(folder / "scores.csv") for folder in folders if folder.name not in failed}
    wanted = {system: [run for run in runs if run not in failed] for system, runs in parsed.runs.items()}
    left = parsed.model_copy(update={"runs": {system: tuple(runs) for system, runs in wanted.items() if runs}})
    if not left.runs:
        raise InputError(f"experiment {parsed.experiment}", "the training of every system failed")
    with whole_folder(out) as draft:
        write_csv(draft / "comparison.csv", agreement(left, scores), ROW_COLUMNS)
        write_csv(draft / "points.csv", points(left, scores), (*POINT_COLUMNS, *parsed.all_scores))
        write_json(draft / "spec.json", left.model_dump(mode="json"))


def agreement(spec: AgreementSpec | Mapping[str, Any], scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Rows of `compare.ROW_COLUMNS`, all text, sorted by `compare.KEY`; the same bytes for the same input.

    `arm` is a pair, a score or a group of raters. `n` counts units, for ``within_prompt_spearman`` prompts with a
    coefficient, for ``between_system_spearman`` systems; `n_clusters` clusters of prompts, `n_seeds` runs, and
    `n_dropped` renders that lack a score. `status` is ``ok``, or says why there is no number: ``no scores``,
    ``constant`` (a score that does not vary), ``too few systems``. `p_value` is two-sided; `p_holm` is adjusted
    over the pairs of one (metric, subset).

    Args:
        spec: the analysis.
        scores: run -> rows of its scores.csv (`observations.COLUMNS`); other eval sets are left out.

    Raises:
        InputError: a run has no scores on the eval set, or a score is malformed.
    """
    spec = agreement_spec(spec)
    tables, clusters = _read(spec, scores)
    rows: list[Row] = []
    for table in tables:
        of_prompt = [clusters[prompt] for prompt in table.clusters]
        where = (spec.experiment, spec.eval_set, table.subset)
        draws = draw_numbers(spec.seed, where, len(spec.runs), of_prompt, spec.bootstrap, spec.permutations)
        part = Part(table.subset, of_prompt, _renders(table, spec), draws)
        rows += [*_pair_rows(spec, part), *_score_rows(spec, part), *_rater_rows(spec, part)]
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def points(
    spec: AgreementSpec | Mapping[str, Any], scores: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, str]]:
    """Every render with its scores, by system, run and prompt; an empty cell is a score that is missing."""
    spec = agreement_spec(spec)
    tables, clusters = _read(spec, scores)
    whole = next(table for table in tables if table.subset == ALL)
    found = []
    for system, block in zip(sorted(spec.runs), _renders(whole, spec), strict=True):
        for run, values in zip(spec.runs[system], block, strict=True):
            for prompt, numbers in zip(whole.clusters, values, strict=True):
                row = dict(zip(POINT_COLUMNS, (system, run, prompt, clusters[prompt]), strict=True))
                found.append(row | dict(zip(spec.all_scores, map(fixed, numbers), strict=True)))
    return found


# scores -> arrays ----------------------------------------------------------------------------------------------


def _read(spec: AgreementSpec, scores: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[list[Table], dict[str, str]]:
    """Tables whose "clusters" are the prompts, and the cluster of each prompt."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for run in (run for runs in spec.runs.values() for run in runs):
        rows[run] = [row for row in scores.get(run, ()) if row["eval_set"] == spec.eval_set]
        if not rows[run]:
            raise InputError(f"experiment {spec.experiment}", f"run {run!r} has no scores on {spec.eval_set}")
    by_prompt = {
        run: [{**row, "cluster": row["id"]} if "cluster" in row else row for row in found]
        for run, found in rows.items()
    }
    tables = tabulate(by_prompt, spec.subsets)
    clusters = {str(row["id"]): str(row["cluster"] or row["id"]) for found in rows.values() for row in found}
    return tables, clusters


def _renders(table: Table, spec: AgreementSpec) -> list[Floats]:
    """The scores of each system's renders, systems in alphabetical order: (runs, P, scores) each, NaN where missing."""
    import numpy as np

    column = {metric: index for index, metric in enumerate(table.metrics)}
    found = []
    for system in sorted(spec.runs):
        sums, counts = table.of(spec.runs[system])
        block = np.full((*sums.shape[:2], len(spec.all_scores)), np.nan)
        for index, score in enumerate(spec.all_scores):
            if score in column:
                there = counts[:, :, column[score]] > 0
                block[:, :, index] = np.where(there, sums[:, :, column[score]], np.nan)
        found.append(block)
    return found


def _units(renders: Sequence[Floats], columns: Sequence[int]) -> Floats:
    """Means over the renders that have all the scores: (S, P, scores), NaN where there is none.

    Rounded, so that equal scores stay equal in whatever order they were summed.
    """
    import numpy as np

    means = []
    for block in renders:
        chosen = block[:, :, list(columns)]
        whole = ~np.isnan(chosen).any(axis=2, keepdims=True)
        count, total = whole.sum(axis=0), np.where(whole, chosen, 0.0).sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return np.round(np.stack(means).astype(np.float64), 12)


# rows ----------------------------------------------------------------------------------------------------------


def _pair_rows(spec: AgreementSpec, part: Part) -> list[Row]:
    rows = []
    for pair in spec.all_pairs:
        base = _base(spec, part, pair_name(*pair), pair)
        units = _units(part.renders, [spec.all_scores.index(score) for score in pair])
        cells = _over_units(units, part.draws) + _over_systems(units, part.draws)
        rows += [base | _primary(spec, part, base["arm"], each["metric"]) | each for each in cells]
    for metric in PAIR_METRICS:
        family = [row for row in rows if row["metric"] == metric and row["p_value"]]
        for row, p in zip(family, statistics.holm([float(row["p_value"]) for row in family]), strict=True):
            row["p_holm"] = f"{p:.4g}"
    return rows


def _over_units(units: Floats, draws: Draws) -> list[Row]:
    """Correlations for which a unit is a point; units (S, P, 2)."""
    import numpy as np

    x, y = units[:, :, 0], units[:, :, 1]
    there = ~np.isnan(x)
    if not there.any():
        return [_cells(metric, None, 0, status="no scores") for metric in ("spearman", "pearson", "kendall")]
    signs, n = (sign_matrix(x.ravel()), sign_matrix(y.ravel())), int(there.sum())
    ranks = (standardised(signs[0]).reshape(x.shape), standardised(signs[1]).reshape(x.shape))
    apart = (np.where(there, x - x[there].mean(), 0.0), np.where(there, y - y[there].mean(), 0.0))
    found = {
        "spearman": (spearman(draws.units, *signs), permutation_p(*ranks, there, draws)),
        "pearson": (pearson(draws.units, x.ravel(), y.ravel()), permutation_p(*apart, there, draws)),
        "kendall": (kendall(draws.units, *signs), kendall_p(*signs, draws)),
    }
    return [_cells(metric, resampled, n, p) for metric, (resampled, p) in found.items()]


def _over_systems(units: Floats, draws: Draws) -> list[Row]:
    """Correlations for which a system is a point: within each prompt, and of the systems' means."""
    import numpy as np

    x, y = units[:, :, 0], units[:, :, 1]
    there: Any = ~np.isnan(x)
    known = there.any(axis=1)
    systems = int(known.sum())
    if systems < FEWEST_SYSTEMS:
        status = "too few systems" if systems else "no scores"
        return [_cells(metric, None, systems, status=status) for metric in PAIR_METRICS[3:]]
    signs = (sign_matrix(x), sign_matrix(y))
    within, coefficients = within_prompts(draws, *signs)
    defined = ~np.isnan(coefficients)
    ranks = (standardised(signs[0]) * defined, standardised(signs[1]) * defined)
    p_within = permutation_p(*ranks, there & defined, draws)
    between, (rank_x, rank_y) = between_systems(draws, x, y)
    one_prompt = draws._replace(prompt_orders=np.zeros((len(draws.system_orders), 1), dtype=np.intp))
    p_between = permutation_p(rank_x[:, None], rank_y[:, None], known[:, None], one_prompt)
    return [
        _cells("within_prompt_spearman", within, int(defined.sum()), p_within),
        _cells("between_system_spearman", between, systems, p_between),
    ]


def _score_rows(spec: AgreementSpec, part: Part) -> list[Row]:
    """Mean, standard deviation (of the units) and share of missing renders of each score."""
    import numpy as np

    rows, weights = [], part.draws.units
    for index, score in enumerate(spec.all_scores):
        values = _units(part.renders, [index])[:, :, 0].ravel()
        there = ~np.isnan(values)
        used, values = weights[:, there], values[there]
        size = used.sum(axis=1)
        mean = np.divide(used @ values, size, out=np.full(len(used), np.nan), where=size > 0)
        squares = (used * (values[None, :] - mean[:, None]) ** 2).sum(axis=1)
        sd = np.sqrt(np.divide(squares, size - 1, out=np.full(len(used), np.nan), where=size > 1))
        missing = np.stack([np.isnan(block[:, :, index]).mean(axis=0) for block in part.renders]).ravel()
        cells = [
            _cells("mean", mean, len(values), status="no scores"),
            _cells("sd", sd, len(values), status="no scores"),
            _cells("share_of_errors", weights @ missing / weights.sum(axis=1), len(missing)),
        ]
        base = _base(spec, part, score, [score])
        rows += [base | _primary(spec, part, score, each["metric"]) | each for each in cells]
    return rows


def _rater_rows(spec: AgreementSpec, part: Part) -> list[Row]:
    import numpy as np

    rows = []
    for group, scores in spec.raters.items():
        columns = [spec.all_scores.index(score) for score in scores]
        values = np.stack([_units(part.renders, [index])[:, :, 0].ravel() for index in columns], axis=1)
        n = int(((~np.isnan(values)).sum(axis=1) >= 2).sum())
        cells = _cells(ALPHA, alpha(part.draws.units, values), n, status="constant" if n else "no scores")
        rows.append(_base(spec, part, group, scores) | _primary(spec, part, group, ALPHA) | cells)
    return rows


def _base(spec: AgreementSpec, part: Part, arm: str, scores: Sequence[str]) -> Row:
    """A row without its numbers; a render counts where it has all the scores (one of them, of raters)."""
    import numpy as np

    columns = [spec.all_scores.index(score) for score in scores]
    needed = any if arm in spec.raters else all
    whole = [
        np.asarray([[needed(~np.isnan(cell[columns])) for cell in run] for run in block]) for block in part.renders
    ]
    there = np.any([block.any(axis=0) for block in whole], axis=0)
    return dict.fromkeys(ROW_COLUMNS, "") | {
        "scale": spec.scale,
        "experiment": spec.experiment,
        "arm": arm,
        "decoding": spec.decoding,
        "eval_set": spec.eval_set,
        "subset": part.subset,
        "n_clusters": str(len({cluster for cluster, used in zip(part.clusters, there, strict=True) if used})),
        "n_seeds": str(sum(int(block.any(axis=1).sum()) for block in whole)),
        "n_dropped": str(sum(int((~block).sum()) for block in whole)),
    }


def _primary(spec: AgreementSpec, part: Part, arm: str, metric: str) -> Row:
    chosen = (spec.primary.arm, spec.primary.metric, ALL)
    return {"primary": "confirmatory" if (arm, metric, part.subset) == chosen else "exploratory"}


def _cells(metric: str, resampled: Floats | None, n: int, p: float = math.nan, status: str = "constant") -> Row:
    """Estimate (the first of `resampled`) with its interval; where there is none, `status` says why."""
    row = {"metric": metric, "n": str(n), "status": "ok"}
    if resampled is None or math.isnan(resampled[0]):
        return row | {"status": status}
    low, high = statistics.interval(resampled[:1], resampled[1:, None])
    row |= {"mean": fixed(resampled[0]), "ci_low": fixed(low[0]), "ci_high": fixed(high[0])}
    return row | {"p_value": "" if math.isnan(p) else f"{p:.4g}"}
