"""What ratings say of systems, of raters and of automatic metrics: the rows of a human evaluation.

Without ratings there are rows as well: status ``no_ratings``, n = 0, and how many ratings would settle each pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import KEY, ROW_COLUMNS, Row, fixed
from vibegrid.analyses.observations import ALL
from vibegrid.files import read_csv, write_csv, write_json
from vibegrid.folders import whole_folder
from vibegrid.human import estimates
from vibegrid.human.key import Key, read_key
from vibegrid.human.metric_preference import Scores, differences, rank_correlation
from vibegrid.human.power import ratings_needed
from vibegrid.human.ratings import Rating, read_ratings
from vibegrid.human.tallies import (
    RATER_COLUMNS,
    Rater,
    Tally,
    by_unit,
    consistencies,
    lefts,
    rater_rows,
    raters_of,
    wins,
)
from vibegrid.human.trials import COMPARE
from vibegrid.specs.human import (
    EVERYBODY,
    PREFERENCE,
    QUALITY_METRICS,
    SYSTEM_METRICS,
    RatingsSpec,
    pair_name,
    ratings_spec,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NO_RATINGS = "no_ratings"
ENOUGH_FOR_DESIGN = 20  # ratings of a pair and two raters: below, the design effect is assumed


class Panel(NamedTuple):
    """Everything that the rows are computed from."""

    spec: RatingsSpec
    key: Key
    everyone: list[Rater]
    raters: list[Rater]  # who counts
    clusters: list[str]
    draws: estimates.Draws
    won: Tally


def analyze_ratings(
    spec: Mapping[str, Any], *, pack: Path, scores: Sequence[Path], ratings: Path | None, out: Path
) -> None:
    """Write ``comparison.csv``, ``raters.csv`` and ``spec.json`` to the folder ``out``.

    Args:
        spec: a RatingsSpec.
        pack: folder of the pack.
        scores: folders of the scored runs that were heard.
        ratings: folder of the raters' files; None, missing or empty where nobody has rated yet.
        out: folder of the analysis.

    Raises:
        InputError: as `read_ratings` and `read_key`.
    """
    wanted = ratings_spec(spec)
    key = read_key(pack)
    found = read_ratings(ratings, key) if ratings is not None else []
    by_run = {folder.name: folder for folder in scores}
    read = {system: _scores(by_run[run], key.eval_set) for system, run in wanted.runs.items()} if found else {}
    panel = assemble(wanted, key, found)
    with whole_folder(out) as draft:
        write_csv(draft / "comparison.csv", rows_of(panel, read), ROW_COLUMNS)
        write_csv(draft / "raters.csv", rater_rows(panel.everyone, key), RATER_COLUMNS)
        write_json(draft / "spec.json", wanted.model_dump(mode="json"))


def _scores(folder: Path, eval_set: str) -> dict[str, dict[str, float]]:
    """Prompt to metric to value, of one scored run."""
    found: dict[str, dict[str, float]] = {}
    for row in read_csv(folder / "scores.csv"):
        if row["eval_set"] == eval_set and row["value"]:
            found.setdefault(row["id"], {})[row["metric"]] = float(row["value"])
    return found


def assemble(spec: RatingsSpec, key: Key, ratings: Sequence[Rating]) -> Panel:
    """Raters who count, and what they preferred."""
    everyone = raters_of(ratings, key, spec.settings.max_failed)
    raters = [rater for rater in everyone if not rater.excluded]
    clusters = sorted(set(key.clusters.values()))
    draws = estimates.draw(spec.seed, spec.experiment, max(len(raters), 1), len(clusters), spec.bootstrap)
    return Panel(spec, key, everyone, raters, clusters, draws, wins(raters, key, spec.pairs, clusters))


def rows_of(panel: Panel, scores: Scores) -> list[Row]:
    """Rows of `compare.ROW_COLUMNS`, all text, sorted by `compare.KEY`.

    `arm` is a pair of systems, a system, ``raters`` or an automatic metric. `n` counts ratings (of pairs and raters) or
    units (of metrics), `n_clusters` clusters of prompts, `n_dropped` the prompts of a pair that were not asked, since a
    sound was missing or both were the same.
    """
    rows = [*_pair_rows(panel), *_system_rows(panel), *_quality_rows(panel), *_metric_rows(panel, scores)]
    return sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


# pairs of systems ----------------------------------------------------------------------------------------------


def _pair_rows(panel: Panel) -> list[Row]:
    spec, won = panel.spec, panel.won
    shares = estimates.shares(won, panel.draws) if panel.raters else None
    effects = estimates.design_effects(won) if shares else None
    ps = estimates.sign_flip_p(won, 0.5, spec.seed, spec.experiment, spec.permutations) if shares else None
    rows = []
    for m, pair in enumerate(spec.pairs):
        n = int(won.counts[:, :, m].sum())
        base = _base(panel, pair_name(*pair)) | {"reference": pair[1], "system": spec.systems[pair[0]], "n": str(n)}
        base["n_dropped"] = str(len(panel.key.clusters) - len(_asked(panel.key, pair)))
        if shares is None or effects is None or ps is None or n == 0:
            rows += _needed_rows(panel, base, m, math.nan, math.nan)
            rows += [base | {"metric": metric, "status": NO_RATINGS} for metric in ("win_rate", "win_rate_all_prompts")]
            continue
        base["n_clusters"] = str(int((won.counts[:, :, m].sum(axis=0) > 0).sum()))
        cells = [float(each[m]) for each in (shares.mean, shares.low, shares.high)]
        rows.append(base | {"metric": "win_rate", "p_value": f"{ps[m]:.4g}"} | _numbers(*cells))
        everywhere = [_with_unasked(panel.key, pair, cell) for cell in cells]
        rows.append(base | {"metric": "win_rate_all_prompts"} | _numbers(*everywhere))
        known = n >= ENOUGH_FOR_DESIGN and len(panel.raters) > 1
        rows += _needed_rows(panel, base, m, cells[0], float(effects[m]) if known else math.nan)
    tested = [row for row in rows if row["p_value"]]
    for row, p in zip(tested, statistics.holm([float(row["p_value"]) for row in tested]), strict=True):
        row["p_holm"] = f"{p:.4g}"
    primary = (spec.primary.arm, spec.primary.metric)
    return [row | {"primary": _primary((row["arm"], row["metric"]) == primary)} for row in rows]


def _needed_rows(panel: Panel, base: Row, m: int, win_rate: float, effect: float) -> list[Row]:
    """How many ratings would settle a pair: for the smallest win rate that matters, and for the one observed."""
    settings = panel.spec.settings
    status = {"status": "ok" if base["n"] != "0" else NO_RATINGS}
    effect = settings.design_effect if math.isnan(effect) else effect
    level = settings.level / len(panel.spec.pairs)
    needed = ratings_needed(settings.smallest_win_rate, level=level, power=settings.power, design_effect=effect)
    rows = [base | status | {"metric": "ratings_needed", "mean": fixed(needed or math.nan)}]
    per_rater = _per_rater(panel.key, panel.spec.pairs[m])
    if needed and per_rater:
        rows.append(base | status | {"metric": "raters_needed", "mean": fixed(math.ceil(needed / per_rater))})
    if not math.isnan(win_rate):
        seen = None
        if 0 < win_rate < 1:
            seen = ratings_needed(win_rate, level=level, power=settings.power, design_effect=effect)
        row = base | {"metric": "ratings_needed_observed", "status": "ok" if seen else "no difference"}
        rows.append(row | {"mean": fixed(seen)} if seen else row)
    return rows


def _per_rater(key: Key, pair: tuple[str, str]) -> float:
    """Comparisons of a pair that a rater is asked, mean over the forms."""
    forms = {trial.form for trial in key.trials.values()}
    asked = sum(t.kind == COMPARE and set(key.systems_of(t)) == set(pair) for t in key.trials.values())
    return asked / len(forms) if forms else 0.0


def _asked(key: Key, pair: tuple[str, str]) -> set[str]:
    """Prompts on which a pair can be compared."""
    lost = {*key.same.get(pair_name(*pair), ()), *(p for system in pair for p in key.unheard[system])}
    return set(key.clusters) - lost


def _with_unasked(key: Key, pair: tuple[str, str], win_rate: float) -> float:
    """The win rate over all prompts: equal sounds are a tie, no sound loses to a sound, two without one are a tie."""
    first, second = (set(key.unheard[system]) for system in pair)
    ties = len(key.same.get(pair_name(*pair), ())) + len(first & second)
    return (win_rate * len(_asked(key, pair)) + 0.5 * ties + len(second - first)) / len(key.clusters)


# systems, raters, metrics --------------------------------------------------------------------------------------


def _system_rows(panel: Panel) -> list[Row]:
    systems = list(panel.spec.systems)
    of_pair = panel.won.counts.sum(axis=(0, 1))
    n = {s: int(sum(of_pair[m] for m, pair in enumerate(panel.spec.pairs) if s in pair)) for s in systems}
    found = None
    if all(n.values()):
        found = estimates.bradley_terry(panel.won, panel.spec.pairs, systems, panel.draws)
    rows = []
    for k, system in enumerate(systems):
        base = _base(panel, system) | {"metric": SYSTEM_METRICS[0], "system": panel.spec.systems[system]}
        base |= {"n": str(n[system]), "n_clusters": str(_rated_clusters(panel)), "primary": _primary(False)}
        cells = [float(each[k]) for each in found[:3]] if found else []
        rows.append(base | (_numbers(*cells) if cells else {"status": NO_RATINGS}))
    return rows


def _rated_clusters(panel: Panel) -> int:
    return int((panel.won.counts.sum(axis=(0, 2)) > 0).sum())


def _quality_rows(panel: Panel) -> list[Row]:
    """Agreement, position bias, self-consistency and exclusions."""
    base = _base(panel, EVERYBODY) | {"primary": _primary(False)}
    dropped = sum(len(rater.ratings) for rater in panel.everyone if rater.excluded)
    base |= {"n_clusters": str(_rated_clusters(panel)), "n_dropped": str(dropped)}
    excluded = base | {"metric": "raters_excluded", "n": str(len(panel.everyone))}
    if not panel.everyone:
        return [base | {"metric": metric, "n": "0", "status": NO_RATINGS} for metric in QUALITY_METRICS]
    rows = [excluded | {"mean": fixed(sum(bool(rater.excluded) for rater in panel.everyone))}]
    if not panel.raters:
        return rows + [base | {"metric": m, "n": "0", "status": NO_RATINGS} for m in QUALITY_METRICS[:-1]]
    raters, key, clusters = panel.raters, panel.key, panel.clusters
    sided = lefts(raters, key, clusters)
    bias = _share_row(panel, base | {"metric": "position_bias"}, sided, less=0.5)
    if bias["status"] == "ok":
        p = estimates.sign_flip_p(sided, 0.5, panel.spec.seed, "position", panel.spec.permutations)
        bias["p_value"] = f"{p[0]:.4g}"
    rows.append(bias)
    for metric, turned in (("self_consistency", False), ("self_consistency_reversed", True)):
        found = consistencies(raters, key, clusters, reversed_only=turned)
        rows.append(_share_row(panel, base | {"metric": metric}, found))
    return [*rows, _agreement_row(panel, base | {"metric": "krippendorff_alpha"})]


def _share_row(panel: Panel, base: Row, found: Tally, less: float = 0.0) -> Row:
    n = int(found.counts.sum())
    if n == 0:
        return base | {"n": "0", "status": NO_RATINGS}
    share = estimates.shares(found, panel.draws)
    return base | {"n": str(n)} | _numbers(*(float(each[0]) - less for each in share[:3]))


def _agreement_row(panel: Panel, base: Row) -> Row:
    """Krippendorff's alpha for interval data (1, 0.5, 0) over units with two raters or more; prompts are resampled."""
    import numpy as np

    from vibegrid.analyses.correlations import alpha

    units, values = by_unit(panel.raters, panel.key, panel.spec.pairs)
    shared = int(((~np.isnan(values)).sum(axis=1) >= 2).sum())
    place = {cluster: c for c, cluster in enumerate(panel.clusters)}
    clusters = [place[panel.key.clusters[prompt]] for prompt, _ in units]
    weights = np.vstack([np.ones(len(units)), panel.draws.clusters[:, clusters]])
    resampled = alpha(weights, values) if shared else np.full(1, np.nan)
    if math.isnan(resampled[0]):
        return base | {"n": str(shared), "status": "constant" if shared else "no shared trials"}
    low, high = statistics.interval(resampled[:1], resampled[1:, None])
    return base | {"n": str(shared)} | _numbers(float(resampled[0]), float(low[0]), float(high[0]))


def _metric_rows(panel: Panel, scores: Scores) -> list[Row]:
    """Rank correlation of each automatic metric with preference; no rows without ratings."""
    if not (panel.raters and scores):
        return []
    units, values = by_unit(panel.raters, panel.key, panel.spec.pairs)
    names, table = differences(units, scores)
    place = {cluster: c for c, cluster in enumerate(panel.clusters)}
    clusters = [place[panel.key.clusters[prompt]] for prompt, _ in units]
    rng = statistics.generator(panel.spec.seed, panel.spec.experiment, "metrics")
    signs = statistics.sign_vectors(rng, len(panel.clusters), panel.spec.permutations)
    rows = []
    for name, column in zip(names, table.T, strict=True):
        base = _base(panel, name) | {"metric": PREFERENCE, "primary": _primary(False)}
        found = rank_correlation(column, values, clusters, panel.draws, signs)
        if found is None:
            rows.append(base | {"status": "constant", "n": str(len(units))})
            continue
        p = "" if math.isnan(found.p) else f"{found.p:.4g}"
        sizes = {"n": str(found.n), "n_clusters": str(len(set(clusters))), "p_value": p}
        rows.append(base | sizes | _numbers(found.mean, found.low, found.high))
    tested = [row for row in rows if row["p_value"]]
    for row, p in zip(tested, statistics.holm([float(row["p_value"]) for row in tested]), strict=True):
        row["p_holm"] = f"{p:.4g}"
    return rows


def _base(panel: Panel, arm: str) -> Row:
    return dict.fromkeys(ROW_COLUMNS, "") | {
        "scale": panel.spec.scale,
        "experiment": panel.spec.experiment,
        "arm": arm,
        "status": "ok",
        "decoding": panel.spec.decoding,
        "eval_set": panel.key.eval_set,
        "subset": ALL,
        "n_seeds": "1",
        "n_clusters": "0",
        "n_dropped": "0",
    }


def _numbers(mean: float, low: float, high: float) -> Row:
    return {"mean": fixed(mean), "ci_low": fixed(low), "ci_high": fixed(high)}


def _primary(chosen: bool) -> str:
    return "confirmatory" if chosen else "exploratory"
