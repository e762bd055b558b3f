"""Experiments resolved into arms, and one line of error for every way to get the configuration wrong."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vibegrid.errors import InputError
from vibegrid.grid.arms import Experiment, Resolver, dump, with_keys
from vibegrid.grid.identity import flatten
from vibegrid.grid.kinds import KINDS
from vibegrid.grid.load import RunConfig, choose, load_experiments, load_run, merge, read_yaml
from vibegrid.grid.study import Study
from vibegrid.grid.targets import Targets, reserved_names
from vibegrid.specs.experiments import ExperimentSpec
from vibegrid.specs.scales import ScaleSpec
from vibegrid.specs.systems import SystemSpec

ROOT = Path(__file__).resolve().parents[1]
SCALE: dict[str, Any] = {
    "sft": {"batch_size": 16, "learning_rate": 2e-3, "budget": {"unit": "steps", "value": 40}},
    "grpo": {"batch_size": 24, "num_generations": 4, "reward": {"audio": 0}},
    "evaluation": {"eval_sets": ["test"]},
    "seeds": {"baseline": [42, 43, 44], "arm": [42]},
}
EXPERIMENT: dict[str, Any] = {
    "title": "Rank",
    "question": "How much?",
    "sweep": {"lora.r": [4, 16]},
    "primary": {"metric": "reward", "eval_set": "short"},
    "eval_sets": ["short"],
}
SETS = ["test", "control/mode", "control/tempo", "short"]


def resolver(scale_name: str = "mini", **names: Any) -> Resolver:
    known: dict[str, Any] = {
        "models": {"smollm2-135m", "other"},
        "eval_sets": SETS,
        "prompts": {"default", "detailed"},
        "metrics": {"reward", "field_match"},
        "scorers": set(),
    }
    return Resolver(scale_name, ScaleSpec.model_validate(SCALE), **{**known, **names})


def resolve(scale_name: str = "mini", **changes: Any) -> Experiment:
    spec = {key: value for key, value in {**EXPERIMENT, **changes}.items() if value is not None}
    return resolver(scale_name).resolve("rank", ExperimentSpec.model_validate(spec))


def names(experiment: Experiment) -> list[str]:
    return [arm.name for arm in experiment.arms]


# arms -----------------------------------------------------------------------------------------------------------


def test_a_sweep_is_an_arm_a_value() -> None:
    found = resolve()
    assert names(found) == ["lora.r=4", "lora.r=16"]
    assert [arm.value for arm in found.arms] == [4, 16]
    assert [arm.is_baseline for arm in found.arms] == [False, True]
    assert found.axis_key == "lora.r"
    assert found.arms[0].runs[0].lora.r == 4  # type: ignore[union-attr]


def test_several_keys_are_their_product_in_order() -> None:
    found = resolve(sweep={"lora.r": [4, 16], "lora.alpha": [8, 16]})
    assert names(found) == [
        "lora.r=4, lora.alpha=8",
        "lora.r=4, lora.alpha=16",
        "lora.r=16, lora.alpha=8",
        "lora.r=16, lora.alpha=16",
    ]
    assert found.axis_key == "arm"
    assert [arm.value for arm in found.arms] == [None] * 4


@given(
    ranks=st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True),
    rates=st.lists(st.floats(1e-6, 1e-1), min_size=1, max_size=4, unique_by=lambda rate: f"{rate:g}"),
)
def test_any_product_has_its_size_and_differs_only_in_its_keys(ranks: list[int], rates: list[float]) -> None:
    found = resolve(sweep={"lora.r": ranks, "learning_rate": rates}, include_baseline=True)
    swept = [arm for arm in found.arms if arm.name != "baseline"]
    assert len(swept) == math.prod([len(ranks), len(rates)]) == len(set(names(found)) - {"baseline"})
    assert sum(arm.is_baseline for arm in found.arms) == 1
    baseline = flatten(dump(ScaleSpec.model_validate(SCALE).sft))
    for arm in swept:
        mine = flatten(dump(arm.runs[0]))
        assert {key for key in mine if mine[key] != baseline[key]} <= {"lora.r", "learning_rate"}


def test_the_baseline_has_its_seeds_and_every_other_arm_its_own() -> None:
    other, baseline = resolve().arms
    assert [run.seed for run in baseline.runs] == [42, 43, 44]
    assert [run.seed for run in other.runs] == [42]


def test_a_seed_of_grpo_is_the_seed_of_its_sft() -> None:
    baseline = resolve(stage="grpo", sweep={"beta": [0.04]}).arms[0]
    assert [(run.seed, run.sft.seed) for run in baseline.runs] == [(42, 42), (43, 43), (44, 44)]  # type: ignore[union-attr]


def test_replicates_stand_in_place_of_seeds() -> None:
    draws = [{"dataset.draw": 0}, {"dataset.draw": 1}]
    arms = {"one": {"set": {"dataset.size": 1}, "replicates": draws}, "all": {"set": {"dataset.size": None}}}
    found = resolve(sweep=None, arms=arms)
    one, every = found.arms
    assert [(run.dataset.draw, run.seed) for run in one.runs] == [(0, 42), (1, 42)]  # type: ignore[union-attr]
    assert every.is_baseline and len(every.runs) == 3
    assert found.axis_key == "dataset.size" and [arm.value for arm in found.arms] == [1, None]


def test_equal_replicates_are_an_error() -> None:
    arms = {"one": {"set": {"lora.r": 4}, "replicates": [{"seed": 1}, {"seed": 1}]}}
    with pytest.raises(InputError, match=r"rank\.yaml: one: two replicates are the same"):
        resolve(sweep=None, arms=arms, include_baseline=True)


def test_named_arms_of_several_stages() -> None:
    arms = {"sft": {}, "both": {"stage": "grpo"}, "base": {"stage": "base"}, "random": {"stage": "random"}}
    found = resolve(sweep=None, arms=arms)
    assert [arm.stage for arm in found.arms] == ["sft", "grpo", "base", "random"]
    base, chance = found.arms[2].runs[0], found.arms[3].runs[0]
    assert isinstance(base, SystemSpec) and base.base_model == "smollm2-135m" and base.decoding is not None
    assert isinstance(chance, SystemSpec) and chance.seed == 42
    assert found.reference == "sft"


def test_set_holds_in_every_arm_and_an_arm_wins() -> None:
    arms = {"a": {}, "b": {"set": {"lora.r": 2}}}
    a, b = resolve(sweep=None, arms=arms, set={"lora.r": 8}, reference="a").arms
    assert (a.runs[0].lora.r, b.runs[0].lora.r) == (8, 2)  # type: ignore[union-attr]


def test_arms_that_mean_the_same_have_equal_specs() -> None:
    """Rank 16 and alpha 16 are both the baseline."""
    rank = resolve(sweep={"lora.r": [16]}).arms[0]
    alpha = resolve(sweep={"lora.alpha": [16]}).arms[0]
    empty = resolve(sweep=None, arms={"x": {}}).arms[0]
    assert rank.runs == alpha.runs == empty.runs


def test_values_of_one_meaning_are_one_spec() -> None:
    assert resolve(sweep={"warmup_ratio": [0]}, reference="warmup_ratio=0").arms[0].runs[0].warmup_ratio == 0.0  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"two arms are named 'learning_rate=0\.001'"):
        resolve(sweep={"learning_rate": [1e-3, 0.001]}, include_baseline=True)


def test_a_scale_replaces_the_sweep_and_adds_to_set() -> None:
    changes = {"set": {"lora.alpha": 32}, "small": {"sweep": {"lora.r": [2]}, "set": {"weight_decay": 0.5}}}
    small = resolve("small", reference="lora.r=2", **changes)
    assert names(small) == ["lora.r=2"]
    assert (small.arms[0].runs[0].lora.alpha, small.arms[0].runs[0].weight_decay) == (32, 0.5)  # type: ignore[union-attr]
    mini = resolve("mini", reference="lora.r=4", **changes)
    assert names(mini) == ["lora.r=4", "lora.r=16"]
    assert mini.arms[0].runs[0].weight_decay == 0.01  # type: ignore[union-attr]


def test_a_scale_may_put_arms_in_place_of_a_sweep() -> None:
    found = resolve(mini={"arms": {"low": {"set": {"lora.r": 1}}}}, reference="low")
    assert names(found) == ["low"]


def test_include_baseline_adds_an_arm_only_where_none_equals_it() -> None:
    assert names(resolve(include_baseline=True)) == ["lora.r=4", "lora.r=16"]
    added = resolve(sweep={"lora.r": [4, 8]}, include_baseline=True)
    assert names(added) == ["lora.r=4", "lora.r=8", "baseline"]
    assert added.reference == "baseline" and len(added.arms[-1].runs) == 3


def test_reference_is_the_baseline_unless_named() -> None:
    assert resolve().reference == "lora.r=16"
    assert resolve(reference="lora.r=4").reference == "lora.r=4"


def test_no_arm_equals_the_baseline() -> None:
    with pytest.raises(InputError, match=r"rank\.yaml: no arm equals the baseline \(hint: name a `reference`"):
        resolve(sweep={"lora.r": [4, 8]})


def test_eval_sets_by_glob_each_once_after_those_of_all() -> None:
    found = resolve(eval_sets=["short", "control/*", "short"])
    assert found.eval_sets == ("test", "short", "control/mode", "control/tempo")


def test_a_scale_adds_eval_sets() -> None:
    changes = {"full": {"eval_sets": ["control/*"]}}
    assert resolve("mini", **changes).eval_sets == ("test", "short")
    assert resolve("full", **changes).eval_sets == ("test", "short", "control/mode", "control/tempo")
    with pytest.raises(InputError, match=r"rank\.yaml: eval_sets: no eval set 'nowhere'"):
        resolve("full", full={"eval_sets": ["nowhere"]})


def test_null_is_named_all() -> None:
    found = resolve(sweep={"dataset.size": [5, None]})
    assert names(found) == ["dataset.size=5", "dataset.size=all"] and found.arms[1].is_baseline


def test_failure_may_be_expected() -> None:
    arms = {"sft": {}, "short": {"set": {"max_seq_length": 8}, "expect": "failed"}}
    assert [arm.expect for arm in resolve(sweep=None, arms=arms).arms] == ["ok", "failed"]


@given(st.dictionaries(st.sampled_from(["a", "b.c", "b.d"]), st.integers(), max_size=3))
def test_with_keys_sets_what_it_is_told_and_leaves_the_rest(settings: dict[str, int]) -> None:
    base = {"a": None, "b": {"c": None, "d": None}}
    before = flatten(base)
    assert flatten(with_keys(base, settings, "x")) == {**before, **settings}
    assert flatten(base) == before


@given(st.recursive(st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8))
def test_merge_with_nothing_is_the_same(value: Any) -> None:
    base = {"top": value}
    assert merge(base, {}) == base and merge({}, base) == base and merge(base, base) == base


# the repository's own experiments -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(ROOT, {"scale": "mini"})


def test_every_experiment_resolves_at_mini(study: Study) -> None:
    assert len(study.selected) >= 19
    for experiment in study.experiments.values():
        armed = KINDS[experiment.spec.kind].armed
        assert len(experiment.arms) >= 2 or not armed
        assert (experiment.reference in names(experiment)) == (experiment.spec.kind == "comparison")
        assert ("test" in experiment.eval_sets) == experiment.spec.common_sets
        assert experiment.spec.primary.eval_set in experiment.eval_sets or not armed


def test_both_scopes_and_all_levels_share_one_training(study: Study) -> None:
    arms = {arm.name.partition("=")[2]: arm for arm in study.experiments["vibe_representation"].arms}
    assert len(arms) == 7 and arms["both_scopes"].runs == arms["all_levels"].runs
    adapters = study.adapters_of(study.experiments["vibe_representation"])
    assert len({node.id for found in adapters.values() for node in found}) == 5 + len(study.scale.seeds.baseline)


def test_no_declared_experiment_has_a_reserved_name(study: Study) -> None:
    Targets(study, reserved_names(ROOT))
    assert {"all", "figures", "train_sft", "all_tables", "sft"} <= reserved_names(ROOT)


# errors ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A configuration without code: enough for everything that is checked before identities."""
    files = {
        "scales/mini.yaml": yaml.safe_dump(SCALE),
        "scorers.yaml": "",
        "models.yaml": "smollm2-135m:\n  mini: {kind: miniature, architecture: llama}\n",
        "experiments/rank.yaml": yaml.safe_dump(EXPERIMENT, sort_keys=False),
        "prompts/system/default.md": "Write.\n",
        "eval_sets/short.jsonl": '{"id": "1", "prompt": "rain", "category": "short"}\n',
    }
    for name, text in files.items():
        (tmp_path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / name).write_text(text)
    return tmp_path


def fails(project: Path, **config: Any) -> str:
    """The message of the configuration's error: one line, and no pydantic URL in it."""
    with pytest.raises(InputError) as caught:
        Study(project, {"scale": "mini", **config})
    message = str(caught.value)
    assert "\n" not in message and "pydantic.dev" not in message and len(message) < 1200
    return message


def with_experiment(project: Path, **changes: Any) -> Path:
    spec = {key: value for key, value in {**EXPERIMENT, **changes}.items() if value is not None}
    (project / "config/experiments/rank.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return project


EXPERIMENT_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"sweeps": {"lora.r": [4]}}, r"rank\.yaml: sweeps: unknown key \(hint: keys: .*sweep"),
    ({"axis": {"colour": "red"}}, r"rank\.yaml: axis\.colour: unknown key"),
    ({"title": None}, r"rank\.yaml: title: Field required"),
    ({"question": ""}, r"rank\.yaml: question: String should have at least 1 character"),
    ({"stage": "dpo"}, r"rank\.yaml: stage: Input should be 'base', 'sft', .*found 'dpo'"),
    ({"sweep": None}, r"rank\.yaml: `sweep` or `arms` is missing"),
    ({"arms": {"a": {}}}, r"rank\.yaml: `sweep` and `arms` exclude each other"),
    ({"mini": {"sweep": {"lora.r": [1]}, "arms": {"a": {}}}}, r"rank\.yaml: mini: `sweep` and `arms` exclude"),
    ({"sweep": {"lora.r": []}}, r"rank\.yaml: a sweep has no values"),
    ({"sweep": {"lora.r": 4}}, r"rank\.yaml: sweep\.lora\.r: Input should be a valid list, found 4"),
    ({"sweep": {"lora.rank": [4]}}, r"rank\.yaml: lora\.rank=4: lora\.rank: unknown key \(hint: keys: .*lora\.r,"),
    ({"sweep": {"lora.r.x": [4]}}, r"rank\.yaml: lora\.r\.x=4: lora\.r\.x: unknown key"),
    ({"sweep": {"beta": [0.1]}}, r"rank\.yaml: beta=0\.1: beta: unknown key"),
    ({"sweep": {"lora.r": ["many"]}}, r"rank\.yaml: lora\.r=many: lora\.r: .*valid integer.*found 'many'"),
    ({"sweep": {"lora.r": [0]}}, r"rank\.yaml: lora\.r=0: lora\.r: .*greater than or equal to 1, found 0"),
    ({"sweep": {"learning_rate": [math.inf]}}, r"rank\.yaml: learning_rate=inf: learning_rate: .*found inf"),
    ({"sweep": {"lora.dropout": [1]}}, r"rank\.yaml: lora\.dropout=1: lora\.dropout: .*less than 1, found 1"),
    ({"sweep": {"engine": ["jax"]}}, r"rank\.yaml: engine=jax: engine: .*'transformers' or 'unsloth', found 'jax'"),
    ({"sweep": {"budget.value": [1.5]}}, r"rank\.yaml: budget\.value=1\.5: budget: a whole number of steps"),
    ({"sweep": {"base_model": ["gpt-9"]}}, r"rank\.yaml: base_model=gpt-9: base_model: no model 'gpt-9' at scale mini"),
    ({"sweep": {"system_prompt": ["loud"]}}, r"rank\.yaml: system_prompt=loud: system_prompt: no prompt 'loud'"),
    ({"sweep": {"lora.r": [16, 16]}}, r"rank\.yaml: two arms are named 'lora\.r=16'"),
    ({"sweep": {"lora.r": [4]}}, r"rank\.yaml: no arm equals the baseline"),
    ({"reference": "lora.r=5"}, r"rank\.yaml: reference: no arm 'lora\.r=5' \(hint: arms: lora\.r=4, lora\.r=16\)"),
    ({"eval_sets": ["shorts"]}, r"rank\.yaml: eval_sets: no eval set 'shorts' \(hint: eval sets: test, story_pages, s"),
    ({"eval_sets": ["control/*"]}, r"rank\.yaml: eval_sets: no eval set 'control/\*'"),
    ({"primary": None}, r"rank\.yaml: primary: Field required"),
    (
        {"primary": {"metric": "bleu", "eval_set": "short"}},
        r"rank\.yaml: primary\.metric: no metric 'bleu' \(hint",
    ),
    (
        {"primary": {"metric": "reward", "eval_set": "long"}},
        r"rank\.yaml: primary\.eval_set: 'long' is no eval set of this experiment \(hint: its eval sets: test, short",
    ),
    (
        {"stage": "grpo", "sweep": {"num_generations": [5]}},
        r"rank\.yaml: num_generations=5: batch_size × grad_accum \(24\) is no multiple of num_generations \(5\)",
    ),
    (
        {"stage": "grpo", "sweep": {"reward.audio": [0.5]}},
        r"rank\.yaml: reward\.audio=0\.5: reward\.audio_scorer: no scorer None \(hint: scorers: \)",
    ),
    (
        {"stage": "grpo", "sweep": None, "arms": {"a": {"set": {"reward.audio": 1, "reward.audio_scorer": "ear"}}}},
        r"rank\.yaml: a: reward\.audio_scorer: no scorer 'ear'",
    ),
    ({"sweep": None, "arms": {"a": {"stage": "random", "set": {"seed": 1}}}}, r"a: random has no keys to set"),
    ({"sweep": None, "arms": {"a": {"expect": "luck"}}}, r"rank\.yaml: arms\.a\.expect: .*'ok' or 'failed'"),
    ({"sweep": None, "arms": {"a": {"replicates": [{"sed": 1}]}}}, r"rank\.yaml: a: sed: unknown key"),
    ({"kind": "analysis"}, r"rank\.yaml: kind: no kind 'analysis'; kinds: comparison, agreement"),
]


@pytest.mark.parametrize(("changes", "message"), EXPERIMENT_ERRORS, ids=[m[:60] for _, m in EXPERIMENT_ERRORS])
def test_an_error_in_an_experiment_names_file_and_key(project: Path, changes: dict[str, Any], message: str) -> None:
    found = fails(with_experiment(project, **changes))
    assert found.startswith("config/experiments/rank.yaml: ")
    assert re.search(message, found), found


def test_a_mistyped_key_is_said_before_the_one_that_is_missing_for_it(project: Path) -> None:
    message = fails(with_experiment(project, title=None, titel="Rank"))
    assert message.startswith("config/experiments/rank.yaml: titel: unknown key (hint: keys: ")


def test_files_are_named_from_where_one_stands(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "config/experiments/rank.yaml").write_text("title: [\n")
    monkeypatch.chdir(project)
    assert fails(project).startswith("config/experiments/rank.yaml:2: not YAML: ")


EVAL_SET_ERRORS = [
    ("typo.yaml", "source: corrupted\n", r"^config/eval_sets/typo\.yaml: `source: corrupted` needs `of`, an eval set$"),
    (
        "typo.yaml",
        "source: corrupted\nof: shorts\n",
        r"typo\.yaml: of: no file of prompts config/eval_sets/shorts\.jsonl",
    ),
    ("typo.yaml", "source: file\n", r"typo\.yaml: of: the eval set that it is derived from was expected"),
    ("typo.yaml", "source: garbled\nof: short\n", r"typo\.yaml: source: .*found 'garbled'"),
    ("typo.yaml", "sauce: file\nof: short\n", r"typo\.yaml: sauce: unknown key \(hint: keys: "),
    ("typo.yaml", "name: other\nof: short\n", r"typo\.yaml: name: unknown key"),
    ("short.yaml", "of: short\nrows: 1\n", r"^config/eval_sets/short\.yaml: another eval set is named 'short'"),
    ("test.yaml", "of: short\nrows: 1\n", r"^config/eval_sets/test\.yaml: another eval set is named 'test'"),
]


@pytest.mark.parametrize(("name", "text", "message"), EVAL_SET_ERRORS, ids=[m[:60] for *_, m in EVAL_SET_ERRORS])
def test_an_error_in_an_eval_set(project: Path, name: str, text: str, message: str) -> None:
    (project / "config/eval_sets" / name).write_text(text)
    found = fails(project)
    assert re.search(message, found), found


def test_a_derived_eval_set_is_a_node_of_its_own(study: Study) -> None:
    clean, typos = (study.evaluations.eval_set(f"{name}_prompts") for name in ("short", "typo"))
    assert clean.sources == typos.sources and clean.digest != typos.digest
    assert (typos.spec["source"], typos.spec["of"]) == ("corrupted", "short_prompts")


YAML_ERRORS = [
    ("title: Rank\nsweep: {lora.r: [4\n", r"rank\.yaml:3: not YAML: "),
    ("title: a\nquestion: b\ntitle: c\n", r"rank\.yaml:3: not YAML: key 'title' repeats"),
    ("title: a\narms:\n  x: {}\n  y: {}\n  x: {}\n", r"rank\.yaml:5: not YAML: key 'x' repeats"),
    ("title: {{name}: b}\n", r"rank\.yaml:1: not YAML: a key is no plain text"),
    ("title: 2024-13-45\n", r"rank\.yaml: not YAML: "),
    ("- title: a\n", r"rank\.yaml: keys and values were expected, not list"),
    ("title: !!python/object/apply:os.system [ls]\n", r"rank\.yaml:1: not YAML: could not determine"),
    ("a: " + "[" * 5000, r"rank\.yaml: not YAML: nested too deep"),
    ("", r"config/experiments/rank\.yaml: \w+: Field required"),
    ("title: \0\n", r"rank\.yaml:1: a NUL byte"),
]


@pytest.mark.parametrize(("text", "message"), YAML_ERRORS, ids=[repr(text[:30]) for text, _ in YAML_ERRORS])
def test_yaml_that_does_not_parse(project: Path, text: str, message: str) -> None:
    (project / "config/experiments/rank.yaml").write_text(text)
    found = fails(project)
    assert re.search(message, found), found


def test_yaml_that_is_not_utf8(project: Path) -> None:
    (project / "config/experiments/rank.yaml").write_bytes(b"title: a\nquestion: \xff\n")
    assert "rank.yaml:2: not UTF-8" in fails(project)


def test_numbers_without_a_point_are_numbers(tmp_path: Path) -> None:
    """YAML 1.1 reads 1e-4 as text."""
    path = tmp_path / "x.yaml"
    path.write_text("\ufeffa: [1e-4, 5E3, -2e0, 1.5e-3]\r\nb: 1e\r\n", encoding="utf-8")
    assert read_yaml(path) == {"a": [1e-4, 5e3, -2.0, 1.5e-3], "b": "1e"}


SCALE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"sft": {"lr": 1}}, r"config/scales/mini\.yaml: sft\.lr: unknown key"),
    ({"sft": {"learning_rate": -1}}, r"config/scales/mini\.yaml: sft\.learning_rate: .*greater than 0, found -1"),
    ({"sft": {"lora": {"r": "big"}}}, r"config/scales/mini\.yaml: sft\.lora\.r: .*found 'big'"),
    ({"sft": {"dataset": {"representation": "all"}}}, r"mini\.yaml: sft\.dataset\.representation: .*found 'all'"),
    ({"grpo": {"beta": -1}}, r"config/scales/mini\.yaml: grpo: beta: .*found -1"),
    ({"grpo": {"batch_size": 10}}, r"config/scales/mini\.yaml: grpo: batch_size × grad_accum \(10\)"),
    ({"splits": {"test": 0.7}}, r"config/scales/mini\.yaml: splits: test \+ sft_val \+ grpo must leave"),
    ({"texts": {"source": "web"}}, r"config/scales/mini\.yaml: texts: .*'web'.*expected tags: 'embedded'"),
    ({"compute": "moon"}, r"config/scales/mini\.yaml: compute: .*found 'moon'"),
    ({"results": "../elsewhere"}, r"config/scales/mini\.yaml: results: .*found '\.\./elsewhere'"),
    ({"seeds": {"arm": []}}, r"config/scales/mini\.yaml: seeds\.arm: .*at least 1 item"),
    ({"evaluation": {"eval_sets": ["nowhere"]}}, r"rank\.yaml: eval_sets: no eval set 'nowhere'"),
    ({"decoding": {"temperature": 3}}, r"config/scales/mini\.yaml: decoding\.temperature: .*found 3"),
]


@pytest.mark.parametrize(("over", "message"), SCALE_ERRORS, ids=[m[:60] for _, m in SCALE_ERRORS])
def test_an_error_in_a_scale(project: Path, over: dict[str, Any], message: str) -> None:
    found = fails(project, overrides=over)
    assert re.search(message, found), found


RUN_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"scale": "huge"}, r"config: scale: no scale 'huge' \(hint: scales: mini\)"),
    ({"scale": 3}, r"--config: scale: Input should be a valid string, found 3"),
    ({"experiments": "rank,rnk"}, r"config: experiments: no experiment 'rnk' \(hint: experiments: rank\)"),
    ({"experiments": ","}, r"config: experiments: no experiment is named"),
    ({"experiment": "rank"}, r"--config: experiment: unknown key \(hint: keys: budget, experiments, "),
    ({"overrides": 3}, r"--config: overrides: .*found 3"),
]


@pytest.mark.parametrize(("config", "message"), RUN_ERRORS, ids=[m[:60] for _, m in RUN_ERRORS])
def test_an_error_on_the_command_line(project: Path, config: dict[str, Any], message: str) -> None:
    found = fails(project, **config)
    assert re.search(message, found), found


MODEL_ERRORS = [
    ("smollm2-135m: [mini]\n", r"config/models\.yaml: smollm2-135m: scales with a spec each were expected"),
    ("smollm2-135m: {mini: {kind: gguf}}\n", r"config/models\.yaml: smollm2-135m\.mini: .*'gguf'"),
    ("smollm2-135m: {mini: {kind: hub, repo: x}}\n", r"smollm2-135m\.mini: hub\.repo: .*found 'x'"),
    ("smollm2-135m: {mini: {kind: miniature, architecture: gpt2}}\n", r"miniature\.architecture: .*found 'gpt2'"),
    ("other: {mini: {kind: local, path: /x}}\n", r"base_model: no model 'smollm2-135m' at scale mini"),
]


@pytest.mark.parametrize(("text", "message"), MODEL_ERRORS, ids=[text[:40] for text, _ in MODEL_ERRORS])
def test_an_error_in_the_models(project: Path, text: str, message: str) -> None:
    (project / "config/models.yaml").write_text(text)
    found = fails(project)
    assert re.search(message, found), found


@pytest.mark.parametrize("name", ["Rank", "my sweep", "a-b", "é", "2nd", "a.b"])
def test_a_name_with_odd_letters(project: Path, name: str) -> None:
    (project / "config/experiments/rank.yaml").rename(project / f"config/experiments/{name}.yaml")
    assert fails(project) == f"config/experiments/{name}.yaml: a name of lower-case letters, digits and _ was expected"


@pytest.mark.parametrize("name", ["train_sft", "all", "figures", "grpo", "all_tables"])
def test_an_experiment_named_like_a_rule_or_stage(project: Path, name: str) -> None:
    (project / "config/experiments/rank.yaml").rename(project / f"config/experiments/{name}.yaml")
    study = Study(project, {"scale": "mini"})
    with pytest.raises(InputError, match=f"config/experiments/{name}.yaml: '{name}' is a rule or another target"):
        Targets(study, reserved_names(ROOT))


def test_no_experiment_at_all(project: Path) -> None:
    (project / "config/experiments/rank.yaml").unlink()
    assert fails(project) == "config/experiments: no experiment is declared"


def test_missing_sources_and_prompts_are_named(project: Path) -> None:
    study = Study(project, {"scale": "mini", "texts": "mine.jsonl"})
    with pytest.raises(InputError, match=r"^mine\.jsonl: no such file"):
        study._source(study.scale.texts.path)
    with pytest.raises(InputError, match=r"^config/prompts/loud\.md: no such prompt"):
        study.prompt("loud")


def test_experiments_are_chosen_by_name(project: Path) -> None:
    declared = load_experiments(project)
    twice = {**declared, "beta": declared["rank"]}
    assert choose(twice, "all") == ["rank", "beta"]
    assert choose(twice, " rank, beta,rank ") == choose(twice, ["rank", "beta"]) == ["beta", "rank"]
    assert load_run({}) == RunConfig() and load_run({"texts": "x.jsonl"}).texts == "x.jsonl"
