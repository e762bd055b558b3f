"""Identities: what a digest covers, and what it does not.

`python tests/test_identity.py --regenerate` writes anew which modules each step reaches (tests/data).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import copy_sources

from vibegrid.errors import InputError
from vibegrid.grid.code import Code, normalised
from vibegrid.grid.evaluations import LEXICON
from vibegrid.grid.identity import MAX_SLUG, SourceDigests, digest_of, flatten, safe, slug_of
from vibegrid.grid.study import Study
from vibegrid.grid.targets import FILES, Targets, files_of_step
from vibegrid.grid.vouched import VOUCHED, load_vouched
from vibegrid.systems.registry import SYSTEMS

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "data" / "reached_modules.json"
KINDS = set(FILES)
INSTRUMENTS = {"models", "banks", "claps", "effects"}  # made of no vibe
PREPARED = {"texts", "vibes", "labels", "embeddings", "splits", "datasets"}  # what is made before any training
EVALUATED = {"generations", "scores", "analyses"}
HEARD = EVALUATED | {"packs"}  # where outputs on the set that people rate change too
ADAPTERS = {"adapters/sft", "adapters/grpo"}
STUDIES: dict[str, Study] = {}


def study(root: Path = ROOT, **overrides: Any) -> Study:
    """The study at mini with overrides; of this repository each is made once."""
    if root != ROOT:
        return Study(root, {"scale": "mini", "overrides": overrides})
    key = json.dumps(overrides, sort_keys=True)
    if key not in STUDIES:
        STUDIES[key] = Study(root, {"scale": "mini", "overrides": overrides})
    return STUDIES[key]


def ids(found: Study) -> dict[str, set[str]]:
    """Kind to the ids of its nodes."""
    return {kind: set(found.nodes(kind)) for kind in FILES}


def changed(before: Study, after: Study) -> set[str]:
    """Kinds of which some node is another one."""
    return {kind for kind in FILES if ids(before)[kind] != ids(after)[kind]}


# slugs and digests ----------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
SPECS = st.dictionaries(st.text(min_size=1), SCALARS | st.dictionaries(st.text(min_size=1), SCALARS), max_size=6)


def shuffled(value: Any) -> Any:
    """The same mapping with its keys in the opposite order, at every depth."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(list(value))}
    return value


@given(SPECS)
def test_a_digest_does_not_depend_on_the_order_of_keys(spec: dict[str, Any]) -> None:
    try:
        first = digest_of(spec)
    except UnicodeEncodeError:  # half of a surrogate pair: no such text comes out of a configuration file
        return
    assert first == digest_of(shuffled(spec)) and re.fullmatch(r"[0-9a-f]{12}", first)


@given(SPECS, st.text(min_size=1), st.integers())
def test_another_value_is_another_digest(spec: dict[str, Any], key: str, value: int) -> None:
    try:
        assert digest_of({**spec, key: value}) != digest_of({**spec, key: value + 1})
    except UnicodeEncodeError:
        return


@given(SPECS, SPECS)
def test_a_slug_has_safe_letters_and_is_never_empty(spec: dict[str, Any], baseline: dict[str, Any]) -> None:
    slug = slug_of(spec, baseline)
    assert re.fullmatch(rf"[a-z0-9._-]{{1,{MAX_SLUG}}}", slug)
    assert slug not in (".", "..") and not slug.startswith(".")


@given(st.text())
def test_any_name_is_safe_in_a_path(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]*", safe(text)) and not safe(text).startswith(".")


def test_a_slug_says_how_a_spec_differs() -> None:
    baseline = {"lora": {"r": 16, "modules": ["q", "v"]}, "rate": 1e-4, "size": 5, "sft": {"seed": 42}, "seed": 42}
    assert slug_of(baseline, baseline) == "baseline"
    changes: list[tuple[dict[str, Any], str]] = [
        ({"lora": {"r": 4, "modules": ["q", "v"]}}, "lora-r-4"),
        ({"lora": {"r": 16, "modules": ["q"]}}, "lora-modules-q"),
        ({"rate": 5e-5}, "rate-5e-05"),
        ({"size": None}, "size-all"),
        ({"seed": 43, "sft": {"seed": 43}}, "seed-43"),
        ({"size": 1, "rate": 0.5}, "rate-0.5_size-1"),
    ]
    for change, slug in changes:
        assert slug_of({**baseline, **change}, baseline) == slug


def test_ids_are_slug_and_digest_and_no_two_nodes_share_a_folder() -> None:
    nodes = list(study().all_nodes())
    assert len({node.folder for node in nodes}) == len(nodes)
    for node in nodes:
        assert re.fullmatch(r"[a-z0-9._-]+\.[0-9a-f]{12}", node.id)
        assert node.kind in KINDS and node.folder == f"results/{node.kind}/{node.id}"
        names = files_of_step(node.kind, node.step)
        assert set(names) >= set(FILES[node.kind])
        assert set(Targets.outputs(node)) == {f"{node.folder}/{name}" for name in names}


def test_source_digests_are_of_bytes_and_large_files_are_cached(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "large").write_bytes(b"b" * (1 << 20))
    first = {path: SourceDigests(tmp_path).of(path) for path in ("small", "folder", "folder/large")}
    assert (tmp_path / ".cache/source_digests.json").exists()
    assert {path: SourceDigests(tmp_path).of(path) for path in first} == first
    (tmp_path / "folder" / "large").write_bytes(b"c" * (1 << 20))
    (tmp_path / "folder" / "large").touch()
    second = {path: SourceDigests(tmp_path).of(path) for path in first}
    assert {path for path in first if first[path] != second[path]} == {"folder", "folder/large"}
    (tmp_path / "folder" / "large").rename(tmp_path / "folder" / "other")
    assert SourceDigests(tmp_path).of("folder") != second["folder"]


# what a value changes -------------------------------------------------------------------------------------------


def test_every_baseline_arm_of_sft_is_one_adapter_a_seed() -> None:
    found = study()
    arms = [arm for e in found.experiments.values() for arm in e.arms if arm.is_baseline and arm.stage == "sft"]
    assert len(arms) >= 9
    per_arm = {tuple(found.adapter(run).id for run in arm.runs) for arm in arms}  # type: ignore[arg-type]
    assert len(per_arm) == 1 and len(per_arm.pop()) == len(found.scale.seeds.baseline)


def test_grpo_starts_from_the_adapter_that_sft_made() -> None:
    found = study()
    for node in found.nodes("adapters/grpo").values():
        assert node.parents["sft"].id in found.nodes("adapters/sft")


def test_the_same_study_twice_has_the_same_ids() -> None:
    assert ids(study()) == ids(Study(ROOT, {"scale": "mini"}))


CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({"vibes": {"page_words": 90}}, KINDS - {"texts"} - INSTRUMENTS),
    ({"texts": {"limit": 20}}, KINDS - INSTRUMENTS),
    ({"labels": {"candidates": 3}}, KINDS - {"texts", "vibes", "embeddings"} - INSTRUMENTS),
    ({"splits": {"seed": 7}}, KINDS - {"texts", "vibes", "labels", "embeddings"} - INSTRUMENTS),
    ({"sft": {"max_grad_norm": 0.7}}, ADAPTERS | HEARD),
    ({"sft": {"dataset": {"error_rate": 0.2}}}, {"datasets"} | ADAPTERS | HEARD),
    ({"grpo": {"beta": 0.16}}, {"adapters/grpo"} | HEARD),
    ({"grpo": {"temperature": 0.9}}, {"adapters/grpo"} | HEARD),
    ({"decoding": {"max_new_tokens": 99}}, HEARD),
    ({"evaluation": {"test_rows": 29}}, {"eval_sets"} | EVALUATED),
    ({"evaluation": {"bootstrap": 777}}, {"analyses", "selections"}),
    ({"labels": {"scorer_vibes": 9}}, KINDS - {"texts", "vibes", "embeddings"} - INSTRUMENTS),
    ({"selection": {"candidates": 6}}, {"selections"}),
    ({"sound": {"seconds": 5}}, (KINDS - {"texts", "vibes", "embeddings"} - INSTRUMENTS) | {"banks"}),
    ({"sound": {"bank": {"seed": 9}}}, {"banks", "effects", "scores", "analyses"}),
    ({"compute": "local"}, set()),
    ({"results": "results/elsewhere"}, set()),
]


@pytest.mark.parametrize(("overrides", "expected"), CHANGES, ids=[json.dumps(over) for over, _ in CHANGES])
def test_a_changed_value_changes_what_depends_on_it(overrides: dict[str, Any], expected: set[str]) -> None:
    assert changed(study(), study(**overrides)) == expected


def test_a_changed_value_that_every_node_depends_on_leaves_none() -> None:
    before, after = ids(study()), ids(study(vibes={"page_words": 90}))
    for kind in KINDS - {"texts", "generations", "scores"} - INSTRUMENTS:
        assert not before[kind] & after[kind], kind


def test_systems_without_a_training_do_not_depend_on_its_values() -> None:
    before, after = study(), study(sft={"max_grad_norm": 0.7})
    same = ids(before)["scores"] & ids(after)["scores"]
    assert {identity.rsplit(".", 1)[0] for identity in same} == {
        "base-smollm2-135m",
        "base-smollm2-135m_constrained",
        "llm-embedded-composer-1",
        "llm-local-smollm2-135m-instruct",
        "llm-local-smollm2-135m-instruct_constrained",
        "random",
        "random_seed-43",
        "random_seed-44",
        "retrieval",
        "rule_based",
        "sound_retrieval",
    }


def test_labels_are_chosen_by_a_scorer_that_no_label_calibrates() -> None:
    found, unchosen = study(), study(labels={"scorer": None})
    chosen = found.data.labels
    assert chosen.step == "choose_payloads" and set(chosen.parents) == {"labels", "model"}
    assert chosen.parents["labels"].id == unchosen.data.labels.id  # another scorer asks the teacher nothing
    assert unchosen.data.labels.step == "write_payloads"
    assert found.sound.scorer("clap_train").parents["splits"].parents["labels"] is chosen
    judged = study(labels={"scorer": "judge"}).data.labels
    assert judged.spec["salt"] and set(judged.sources) == {"prompt"} and set(judged.parents) == {"labels"}
    for overrides in ({"labels": {"scorer": "nobody"}}, {"selection": {"scorers": ["nobody"]}}):
        with pytest.raises(InputError, match="no scorer 'nobody' at scale mini"):
            list(study(**overrides).all_nodes())


def test_grpo_values_leave_every_evaluation_of_sft() -> None:
    before, after = study(), study(grpo={"beta": 0.16})
    lost = ids(before)["generations"] - ids(after)["generations"]
    assert lost and all(identity.startswith("grpo-") for identity in lost)


def test_texts_are_their_bytes_not_their_path(tmp_path: Path) -> None:
    rows = (ROOT / "config/texts/embedded.jsonl").read_bytes()
    nodes = []
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        (tmp_path / name).write_bytes(rows if name != "c.jsonl" else rows.replace(b"the", b"teh", 1))
        nodes.append(Study(ROOT, {"scale": "mini", "texts": str(tmp_path / name)}).data.texts)
    assert nodes[0].digest == nodes[1].digest != nodes[2].digest
    assert [node.slug for node in nodes] == ["a", "b", "c"]


# what an edit of a file changes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: the working tree stays as it is, and colleagues may go on editing it."""
    return copy_sources(tmp_path_factory.mktemp("base") / "project")


@pytest.fixture(scope="module")
def base_study(base: Path) -> Study:
    return study(base)


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    """A copy to edit."""
    for name in ("src", "scripts", "config"):
        shutil.copytree(base / name, tmp_path / name)
    return tmp_path


def append(path: Path, text: str) -> None:
    assert path.exists(), path
    path.write_text(path.read_text() + text)


def steps(root: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name to step and named modules: every script, and `generate` once for each kind of system."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {p.stem: (p.stem, ()) for p in (root / "scripts").glob("*.py")}
    found |= {f"generate:{kind}": ("generate", (module,)) for kind, module in SYSTEMS.items()}
    return dict(sorted(found.items()))


def code_digests(root: Path) -> dict[str, str]:
    code = Code(root)
    return {name: code.digest(*key) for name, key in steps(root).items()}


@pytest.fixture(scope="module")
def base_digests(base: Path) -> dict[str, str]:
    return code_digests(base)


def steps_changed(before: dict[str, str], root: Path) -> set[str]:
    after = code_digests(root)
    assert after.keys() == before.keys()
    return {name for name in before if before[name] != after[name]}


def test_the_project_may_lie_anywhere(base_study: Study, copy: Path) -> None:
    for name in ("rules", "Snakefile"):  # not read, and not missed
        assert not (copy / name).exists()
    assert ids(study(copy)) == ids(base_study)


def test_comments_docstrings_and_formatting_are_no_code(base_digests: dict[str, str], copy: Path) -> None:
    for path in (copy / "src/vibegrid").rglob("*.py"):
        text = path.read_text()
        path.write_text(f"# a comment\n\n{text}\n\n\n# another\n")
    grpo = copy / "src/vibegrid/training/grpo.py"
    text = grpo.read_text()
    docstrings = re.findall(r'"""(?:[^"]|"(?!""))*"""', text)
    assert len(docstrings) >= 3
    for docstring in docstrings:
        text = text.replace(docstring, '"""Said in other words."""')
    grpo.write_text(text)
    assert steps_changed(base_digests, copy) == set()


def test_normalising_keeps_what_runs() -> None:
    source = 'def f(a):\n    """Doc."""\n    return {"x": a}  # why\n'
    assert normalised(source) == normalised("def f(a): return {'x': a,}")
    assert normalised(source) != normalised("def f(a): return {'y': a}")
    assert normalised('def f():\n    """Doc."""\n') == normalised("def f():\n    pass\n")
    assert normalised("x = 1\n'text'") != normalised("x = 1")  # only a first string is a docstring


EDITS: list[tuple[str, set[str]]] = [
    ("src/vibegrid/training/grpo.py", {"train_grpo"}),
    ("src/vibegrid/training/sft.py", {"train_sft"}),
    (
        "src/vibegrid/figures/style.py",
        {
            *("plot", "plot_training", "plot_agreement", "plot_clap", "plot_selection"),
            *("plot_ratings", "plot_sensitivity", "plot_stories", "plot_usage"),
        },
    ),
    ("src/vibegrid/figures/training_curves.py", {"plot_training"}),
    ("src/vibegrid/evals/metrics.py", {"score", "build_listen", "build_stories"}),
    ("src/vibegrid/datasets/noise.py", {"build_dataset", "build_eval_set"}),
    ("src/vibegrid/systems/rule_based.py", {"generate:rule_based"}),
    ("src/vibegrid/systems/language_model.py", {"generate:base", "generate:sft", "generate:grpo"}),
    ("src/vibegrid/specs/grpo.py", {"train_grpo"}),
    (
        "src/vibegrid/specs/reward.py",
        {
            "train_grpo",
            "score",
            "calibrate_scorer",
            "measure_labels",
            "choose_payloads",
            "measure_selection",
            "generate:sound_retrieval",
            *("build_pack", "build_stories", "measure_sensitivity", "measure_stories", "measure_usage"),
        },
    ),
    ("scripts/score.py", {"score"}),
    ("src/vibegrid/grid/arms.py", set()),
    ("src/vibegrid/cli.py", set()),
    ("src/vibegrid/preload.py", set()),
    ("src/vibegrid/llm/composer.py", set()),  # it is the version of a provider: the labels' salt
]


@pytest.mark.parametrize(("path", "expected"), EDITS, ids=[path for path, _ in EDITS])
def test_a_statement_changes_the_steps_that_reach_it(
    base_digests: dict[str, str], copy: Path, path: str, expected: set[str]
) -> None:
    append(copy / path, "\nADDED = 1\n")
    assert steps_changed(base_digests, copy) == expected


def test_a_new_scorer_changes_nothing(base_digests: dict[str, str], base_study: Study, copy: Path) -> None:
    (copy / "src/vibegrid/scorers/loudness.py").write_text(
        '"""Louder is better."""\n\nfrom vibegrid.payloads import parse_output\n\n\ndef score(audio):\n    return 1.0\n'
    )
    assert "vibegrid.scorers.loudness" in Code(copy).closure({"vibegrid.scorers.loudness"})
    assert "vibegrid.payloads" in Code(copy).closure({"vibegrid.scorers.loudness"})  # seen, and by nobody reached
    assert steps_changed(base_digests, copy) == set()
    assert ids(study(copy)) == ids(base_study)


def test_an_import_inside_a_function_is_reached(base_digests: dict[str, str], copy: Path) -> None:
    (copy / "src/vibegrid/scorers/loudness.py").write_text("LOUD = 1\n")
    append(copy / "src/vibegrid/training/grpo.py", "\n\ndef late():\n    from vibegrid.scorers import loudness\n")
    before = code_digests(copy)
    append(copy / "src/vibegrid/scorers/loudness.py", "LOUDER = 2\n")
    assert steps_changed(before, copy) == {"train_grpo"}


def test_the_lexicon_is_the_teacher_and_not_the_extractor(base_study: Study, copy: Path) -> None:
    path = copy / LEXICON
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest[1:]]) + "\n")
    after = study(copy)
    assert after.data.vibes.id == base_study.data.vibes.id and after.data.embeddings.id == base_study.data.embeddings.id
    assert after.data.labels.id != base_study.data.labels.id
    written = [each.data.labels.parents["labels"] for each in (base_study, after)]
    assert written[0].spec["salt"] != written[1].spec["salt"]
    assert changed(base_study, after) >= {"labels", "splits", "datasets", "eval_sets"} | ADAPTERS | EVALUATED
    assert "models" not in changed(base_study, after)


def test_a_data_file_beside_a_module_is_part_of_it(base_digests: dict[str, str], copy: Path) -> None:
    append(copy / "src/vibegrid/systems/rule_based_keywords.yaml", "\n# an edit\n")
    assert steps_changed(base_digests, copy) == {"generate:rule_based"}


def test_code_of_training_changes_its_adapters_and_their_evaluations(base_study: Study, copy: Path) -> None:
    append(copy / "src/vibegrid/training/grpo.py", "\nADDED = 1\n")
    after = study(copy)
    assert changed(base_study, after) == {"adapters/grpo"} | HEARD
    lost = ids(base_study)["scores"] - ids(after)["scores"]
    assert all(identity.startswith("grpo-") for identity in lost)


def edited_set(project: Path) -> Path:
    path = project / "config/eval_sets/short_prompts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["prompt"] += " again"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return project


def test_an_edited_prompt_changes_that_part_only(base_study: Study, copy: Path) -> None:
    after = study(edited_set(copy))
    assert changed(base_study, after) == {"eval_sets"} | HEARD
    gone = ids(base_study)["eval_sets"] - ids(after)["eval_sets"]
    edited = {identity.split(".")[0] for identity in gone}
    assert edited == {"short_prompts", "typo_prompts"}  # the latter is derived from the former
    for kind in ("generations", "scores"):
        before_by_slug = {node.slug: node.parts for node in base_study.nodes(kind).values()}
        for node in after.nodes(kind).values():
            parts = before_by_slug[node.slug]
            differ = {name for name in parts if parts[name] != node.parts[name]}
            assert parts.keys() == node.parts.keys()
            assert differ == {name for name in parts if name.split(":")[0] in edited}
            assert differ or {name.split(":")[0] for name in parts} == {"teacher_prompts"}


def test_a_system_prompt_changes_trainings_and_not_datasets(base_study: Study, copy: Path) -> None:
    append(copy / "config/prompts/system/detailed.md", "Be brief.\n")
    after = study(copy)
    assert changed(base_study, after) == {"adapters/sft"} | EVALUATED
    gone = {identity.rsplit(".", 1)[0] for identity in ids(base_study)["adapters/sft"] - ids(after)["adapters/sft"]}
    assert gone == {"system_prompt-detailed"}


def test_the_prompt_of_an_llm_changes_what_it_wrote(base_study: Study, copy: Path) -> None:
    append(copy / "config/prompts/write_payload.md", "\nBe brief.\n")
    assert changed(base_study, study(copy)) == KINDS - {"texts", "vibes", "embeddings"} - INSTRUMENTS


def test_a_new_experiment_leaves_every_adapter(base_study: Study, copy: Path) -> None:
    text = "title: Clip\nquestion: Does it matter?\nsweep: {max_grad_norm: [0.5, 1.0]}\n"
    text += "primary: {metric: reward, eval_set: test}\n"
    (copy / "config/experiments/clipping.yaml").write_text(text)
    before, after = ids(base_study), ids(study(copy))
    assert after["adapters/sft"] - before["adapters/sft"] == {
        node for node in after["adapters/sft"] if node.startswith("max_grad_norm-0.5.")
    }
    for kind in KINDS:
        assert before[kind] <= after[kind], kind


def test_where_sound_is_off_nothing_of_it_is_made(copy: Path) -> None:
    for path in (copy / "config/experiments").glob("*.yaml"):
        if path.stem not in ("lora_rank", "grpo_beta"):
            path.unlink()
    silent = {"format": 0.2, "schema": 0.3, "audio": 0, "audio_scorer": None}
    scorers: dict[str, list[str]] = {name: [] for name in study().scale.evaluation.scorers}
    by_validity = {"scorer": None}
    found = study(copy, sound=None, evaluation={"scorers": scorers}, grpo={"reward": silent}, labels=by_validity)
    targets = Targets(found, set())
    assert targets.claps() == {} and targets.clap_figure() == [] and targets.heard() == {}
    made = {path.split("/")[1] for path in targets.identity_files(found.selected)}
    assert "adapters" in made and not made & {"banks", "claps", "scorers", "effects"}
    assert not any(found.nodes(kind) for kind in ("banks", "claps", "scorers", "effects"))


# vouching -------------------------------------------------------------------------------------------------------


def vouch(root: Path, *entries: tuple[str, str, str]) -> None:
    keys = ("step", "edited", "stands_for")
    rows = [{**dict(zip(keys, entry, strict=True)), "reason": "a test"} for entry in entries]
    (root / VOUCHED).write_text(json.dumps(rows))


def test_a_vouched_edit_keeps_the_digest(base_digests: dict[str, str], copy: Path) -> None:
    append(copy / "src/vibegrid/training/grpo.py", "\nADDED = 1\n")
    edited = Code(copy).digest("train_grpo")
    vouch(copy, ("train_grpo", edited, base_digests["train_grpo"]))
    code = Code(copy, load_vouched(copy))
    assert code.digest("train_grpo") == base_digests["train_grpo"] and code.actual("train_grpo") == edited
    assert code.vouchers_used == {"train_grpo": edited}
    append(copy / "src/vibegrid/training/grpo.py", "\nADDED = 2\n")  # not vouched for
    assert Code(copy, load_vouched(copy)).digest("train_grpo") not in (edited, base_digests["train_grpo"])


@pytest.mark.parametrize("entries", [[("s", "b", "a"), ("s", "c", "b")], [("s", "c", "b"), ("s", "b", "a")]])
def test_vouchers_chain(tmp_path: Path, entries: list[tuple[str, str, str]]) -> None:
    assert origin_of(tmp_path, entries, "c") == origin_of(tmp_path, entries, "b") == "a"


def test_vouching_for_an_edit_and_for_its_undoing_ends(tmp_path: Path) -> None:
    entries = [("s", "b", "a"), ("s", "a", "b")]
    assert origin_of(tmp_path, entries, "a") == origin_of(tmp_path, entries, "b") == "a"


def origin_of(root: Path, entries: list[tuple[str, str, str]], digest: str) -> str:
    (root / "config").mkdir(exist_ok=True)
    vouch(root, *entries)
    code = Code(root, load_vouched(root))
    code.actual = lambda step, named=(): digest  # type: ignore[method-assign]
    return code.digest("s")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"config/vouched\.json: a list of objects was expected"),
        ('[{"step": "s"}]', r"config/vouched\.json: an entry lacks 'edited'"),
        ("[", r"vouched\.json:1: not JSON"),
    ],
)
def test_a_broken_file_of_vouchers(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / VOUCHED).write_text(text)
    with pytest.raises(InputError, match=message):
        load_vouched(tmp_path)


# which modules a step reaches -----------------------------------------------------------------------------------


def reached(root: Path) -> dict[str, list[str]]:
    code = Code(root)
    return {name: code.modules_of(*key) for name, key in steps(root).items()}


def test_modules_reached_by_each_step() -> None:
    """A module that a step comes to reach makes its results depend on one more file: let that be on purpose."""
    golden, found = json.loads(GOLDEN.read_text()), reached(ROOT)
    lines = []
    for step in sorted(golden.keys() | found.keys()):
        before, after = set(golden.get(step, ())), set(found.get(step, ()))
        lines += [f"{step}: + {name}" for name in sorted(after - before)]
        lines += [f"{step}: - {name}" for name in sorted(before - after)]
    hint = "if that is meant: python tests/test_identity.py --regenerate"
    assert not lines, "\n".join([*lines, hint])


def test_no_step_reaches_the_grid_or_the_commands() -> None:
    for step, modules in reached(ROOT).items():
        assert not [name for name in modules if name.startswith(("vibegrid.grid", "vibegrid.commands"))], step


def test_package_inits_are_empty() -> None:
    """A package is reached with each of its modules: whatever stands in it would belong to all of them."""
    filled = [path for path in (ROOT / "src/vibegrid").rglob("__init__.py") if path.read_text().strip()]
    assert filled == []


def test_flatten_joins_keys_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": None}}, "e": []}) == {"a.b": 1, "a.c.d": None, "e": []}


def regenerate() -> None:
    """Write the golden file."""
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(reached(ROOT), indent=1) + "\n", encoding="utf-8")


COMMANDS: dict[str, Callable[[], None]] = {"--regenerate": regenerate}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: python tests/test_identity.py {' | '.join(COMMANDS)}")
    COMMANDS[sys.argv[1]]()


@pytest.mark.parametrize("edited", ["src/vibegrid/figures/style.py", "scripts/plot.py"])
def test_code_that_does_not_parse_is_one_line(copy: Path, edited: str) -> None:
    append(copy / edited, "\nx = = 1\n")
    line = (copy / edited).read_text().count("\n")
    with pytest.raises(InputError, match=f"^{edited}:{line}: not Python: x = = 1$"):
        Code(copy).digest("plot")
