"""Known answers, invariances and calibration of the intervals and tests; and the comparison built on them."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibegrid.analyses import statistics
from vibegrid.analyses.compare import COLUMNS, KEY, ROW_COLUMNS, compare
from vibegrid.analyses.observations import tabulate
from vibegrid.errors import InputError

scores_lists = st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=2, max_size=20)


def one_seed(values):
    """Values of one seed, one prompt a cluster: sums and counts (1, C, 1)."""
    sums = np.array(values, dtype=float)[None, :, None]
    return sums, np.ones_like(sums)


def bootstrap(sums, counts, resamples=500, seed=0):
    rng = statistics.generator(seed, "test")
    clusters = statistics.cluster_weights(rng, sums.shape[1], resamples)
    seeds = statistics.seed_weights(rng, sums.shape[0], resamples)
    mean = statistics.means(sums, counts)
    return mean, *statistics.interval(mean, statistics.resampled_means(sums, counts, seeds, clusters))


def p_of(differences, permutations=2000, seed=0):
    differences = np.asarray(differences, dtype=float)[:, None]
    signs, exact = statistics.sign_vectors(statistics.generator(seed), len(differences), permutations)
    return float(statistics.sign_flip_p(differences, np.ones_like(differences), signs, exact)[0])


def test_mean_weighs_prompts_not_clusters():
    sums, counts = np.array([[[3.0], [1.0]]]), np.array([[[3.0], [1.0]]])
    sums[0, 0, 0] = 0.0  # three prompts of 0 in one cluster, one of 1 in the other
    assert statistics.means(sums, counts)[0] == 0.25


def test_resample_by_hand():
    sums, counts = np.array([[[1.0], [4.0]], [[3.0], [0.0]]]), np.array([[[1.0], [2.0]], [[1.0], [2.0]]])
    seeds, clusters = np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 2.0]])
    resampled = statistics.resampled_means(sums, counts, seeds, clusters)
    # first: seed 0 twice, both clusters: 2 * 5 / (2 * 3); second: both seeds, the second cluster twice: 8 / 8
    assert resampled[:, 0] == pytest.approx([10 / 6, 1.0])


def test_one_seed_varies_clusters_only():
    assert (statistics.seed_weights(statistics.generator(0), 1, 50) == 1).all()


def test_weights_resample_with_replacement():
    weights = statistics.cluster_weights(statistics.generator(1), 7, 4000)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.var() == pytest.approx(6 / 7, rel=0.05)  # binomial(7, 1/7)


def test_interval_of_a_mean_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 400)
    mean, low, high = bootstrap(*one_seed(values), resamples=4000)
    half = 1.96 * values.std() / 20
    assert (low[0], high[0]) == pytest.approx((mean[0] - half, mean[0] + half), abs=0.03)


def test_seeds_widen_the_interval():
    values = np.random.default_rng(0).normal(0, 0.1, (1, 40, 1))
    same = np.repeat(values, 3, axis=0)
    apart = same + np.array([-1.0, 0.0, 1.0])[:, None, None]
    _, low, high = bootstrap(same, np.ones_like(same))
    _, low_apart, high_apart = bootstrap(apart, np.ones_like(apart))
    assert high_apart - low_apart > 5 * (high - low)


def test_replicating_a_seed_does_not_narrow_the_interval():
    """Seeds answer the same prompts: three equal seeds know as much about prompts as one."""
    values = np.random.default_rng(0).normal(0, 1, (1, 30, 1))
    _, low, high = bootstrap(values, np.ones_like(values), resamples=3000)
    same = np.repeat(values, 3, axis=0)
    _, low3, high3 = bootstrap(same, np.ones_like(same), resamples=3000)
    assert high3 - low3 == pytest.approx(high - low, rel=0.05)


@settings(max_examples=60, deadline=None)
@given(scores_lists)
def test_interval_contains_the_mean(values):
    mean, low, high = bootstrap(*one_seed(values), resamples=200)
    assert low[0] <= mean[0] <= high[0]
    assert min(values) - 1e-9 <= low[0] and high[0] <= max(values) + 1e-9


@settings(max_examples=40, deadline=None)
@given(scores_lists, st.floats(-100, 100))
def test_interval_moves_with_the_scores(values, shift):
    _, low, high = bootstrap(*one_seed(values), resamples=200)
    _, low2, high2 = bootstrap(*one_seed([value + shift for value in values]), resamples=200)
    assert (low2[0], high2[0]) == pytest.approx((low[0] + shift, high[0] + shift), abs=1e-6)


def test_coverage_of_the_interval():
    rng = np.random.default_rng(3)
    hits = 0
    for draw in range(300):
        _, low, high = bootstrap(*one_seed(rng.normal(1, 1, 30)), resamples=400, seed=draw)
        hits += low[0] <= 1 <= high[0]
    assert 0.89 <= hits / 300 <= 0.98


def test_sign_flip_exact_by_hand():
    assert p_of([1, 1, 1]) == pytest.approx(2 / 8)
    assert p_of([1, 2, 3, -4]) == pytest.approx(_by_enumeration([1, 2, 3, -4]))
    assert p_of([5]) == 1.0
    assert p_of([0, 0, 0]) == 1.0


def _by_enumeration(differences):
    every = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(value >= abs(sum(differences)) for value in every) / len(every)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-10, 10), min_size=1, max_size=8))
def test_sign_flip_exact_matches_enumeration(differences):
    assert p_of(differences) == pytest.approx(_by_enumeration(differences), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3, allow_nan=False), min_size=1, max_size=25))
def test_p_is_in_range_and_two_sided(differences):
    p = p_of(differences, permutations=300)
    assert 0 < p <= 1
    assert p == p_of([-value for value in differences], permutations=300)


def test_monte_carlo_never_gives_zero():
    assert p_of([1.0] * 40, permutations=999) == pytest.approx(1 / 1000)


def test_few_clusters_of_many_are_enumerated():
    differences, weights = np.zeros((20, 2)), np.ones((20, 2))
    differences[:3, 0], weights[3:, 0] = 1.0, 0.0
    signs, exact = statistics.sign_vectors(statistics.generator(0), 20, 500)
    p = statistics.sign_flip_p(differences, weights, signs, exact)
    assert p[0] == pytest.approx(0.25) and p[1] == 1.0
    assert np.isnan(statistics.sign_flip_p(differences, np.zeros((20, 2)), signs, exact)).all()


@pytest.mark.parametrize("clusters", [10, 30])
def test_sign_flip_is_calibrated_under_the_null(clusters):
    rng = np.random.default_rng(clusters)
    p = np.array([p_of(rng.standard_t(3, clusters), permutations=500, seed=i) for i in range(600)])
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).mean() == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 600))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    assert statistics.holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_generators_depend_on_names_only():
    first, second = statistics.generator(0, "a", "b"), statistics.generator(0, "a", "b")
    assert first.integers(1 << 30) == second.integers(1 << 30)
    assert statistics.generator(0, "ab").integers(1 << 30) != statistics.generator(0, "a", "b").integers(1 << 30)


# the comparison


def rows_of(values, eval_set="short_prompts", metric="reward", per_cluster=1):
    return [
        {
            "eval_set": eval_set,
            "id": f"p{i:02}",
            "subset_keys": json.dumps({"familiarity": "seen" if i % 2 else "unseen"}),
            "cluster": f"c{i // per_cluster:02}",
            "metric": metric,
            "value": value,
        }
        for i, value in enumerate(values)
    ]


def make_spec(arms, **changes):
    return {
        "scale": "mini",
        "experiment": "demo",
        "reference": "a",
        "primary": {"metric": "reward", "eval_set": "short_prompts"},
        "arms": [{"arm": arm, "system": "sft", "value": None, "runs": runs} for arm, runs in arms.items()],
        "bootstrap": 400,
        "permutations": 500,
    } | changes


def pick(rows, arm, subset="all", metric="reward"):
    return next(r for r in rows if (r["arm"], r["subset"], r["metric"]) == (arm, subset, metric))


def test_compare_known_difference():
    base = np.linspace(0, 1, 20)
    scores = {"r1": rows_of(base), "r2": rows_of(base + 0.1), "r3": rows_of(base)}
    statuses = {"r2": {"status": "ok", "reason": "", "n_dropped": 4, "steps": 40, "tokens": 900}}
    statuses["r2"] |= {"reward_slope": 0.004, "reward_slope_se": 0.001}
    rows = compare(make_spec({"a": ["r1"], "b": ["r2"], "c": ["r3"]}), scores, statuses)
    moved, same = pick(rows, "b"), pick(rows, "c")
    assert moved["delta"] == moved["delta_low"] == moved["delta_high"] == "0.100000"
    assert float(moved["p_value"]) == pytest.approx(1 / 501, rel=1e-3)
    assert float(moved["p_holm"]) == pytest.approx(2 * float(moved["p_value"]), rel=1e-3)
    assert (same["delta"], same["p_value"]) == ("0.000000", "1")
    assert (moved["n"], moved["n_clusters"], moved["n_seeds"], moved["n_dropped"]) == ("20", "20", "1", "4")
    assert pick(rows, "a")["p_value"] == "" and pick(rows, "a")["delta"] == ""
    assert pick(rows, "b")["primary"] == "confirmatory" and pick(rows, "b", "seen")["primary"] == "exploratory"
    assert pick(rows, "b", metric="train_steps")["mean"] == "40.000000"
    slope = pick(rows, "b", metric="train_reward_slope")
    assert (slope["mean"], slope["ci_low"], slope["ci_high"]) == ("0.004000", "0.002040", "0.005960")
    assert {row["subset"] for row in rows} == {"all", "seen", "unseen"}
    assert all(tuple(row) == ROW_COLUMNS for row in rows) and ROW_COLUMNS[: len(COLUMNS)] == COLUMNS
    assert rows == sorted(rows, key=lambda row: tuple(row[column] for column in KEY))


def test_the_reference_under_another_name_is_not_compared():
    """It has no test, and the other arms' p-values pay for no comparison with it."""
    base = np.linspace(0, 1, 20)
    scores = {"r1": rows_of(base), "r2": rows_of(base + 0.1)}
    rows = compare(make_spec({"a": ["r1"], "b": ["r2"], "again": ["r1"]}), scores, {})
    again, moved = pick(rows, "again"), pick(rows, "b")
    assert (again["mean"], again["delta"], again["p_value"]) == (pick(rows, "a")["mean"], "", "")
    assert moved["p_holm"] == moved["p_value"]


def test_compare_is_deterministic_and_ignores_order_and_other_arms():
    rng = np.random.default_rng(0)
    scores = {name: rows_of(rng.random(20), per_cluster=2) for name in ("r1", "r2", "r3")}
    spec = make_spec({"a": ["r1", "r2"], "b": ["r3"]})
    rows = compare(spec, scores, {})
    shuffled = {name: list(reversed(scores[name])) for name in reversed(scores)}
    as_text = {name: [row | {"value": repr(float(row["value"]))} for row in r] for name, r in shuffled.items()}
    assert rows == compare(spec, as_text, {})
    more = compare(make_spec({"a": ["r1", "r2"], "b": ["r3"], "c": ["r1"]}), scores, {})
    numbers = ("mean", "ci_low", "ci_high", "delta_low", "delta_high", "p_value")
    assert [pick(rows, "b")[k] for k in numbers] == [pick(more, "b")[k] for k in numbers]
    assert len(pick(rows, "a")["seed_means"].split()) == 2


def test_compare_failed_and_partial_arms():
    failed = {"status": "failed", "reason": "no row left", "n_dropped": 64, "steps": 0, "tokens": 0}
    spec = make_spec({"a": ["r1"], "b": ["r2"], "c": ["r1", "r2"]})
    rows = compare(spec, {"r1": rows_of([0.1, 0.2, 0.3])}, {"r2": failed})
    lost = [row for row in rows if row["arm"] == "b"]
    assert len(lost) == 1
    assert (lost[0]["status"], lost[0]["mean"], lost[0]["n_dropped"]) == ("failed", "", "64")
    assert (lost[0]["eval_set"], lost[0]["metric"], lost[0]["p_holm"]) == ("short_prompts", "reward", "")
    assert pick(rows, "c")["status"] == "partial" and pick(rows, "c")["n_seeds"] == "1"


def test_compare_without_a_reference_that_works():
    spec = make_spec({"a": ["r1"], "b": ["r2"]})
    rows = compare(spec, {"r2": rows_of([0.5, 0.5])}, {"r1": {"status": "failed"}})
    assert pick(rows, "b")["mean"] == "0.500000" and pick(rows, "b")["p_value"] == ""


def test_metric_that_does_not_apply_is_left_out():
    rows = rows_of([0.0, 1.0, 1.0], per_cluster=2)
    rows[0]["value"] = ""
    found = pick(compare(make_spec({"a": ["r1"]}), {"r1": rows}, {}), "a")
    assert (found["mean"], found["n"], found["n_clusters"]) == ("1.000000", "2", "2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "nan"}, "no finite number"),
        ({"value": "abc"}, "no finite number"),
        ({"subset_keys": "[1]"}, "JSON object"),
        ({"subset_keys": "{"}, "JSON object"),
        ({"id": "p01"}, "occurs twice"),
    ],
)
def test_bad_scores_are_one_line(change, message):
    rows = rows_of([0.1, 0.2])
    rows[0] |= change
    with pytest.raises(InputError, match=message) as error:
        compare(make_spec({"a": ["r1"]}), {"r1": rows}, {})
    assert "r1" in str(error.value) and "\n" not in str(error.value)


def test_arms_that_answered_different_prompts_are_refused():
    spec = make_spec({"a": ["r1"], "b": ["r2"]})
    with pytest.raises(InputError, match="other prompts than in r1: 1 differ"):
        compare(spec, {"r1": rows_of([0.1, 0.2]), "r2": rows_of([0.1, 0.2, 0.3])}, {})


def test_missing_column_and_missing_run():
    with pytest.raises(InputError, match="cluster"):
        tabulate({"r1": [{"eval_set": "s", "id": "1", "subset_keys": "{}", "metric": "m", "value": 1}]}, ())
    with pytest.raises(InputError, match="no scores of run 'r2'"):
        compare(make_spec({"a": ["r1"], "b": ["r2"]}), {"r1": rows_of([1.0])}, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "zz"}, "no arm"),
        ({"experiment": "../x"}, "experiment"),
        ({"nonsense": 1}, "nonsense"),
        ({"arms": []}, "arms"),
    ],
)
def test_bad_spec_is_one_line(change, message):
    with pytest.raises(InputError, match=message):
        compare(make_spec({"a": ["r1"]}) | change, {"r1": rows_of([1.0])}, {})
