"""Field usage: what is independent of the vibe reads as zero, what is planted is found, and tests are calibrated."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, kstest
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from vibegrid.errors import InputError
from vibegrid.files import write_json, write_jsonl
from vibegrid.payloads import parse_output
from vibegrid.schema import FIELDS, Label
from vibegrid.specs.usage import ALL_FIELDS, FOLLOWS, TEACHER, TEACHER_ROWS, UsageSpec, usage_spec
from vibegrid.systems import random_uniform
from vibegrid.usage.ablation import ablate
from vibegrid.usage.answers import Answers, Vibes, read_answers, read_prompts
from vibegrid.usage.information import (
    SIZES,
    STARTS,
    divergence,
    following,
    information,
    normalised_entropy,
    one_hot,
)
from vibegrid.usage.measure import analyse

NAMES = list(FIELDS)
PROMPTS = 120
TEMPO = slice(STARTS[0], STARTS[0] + SIZES[0])


def random_configs(seed: int, texts: Sequence[str]) -> list[Any]:
    """What the baseline `random` answers."""
    outputs = random_uniform.generate(list(texts), seed=seed)
    return [(parse_output(output).payload or {})["config"] for output in outputs]


def vibes(seed: int = 0, size: int = PROMPTS) -> Vibes:
    """Vibes in eight well-separated directions, in clusters of two."""
    rng = np.random.default_rng(seed)
    centres = np.eye(8, 16)[np.arange(size) // 2 % 8]
    texts = [f"vibe {seed} {i}" for i in range(size)]
    clusters = [f"c{i // 2}" for i in range(size)]
    return Vibes(texts, clusters, ["short_prompts"] * size, centres + 0.05 * rng.standard_normal((size, 16)))


def groups_of(found: Vibes) -> np.ndarray:
    return found.embeddings[:, :8].argmax(axis=1)


def spec(**design: Any) -> UsageSpec:
    values = {"groups": 8, "permutations": 1000, **design}
    return UsageSpec.model_validate(
        {
            "scale": "mini",
            "experiment": "field_usage",
            "eval_sets": ["short_prompts"],
            "runs": {"random": ["r1", "r2"], "follower": ["f"]},
            "design": values,
            "bootstrap": 200,
            "permutations": 200,
        }
    )


def test_random_says_nothing_of_the_vibe() -> None:
    """Intervals of 95 % cover zero: of all fields, in several draws of the baseline, and none is said to follow."""
    found = vibes()
    clusters = np.arange(PROMPTS) // 2
    covered, means, least = [], [], []
    for draw in range(6):
        answers = [one_hot(random_configs(3 * draw + i, found.texts)) for i in range(2)]
        said = following(answers, groups_of(found), clusters, np.random.default_rng(draw), 300)
        covered += [low <= 0 <= high for low, high in zip(said.low, said.high, strict=True)]
        means.append(said.information.mean())
        least.append(said.p_values.min())
    assert np.mean(covered) > 0.93
    assert abs(np.mean(means)) < 0.01  # bits; raw values lie near 0.2
    assert np.quantile(least, 0.25) > 0.05 / len(FIELDS) / 2


def test_a_field_that_follows_and_one_that_never_moves() -> None:
    found = vibes()
    configs = random_configs(0, found.texts)
    for config, group in zip(configs, groups_of(found), strict=True):
        config["tempo"] = FIELDS["tempo"][group % 4]
        config["mode"] = FIELDS["mode"][0]
    said = following([one_hot(configs)], groups_of(found), np.arange(PROMPTS) // 2, np.random.default_rng(0), 300)
    tempo, mode = NAMES.index("tempo"), NAMES.index("mode")
    assert said.information[tempo] == pytest.approx(2.0, abs=0.15) and said.low[tempo] > 1.5
    assert said.p_values[tempo] == pytest.approx(1 / 301)
    assert said.information[mode] == said.low[mode] == said.high[mode] == 0 and said.p_values[mode] == 1


def test_the_bias_that_is_taken_off_is_the_exact_one() -> None:
    """Permutations give what sklearn computes from the hypergeometric distribution (Vinh et al. 2010)."""
    found = vibes()
    configs = random_configs(5, found.texts)
    groups = groups_of(found)
    said = following([one_hot(configs)], groups, np.arange(PROMPTS), np.random.default_rng(1), 1000)
    table = np.eye(8)[groups].T @ one_hot(configs)
    for field in ("tempo", "root", "depth"):
        labels = [FIELDS[field].index(config[field]) for config in configs]
        exact = expected_mutual_information(contingency_matrix(groups, labels, sparse=True), PROMPTS) / np.log(2)
        index = NAMES.index(field)
        assert information(table)[index] - said.information[index] == pytest.approx(exact, abs=0.01)


def test_the_permutation_test_is_calibrated() -> None:
    """Under the null its p-values are uniform: 200 draws, Kolmogorov and Smirnov."""
    rng = np.random.default_rng(7)
    index, p_values = NAMES.index("root"), []
    for draw in range(200):
        answers = np.zeros((80, sum(SIZES)))
        answers[np.arange(80), STARTS[index] + rng.integers(0, SIZES[index], 80)] = 1.0
        groups = rng.integers(0, 6, 80)
        said = following([answers], groups, np.arange(80), np.random.default_rng(draw), 99)
        p_values.append(said.p_values[index])
    assert kstest(p_values, "uniform").pvalue > 0.02
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.1


def test_entropy_and_divergence_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(3)
    counts, reference = rng.integers(0, 9, (2, sum(SIZES))).astype(float)
    here, there = counts[TEMPO], reference[TEMPO]
    miller = (np.count_nonzero(here) - 1) / (2 * here.sum())
    assert normalised_entropy(counts)[0] == pytest.approx(min(1, (entropy(here) + miller) / np.log(SIZES[0])))
    assert divergence(counts, reference)[0] == pytest.approx(jensenshannon(here, there, base=2) ** 2)
    assert divergence(counts, counts).max() == pytest.approx(0, abs=1e-12)
    apart = np.zeros((2, sum(SIZES)))
    apart[0, STARTS], apart[1, np.array(STARTS) + 1] = 1, 1
    assert divergence(apart[0], apart[1]) == pytest.approx(1)
    assert normalised_entropy(apart[0]).max() == 0 == normalised_entropy(0 * counts).max()


def test_illegal_labels_count_for_nothing() -> None:
    rows = one_hot([None, {"tempo": "warp"}, {"tempo": FIELDS["tempo"][1], "depth": True}, {"depth": 1}])
    assert rows[0].sum() == rows[1].sum() == rows[3].sum() == 0 and rows[2].sum() == 2
    assert information(np.zeros((2, sum(SIZES)))).max() == 0


def loudness(texts: Sequence[str], configs: Sequence[tuple[Mapping[str, Label], int]]) -> list[float]:
    """A scorer that likes the label of tempo which a follower writes, and hears nothing else."""
    return [
        float(config["tempo"] == FIELDS["tempo"][int(text.split()[2]) // 2 % 4])
        for text, (config, _) in zip(texts, configs, strict=True)
    ]


def follower(found: Vibes) -> list[Any]:
    configs = random_configs(9, found.texts)
    for text, config in zip(found.texts, configs, strict=True):
        config["tempo"] = FIELDS["tempo"][int(text.split()[2]) // 2 % 4]
    return configs


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str, str], dict[str, str]]:
    asked, taught = vibes(0), vibes(1, 300)
    answers = {
        "random": [Answers(name, random_configs(i, asked.texts)) for i, name in enumerate(("r1", "r2"))],
        "follower": [Answers("f", follower(asked))],
    }
    ablation = {"systems": ["follower", TEACHER], "fields": 3, "prompts": 20}
    found = analyse(spec(ablation=ablation), asked, answers, (taught, Answers(TEACHER, follower(taught))), loudness)
    assert len({tuple(row[key] for key in ("arm", "system", "metric", "eval_set")) for row in found}) == len(found)
    return {(row["system"], row["arm"], row["metric"]): row for row in found}


def test_the_analysis_finds_who_follows_the_vibe(rows: dict[Any, dict[str, str]]) -> None:
    for system in ("follower", TEACHER, TEACHER_ROWS):
        assert rows[system, "tempo", FOLLOWS]["mean"] == "1.000000"
        assert float(rows[system, ALL_FIELDS, FOLLOWS]["mean"]) <= 2 / 34
        assert float(rows[system, "tempo", "mutual_information"]["ci_low"]) > 1
    assert rows["random", ALL_FIELDS, FOLLOWS]["mean"] == "0.000000"
    assert rows["random", "tempo", "mutual_information"]["n_seeds"] == "2"
    assert rows[TEACHER, "tempo", "mutual_information"]["n"] == str(PROMPTS)
    assert rows[TEACHER_ROWS, "tempo", "mutual_information"]["n"] == "300"


def test_the_analysis_measures_labels_against_the_teachers(rows: dict[Any, dict[str, str]]) -> None:
    assert (TEACHER_ROWS, "tempo", "teacher_divergence") not in rows
    for system in ("random", "follower", TEACHER):
        for metric in ("normalised_entropy", "teacher_divergence"):
            row = rows[system, "tempo", metric]
            assert 0 <= float(row["ci_low"]) <= float(row["mean"]) <= float(row["ci_high"]) <= 1
    used, unused = (rows[system, "tempo", "teacher_divergence"] for system in ("follower", "random"))
    assert float(used["ci_high"]) < float(unused["mean"])  # random writes a fifth label


def test_the_analysis_hears_what_an_ablation_loses(rows: dict[Any, dict[str, str]]) -> None:
    lost = rows["follower", "tempo", "ablation_delta_random"]
    assert lost["mean"] == "1.000000" and lost["n"] == "20" and lost["n_clusters"] == "10"
    assert float(lost["p_holm"]) < 0.05 and rows[TEACHER, "tempo", "ablation_delta_random"]["mean"] == "1.000000"
    default = float(rows["follower", "tempo", "ablation_delta_default"]["mean"])
    assert 0.5 < default < 1  # where the default was written, nothing is lost
    others = [row for (system, arm, metric), row in rows.items() if "ablation" in metric and arm != "tempo"]
    assert len(others) == 8 and all(row["mean"] == "0.000000" and float(row["p_value"]) == 1 for row in others)
    assert not any(system == "random" and "ablation" in metric for system, _, metric in rows)


def test_an_ablation_changes_one_field_and_keeps_the_seed() -> None:
    heard: list[tuple[Mapping[str, Label], int]] = []

    def listen(_: Sequence[str], configs: Sequence[tuple[Mapping[str, Label], int]]) -> list[float]:
        heard.extend(configs)
        return [0.5, *[0.25] * (len(configs) - 1)]

    found = vibes(0, 2)
    config = random_configs(1, found.texts)[0]
    losses = ablate("x", Vibes(found.texts[:1], ["c"], ["s"], found.embeddings[:1]), [config], NAMES[:4], listen, 0)
    assert len({seed for _, seed in heard}) == 1
    assert all(sum(config[field] != heard[0][0][field] for field in FIELDS) == 1 for config, _ in heard[1:])
    assert set(np.unique(losses.values)) <= {0.0, 0.25} and (losses.values[0, :, 1] == 0.25).all()


def test_equal_prompts_count_once_and_every_prompt_needs_an_answer(tmp_path: Path) -> None:
    files = {}
    for name, texts in (("short_prompts", ["a", "b"]), ("test", ["b", "c"])):
        (tmp_path / name).mkdir()
        files[name] = tmp_path / name / "prompts.jsonl"
        write_jsonl(files[name], [{"id": str(i), "prompt": t, "cluster": t} for i, t in enumerate(texts)])
        np.save(files[name].with_name("embeddings.npy"), np.ones((2, 3)))
    asked, places = read_prompts(files)
    assert asked.texts == ["a", "b", "c"] and list(places) == [
        ("short_prompts", "0"),
        ("short_prompts", "1"),
        ("test", "1"),
    ]
    run = tmp_path / "r1"
    config = random.Random(0).choice(random_configs(0, ["a", "b"]))
    answers = [{"eval_set": s, "id": i, "prompt": "", "raw_output": json.dumps({"config": config})} for s, i in places]
    write_jsonl((run / "generations.jsonl"), answers)
    write_json(run / "parts.json", {"run": {"status": "ok"}})
    wanted = spec(ablation={"systems": []}).model_copy(update={"runs": {"random": ("r1",)}})
    assert read_answers(wanted, {"r1": run}, places)["random"][0].configs == [config] * 3
    write_jsonl(run / "generations.jsonl", answers[:2])
    with pytest.raises(InputError, match="no answer to 1 of test"):
        read_answers(wanted, {"r1": run}, places)
    write_json(run / "parts.json", {"run": {"status": "failed"}})
    assert read_answers(wanted, {"r1": run}, places) == {"random": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"runs": {"teacher": ["a"]}}, "the teacher's name"),
        ({"design": {"ablation": {"systems": ["nobody"]}}}, "no 'nobody'"),
        ({"design": {"ablation": {"systems": ["teacher"], "eval_set": "test"}}}, "'test' is none of"),
        ({"design": {"groups": 1}}, r"design\.groups"),
    ],
)
def test_a_wrong_spec_is_named(change: dict[str, Any], said: str) -> None:
    values = {"scale": "mini", "experiment": "x", "eval_sets": ["short_prompts"], "runs": {"sft": ["a"]}, **change}
    with pytest.raises(InputError, match=said):
        usage_spec(values)
