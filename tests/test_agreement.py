"""Agreement of scores: known correlations, invariances, scipy on explicit resamples, odd input, the figure."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vibegrid.analyses.agreement import agreement, alpha, measure_agreement, points
from vibegrid.analyses.compare import ROW_COLUMNS
from vibegrid.analyses.readings import Rows
from vibegrid.errors import InputError
from vibegrid.figures import style
from vibegrid.figures.agreement import arm_labels, caption, cloud, draw
from vibegrid.figures.training_curves import panel_columns
from vibegrid.files import read_csv, read_json, write_csv, write_json
from vibegrid.specs.agreement import agreement_spec

PAIR = "clap_score ~ judge_final"
spearmanr: Any = stats.spearmanr
SCORE_COLUMNS = ("eval_set", "id", "subset_keys", "cluster", "metric", "value")
NASTY = "<b>a|b_c 100% $x$ {y} \\z"


def correlated(rho, systems=12, prompts=40, seed=0, columns=2, system_sd=0.5, prompt_sd=0.5):
    """Normal scores (systems, prompts, columns) whose parts by system, by prompt and of their own correlate by rho."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(np.full((columns, columns), rho) + (1 - rho) * np.eye(columns))

    def part(*shape):
        return rng.normal(size=(*shape, columns)) @ root.T

    return part(systems, prompts) + system_sd * part(systems, 1) + prompt_sd * part(1, prompts)


def case(values, names=("clap_score", "judge_final"), cluster=lambda prompt: prompt, **spec):
    """(spec, scores) of values (S, P, columns); NaN is a score that is missing."""
    scores = {}
    for system, block in enumerate(values):
        rows = [row_of(prompt, "json_valid", 1.0, cluster) for prompt in range(len(block))]
        for prompt, numbers in enumerate(block):
            rows += [row_of(prompt, m, v, cluster) for m, v in zip(names, numbers, strict=True) if not np.isnan(v)]
        scores[f"run-{system}"] = rows
    defaults = {
        "scale": "mini",
        "experiment": "clap_vs_llm",
        "title": "CLAP against the judge",
        "question": "Do they agree?",
        "scores": list(names[:2]),
        "runs": {f"system {number}": [f"run-{number}"] for number in range(len(values))},
        "primary": {"metric": "spearman", "arm": " ~ ".join(names[:2])},
        "bootstrap": 300,
        "permutations": 500,
    }
    return defaults | spec, scores


def row_of(prompt, metric, value, cluster=lambda prompt: prompt):
    return {
        "eval_set": "short_prompts",
        "id": f"short-{prompt:02d}",
        "subset_keys": json.dumps({"familiarity": "unseen" if prompt % 3 == 0 else "seen"}),
        "cluster": f"c{cluster(prompt):02d}",
        "metric": metric,
        "value": f"{value:.6f}",
    }


def found(rows, metric, arm=PAIR, subset="all"):
    (row,) = (row for row in rows if (row["arm"], row["metric"], row["subset"]) == (arm, metric, subset))
    return row


def numbers(row, *columns):
    return [float(row[column]) for column in columns or ("mean", "ci_low", "ci_high")]


# known answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.7])
def test_a_known_correlation_is_found_and_covered(rho):
    rows = agreement(*case(correlated(rho)))
    expected = {"pearson": rho, "spearman": 6 / np.pi * np.arcsin(rho / 2), "kendall": 2 / np.pi * np.arcsin(rho)}
    for metric, true in expected.items():
        mean, low, high = numbers(found(rows, metric))
        assert abs(mean - true) < 0.15 and low <= true <= high, metric
    small = [float(found(rows, metric)["p_value"]) < 0.02 for metric in (*expected, "within_prompt_spearman")]
    assert all(small) if rho else not any(small)


def test_tests_of_independent_scores_reject_rarely():
    p = [
        float(row["p_value"])
        for seed in range(12)
        for row in agreement(*case(correlated(0.0, 6, 20, seed, system_sd=1.0), bootstrap=100, permutations=200))
        if row["p_value"] and row["subset"] == "all"
    ]
    assert len(p) == 60 and np.mean(np.array(p) < 0.05) < 0.2 and np.median(p) > 0.2


def test_the_numbers_are_those_of_scipy():
    values = np.round(correlated(0.5, 6, 15, seed=3), 1)
    values[1, 3, 1] = values[2, :2, 0] = np.nan
    rows = agreement(*case(values))
    x, y = np.where(np.isnan(values).any(axis=2)[:, :, None], np.nan, values).transpose(2, 0, 1)
    there = ~np.isnan(x)
    each = [spearmanr(x[there[:, p], p], y[there[:, p], p])[0] for p in range(15)]
    expected = {
        "spearman": spearmanr(x[there], y[there])[0],
        "pearson": stats.pearsonr(x[there], y[there])[0],
        "kendall": stats.kendalltau(x[there], y[there])[0],
        "within_prompt_spearman": np.nanmean(each),
        "between_system_spearman": spearmanr(np.nanmean(x, axis=1), np.nanmean(y, axis=1))[0],
    }
    for metric, value in expected.items():
        row = found(rows, metric)
        assert float(row["mean"]) == pytest.approx(value, abs=1e-6), metric
        assert (row["n_clusters"], row["n_seeds"], row["n_dropped"]) == ("15", "6", "3")
    sizes = {metric: int(found(rows, metric)["n"]) for metric in expected}
    assert list(sizes.values()) == [87, 87, 87, 15, 6]


def test_statistics_of_resamples_are_those_of_scipy_on_the_resampled_units():
    from vibegrid.analyses import agreement as module

    values = np.round(correlated(0.4, 5, 12, seed=8), 1)
    values[1, 3] = values[2, :2] = np.nan
    draws = module.draw_numbers(0, ("a", "b"), 5, [f"c{prompt // 2}" for prompt in range(12)], 100, 100)
    x, y = values[:, :, 0], values[:, :, 1]
    signs = module.sign_matrix(x.ravel()), module.sign_matrix(y.ravel())
    inside = module.sign_matrix(x), module.sign_matrix(y)
    results = [
        module.spearman(draws.units, *signs),
        module.pearson(draws.units, x.ravel(), y.ravel()),
        module.kendall(draws.units, *signs),
        module.within_prompts(draws, *inside)[0],
        module.between_systems(draws, x, y)[0],
    ]
    for number in range(1, 25):
        rows, columns = (np.repeat(np.arange(w.shape[1]), w[number].astype(int)) for w in draws[:2])
        a, b = x[np.ix_(rows, columns)], y[np.ix_(rows, columns)]
        expected = brute_force(a, b)
        assert [result[number] for result in results] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def brute_force(a, b):
    import warnings

    there = ~np.isnan(a)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [
            spearmanr(a[k, p], b[k, p])[0] for p, k in enumerate(there.T) if len(set(a[k, p])) > 1 < len(set(b[k, p]))
        ]
        means = [np.round(np.nanmean(array, axis=1), 10) for array in (a, b)]
        known = ~np.isnan(means[0])
        return [
            spearmanr(a[there], b[there])[0],
            stats.pearsonr(a[there], b[there])[0],
            stats.kendalltau(a[there], b[there])[0],
            np.mean(each) if each else np.nan,
            spearmanr(means[0][known], means[1][known])[0],
        ]


def test_alpha_of_published_data():
    """Krippendorff's example of three observers and fifteen units: alpha of interval data is 0.811."""
    data = ["*****3412113 3*3".replace(" ", ""), "1*213343*******", "**21344*21133*4"]
    values = np.array([[np.nan if cell == "*" else float(cell) for cell in row] for row in data]).T
    assert alpha(np.ones((1, 15)), values)[0] == pytest.approx(0.811, abs=5e-4)
    weights = np.arange(15) % 3
    repeated = np.repeat(values, weights, axis=0)
    assert alpha(weights[None].astype(float), values) == pytest.approx(alpha(np.ones((1, len(repeated))), repeated))
    same = np.random.default_rng(0).random((9, 1)).repeat(2, axis=1)
    assert alpha(np.ones((1, 9)), same)[0] == pytest.approx(1)
    assert np.isnan(alpha(np.ones((1, 9)), np.full((9, 2), 0.5))[0])


# invariances ---------------------------------------------------------------------------------------------------


def test_a_monotone_transform_leaves_rank_correlations_alone():
    values = correlated(0.5, 6, 15)
    moved = np.stack([values[:, :, 0], np.exp(3 * values[:, :, 1])], axis=2)
    first, second = agreement(*case(values)), agreement(*case(moved))
    for metric in ("spearman", "kendall", "within_prompt_spearman"):
        assert found(first, metric) == found(second, metric)
    assert found(first, "pearson")["mean"] != found(second, "pearson")["mean"]


def test_order_of_systems_runs_and_rows_does_not_matter():
    spec, scores = case(correlated(0.4, 6, 12))
    turned = spec | {"runs": dict(reversed(spec["runs"].items()))}
    shuffled = {run: rows[::-1] for run, rows in reversed(scores.items())}
    assert agreement(spec, scores) == agreement(turned, shuffled)
    assert points(spec, scores) == points(turned, shuffled)


def test_swapping_a_pair_changes_its_name_only():
    spec, scores = case(correlated(0.4, 6, 12))
    swapped = spec | {"scores": ["judge_final", "clap_score"], "primary": {"arm": "judge_final ~ clap_score"}}
    first, second = agreement(spec, scores), agreement(swapped, scores)
    for metric in ("spearman", "pearson", "kendall", "within_prompt_spearman", "between_system_spearman"):
        one, other = found(first, metric), found(second, metric, "judge_final ~ clap_score")
        assert numbers(one) == pytest.approx(numbers(other))


def test_a_system_counts_once_however_many_runs_it_has():
    values = correlated(0.4, 4, 12)
    spec, scores = case(values)
    copies = {f"run-{number}-again": scores[f"run-{number}"] for number in (0, 1)}
    runs = spec["runs"] | {f"system {number}": [f"run-{number}", f"run-{number}-again"] for number in (0, 1)}
    first, second = (
        found(agreement(spec, scores), "spearman"),
        found(agreement(spec | {"runs": runs}, scores | copies), "spearman"),
    )
    assert second["n_seeds"] == "6" and second == first | {"n_seeds": "6"}


def test_paraphrases_are_resampled_and_permuted_together():
    values = correlated(0.5, 6, 24)
    paired = values.copy()
    paired[:, 1::2] = paired[:, ::2]  # each prompt twice
    alone, together = (
        found(agreement(*case(paired, cluster=cluster)), "spearman") for cluster in (lambda p: p, lambda p: p // 2)
    )
    assert alone["mean"] == together["mean"] and (alone["n_clusters"], together["n_clusters"]) == ("24", "12")
    widths = [high - low for _, low, high in (numbers(alone), numbers(together))]
    assert widths[0] < widths[1]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 7),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.3, 0.9]),
    st.integers(1, 4),
)
def test_any_scores_give_numbers_in_range(systems, prompts, seed, missing, levels):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (systems, prompts, 3)) / 4
    values[rng.random(values.shape) < missing] = np.nan
    names = ("clap_score", "judge_final", "other")
    spec, scores = case(values, names, scores=names, raters={"all": names}, bootstrap=100, permutations=100)
    for row in agreement(spec, scores):
        assert tuple(row) == ROW_COLUMNS and "nan" not in " ".join(row.values())
        assert (row["mean"] == "") == (row["status"] != "ok")
        if row["mean"]:
            mean, low, high = numbers(row)
            assert low <= mean <= high
            assert row["metric"] in ("mean", "krippendorff_alpha") or -1 <= low <= high <= 1
        if row["p_value"]:
            assert 0 < float(row["p_value"]) <= float(row["p_holm"]) <= 1


# odd input -----------------------------------------------------------------------------------------------------


def test_a_constant_score_and_a_missing_one_say_so():
    values = correlated(0.5, 4, 10, columns=3)
    values[:, :, 1] = 0.5
    values[:, :, 2] = np.nan
    names = ("clap_score", "judge_final", "listener-1_final")
    rows = agreement(*case(values, names, scores=names, raters={"all judges": names[1:]}))
    for metric in ("spearman", "pearson", "kendall", "within_prompt_spearman", "between_system_spearman"):
        assert (found(rows, metric)["status"], found(rows, metric)["mean"]) == ("constant", "")
        other = found(rows, metric, "clap_score ~ listener-1_final")
        assert (other["status"], other["n"], other["n_dropped"]) == ("no scores", "0", "40")
    assert numbers(found(rows, "share_of_errors", "listener-1_final")) == [1, 1, 1]
    assert found(rows, "mean", "listener-1_final")["status"] == "no scores"
    assert numbers(found(rows, "mean", "judge_final")) == [0.5, 0.5, 0.5]
    assert numbers(found(rows, "sd", "judge_final")) == [0, 0, 0]
    assert found(rows, "krippendorff_alpha", "all judges")["status"] == "no scores"


def test_two_systems_are_too_few_for_ranks_of_systems():
    rows = agreement(*case(correlated(0.5, 2, 20)))
    assert found(rows, "spearman")["status"] == "ok"
    for metric in ("within_prompt_spearman", "between_system_spearman"):
        assert (found(rows, metric)["status"], found(rows, metric)["mean"]) == ("too few systems", "")


def test_errors_of_a_judge_are_counted():
    values = correlated(0.5, 4, 10)
    values[0, :5, 1] = np.nan
    rows = agreement(*case(values))
    mean, low, high = numbers(found(rows, "share_of_errors", "judge_final"))
    assert mean == pytest.approx(5 / 40) and low < mean < high
    assert found(rows, "share_of_errors", "clap_score")["mean"] == "0.000000"
    assert found(rows, "spearman")["n"] == "35" and found(rows, "spearman")["n_dropped"] == "5"


def test_rows_of_the_table():
    names = ("clap_score", "judge_final", "listener-1_final")
    rows = agreement(*case(correlated(0.6, 6, 12, columns=3), names, scores=names, raters={"all": names}))
    assert {row["subset"] for row in rows} == {"all", "seen", "unseen"}
    whole = [row for row in rows if row["subset"] == "all"]
    assert len(whole) == 3 * 5 + 3 * 3 + 1
    assert [row["arm"] for row in rows if row["primary"] == "confirmatory"] == [PAIR]
    p = sorted((float(row["p_value"]), float(row["p_holm"])) for row in whole if row["metric"] == "pearson")
    assert p[0][1] == pytest.approx(min(1, 3 * p[0][0]), rel=1e-3)
    assert rows == sorted(rows, key=lambda row: (row["arm"], row["subset"], row["metric"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": []}, "nothing to compare"),
        ({"pairs": [["a", "a"]], "scores": []}, "paired with itself"),
        ({"pairs": [["a", "b"], ["b", "a"]]}, "occurs twice"),
        ({"scores": ["a", "a"]}, "occurs twice"),
        ({"raters": {"all": ["a"]}}, "two scores"),
        ({"runs": {"x": ["r"], "y": ["r"]}}, "a run occurs twice"),
        ({"primary": {"arm": "a ~ z"}}, "primary.arm"),
        ({"primary": {"metric": "krippendorff_alpha", "arm": PAIR}}, "primary.arm"),
        ({"pair": []}, "pair"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(change, message):
    with pytest.raises(InputError, match=message):
        agreement_spec(case(correlated(0, 3, 3))[0] | change)


def test_a_run_without_scores_is_an_error():
    spec, scores = case(correlated(0.5, 3, 5))
    with pytest.raises(InputError, match="'run-1' has no scores on short_prompts"):
        agreement(spec, scores | {"run-1": []})
    with pytest.raises(InputError, match="no finite number"):
        agreement(spec, scores | {"run-1": [row_of(0, "clap_score", float("nan"))]})
    with pytest.raises(InputError, match="other prompts"):
        agreement(spec, scores | {"run-1": [row_of(0, "clap_score", 0.5)]})


# files ---------------------------------------------------------------------------------------------------------


def write_folders(root, scores, failed=()):
    for run, rows in scores.items():
        write_csv(root / run / "scores.csv", [] if run in failed else rows, SCORE_COLUMNS)
        write_json(root / run / "parts.json", {"parts": {}, "run": {"status": "failed" if run in failed else "ok"}})
    return [root / run for run in scores]


def test_the_script_writes_the_same_files_twice(tmp_path):
    spec, scores = case(correlated(0.5, 5, 9), raters={"all judges": ["clap_score", "judge_final"]})
    folders = write_folders(tmp_path / "scores", scores, failed=("run-2",))
    script = Path(__file__).parents[1] / "scripts" / "measure_agreement.py"
    for out in ("1", "2"):
        arguments = ["--spec", json.dumps(spec), "--out", tmp_path / out, "--log", tmp_path / f"{out}.log"]
        subprocess.run([sys.executable, script, *arguments, "--scores", *folders], check=True)
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert files == ["comparison.csv", "points.csv", "spec.json"]
    assert all((tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes() for name in files)
    rows = read_csv(tmp_path / "1" / "comparison.csv")
    assert tuple(rows[0]) == ROW_COLUMNS and found(rows, "spearman")["n"] == str(4 * 9)
    rendered = read_csv(tmp_path / "1" / "points.csv")
    assert tuple(rendered[0]) == ("system", "run", "id", "cluster", "clap_score", "judge_final")
    assert len(rendered) == 4 * 9 and {row["system"] for row in rendered} == {f"system {n}" for n in (0, 1, 3, 4)}
    assert "system 2" not in read_json(tmp_path / "1" / "spec.json")["runs"]


def test_a_study_whose_trainings_all_failed_is_an_error(tmp_path):
    spec, scores = case(correlated(0.5, 3, 4))
    folders = write_folders(tmp_path / "scores", scores, failed=scores)
    with pytest.raises(InputError, match="every system failed"):
        measure_agreement(spec, folders=folders, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# figure --------------------------------------------------------------------------------------------------------

MANY = tuple(f"judge-{number}_final" for number in range(7))


def many():
    pair = {"arm": f"{MANY[2]} ~ {MANY[5]}"}
    spec, scores = case(correlated(0.4, 24, 6, columns=7), MANY, scores=MANY, raters={"all judges": MANY}, primary=pair)
    return spec | {"bootstrap": 100, "permutations": 100, "subsets": []}, scores


def one_constant():
    values = correlated(0.5, 2, 6)
    values[:, :, 1] = 0.5
    return case(values, title=NASTY * 4, runs={NASTY: ["run-0"], "_hidden": ["run-1"]})


def raters_only():
    names, primary = ("clap_score", "judge_final"), {"metric": "krippendorff_alpha", "arm": "all judges"}
    return case(correlated(0.5, 4, 6), scores=[], raters={"all judges": names}, primary=primary)


CASES = {"pair": lambda: case(correlated(0.5, 6, 12)), "many": many, "constant": one_constant, "raters": raters_only}


def test_the_figure_is_drawn_the_same_twice(tmp_path):
    spec, scores = CASES["pair"]()
    rows, rendered = agreement(spec, scores), points(spec, scores)
    for folder in ("1", "2"):
        draw(spec, rows, rendered, tmp_path / folder / "f.pdf", tmp_path / folder / "f.png")
    for file in ("f.pdf", "f.png"):
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()
    assert (tmp_path / "1" / "f.png").read_bytes().startswith(b"\x89PNG")
    assert b"CreationDate" not in (tmp_path / "1" / "f.pdf").read_bytes()


def test_nothing_is_drawn_outside_the_figure(tmp_path, monkeypatch):
    boxes = []

    def keep(figure, *_):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes.append((figure.get_tightbbox(renderer), figure.bbox_inches))

    monkeypatch.setattr(style, "save", keep)
    for make in CASES.values():
        spec, scores = make()
        draw(spec, agreement(spec, scores), points(spec, scores), tmp_path / "f.pdf", tmp_path / "f.png")
    for box, whole in boxes:
        assert box.x0 >= -0.03 and box.y0 >= -0.03 and box.x1 <= whole.x1 + 0.03 and box.y1 <= whole.y1 + 0.03


def test_words_of_the_figure():
    spec, scores = one_constant()
    labels = arm_labels(agreement_spec(spec), agreement(spec, scores), [("clap_score", "judge_final")])
    assert labels[PAIR].endswith("~ judge final (constant)")
    spec, scores = case(correlated(0.5, 4, 6))
    text = caption(agreement_spec(spec), Rows(agreement(spec, scores)))
    for words in ("Do they agree?", "Scale mini", "4 systems, 4 runs, n = 24 in 6 clusters", "Holm", PAIR):
        assert words in text


def test_a_cloud_has_the_mean_of_the_runs_that_have_both_scores():
    rows = [
        {"system": "s", "run": run, "id": "p", "a": a, "b": b}
        for run, a, b in [("1", "1", "2"), ("2", "3", ""), ("3", "5", "4")]
    ]
    assert cloud(rows, ("a", "b")).units == {"s": [(3.0, 3.0)]}


def test_a_reward_part_that_is_zero_throughout_has_no_panel():
    rows = [
        {
            "step": "1",
            "loss": "1",
            "reward": "0.4",
            "reward_format": "0.2",
            "reward_audio": audio,
            "reward_duplicates": "-0.0",
        }
        for audio in ("0", "0.0")
    ]
    assert panel_columns([rows]) == ["loss", "reward", "reward_format"]
    heard = [rows[0], rows[1] | {"reward_audio": "0.1", "reward_schema": "0.3", "kl": "0.01"}]
    assert panel_columns([rows, heard]) == ["loss", "reward", "reward_audio", "reward_schema", "reward_format", "kl"]
