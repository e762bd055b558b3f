"""The two experiments on config fields in the grid: what they are made of, and their figures; once as a workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from project import OVERRIDES, copy_sources, snakemake, trim, write_yaml

from vibegrid.errors import InputError
from vibegrid.figures import field_usage, sensitivity
from vibegrid.files import read_csv
from vibegrid.grid.study import Study
from vibegrid.schema import FIELDS
from vibegrid.sound.acoustics import MEASURES
from vibegrid.specs.measures import measures_spec
from vibegrid.specs.sensitivity import SensitivitySpec
from vibegrid.specs.usage import UsageSpec
from vibegrid.tables.measures import wide_table

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("synth_sensitivity", "field_usage")
HEARD = {
    "title": "x",
    "question": "x?",
    "kind": "sensitivity",
    "primary": {"metric": "embedding_shift"},
    "settings": {"bases": 2},
}
ABLATION = {"systems": ["rule_based", "teacher"], "fields": 1, "prompts": 2, "eval_set": "few"}
USED = {
    "title": "x",
    "question": "x?",
    "kind": "field_usage",
    "primary": {"metric": "mutual_information"},
    "arms": {name: {"stage": name} for name in ("random", "rule_based", "retrieval")},
    "eval_sets": ["few"],
    "settings": {"groups": 3, "permutations": 100, "ablation": ABLATION},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A trimmed copy of the project, without experiments."""
    found = trim(copy_sources(tmp_path))
    for path in (found / "config/experiments").glob("*.yaml"):
        path.unlink()
    return found


def study(**overrides: Any) -> Study:
    return Study(ROOT, {"scale": "mini", "overrides": overrides})


@pytest.fixture(scope="module")
def base() -> Study:
    return study()


def test_they_are_made_of_what_they_read(base: Study) -> None:
    heard, used = (base.analyses[name] for name in NAMES)
    assert set(heard.parents) == {"scorer:clap_eval", "scorer_model:clap_eval", "bank"}
    assert heard.parents["bank"].spec["seconds"] == heard.spec["seconds"]
    made = [node for node in used.parents.values() if node.kind == "generations"]
    assert {run for runs in used.spec["runs"].values() for run in runs} == {node.id for node in made}
    assert {f"eval_set:{name}" for name in used.spec["eval_sets"]} < set(used.parents)
    assert {"splits", "embeddings", "scorer:clap_eval"} < set(used.parents)


def test_a_change_reaches_the_one_that_reads_it(base: Study) -> None:
    ids = [base.analyses[name].id for name in NAMES]
    rows = study(evaluation={"test_rows": 12})
    assert [rows.analyses[name].id == before for name, before in zip(NAMES, ids, strict=True)] == [True, False]
    longer = study(sound={"seconds": 3})
    assert all(longer.analyses[name].id != before for name, before in zip(NAMES, ids, strict=True))
    assert longer.analyses[NAMES[0]].parents["bank"].spec["seconds"] == 3


def test_an_ablation_of_no_arm_is_named(project: Path) -> None:
    wrong = {**USED, "settings": {"ablation": {**ABLATION, "systems": ["nobody"]}}}
    write_yaml(project / "config/experiments/used.yaml", wrong)
    with pytest.raises(InputError, match=r"used\.yaml: settings: ablation: systems: no arm 'nobody'"):
        _ = Study(project, {"scale": "mini", "overrides": OVERRIDES}).analyses


def test_an_unknown_scorer_is_named(project: Path) -> None:
    write_yaml(project / "config/experiments/mine.yaml", {**HEARD, "settings": {"scorer": "ears"}})
    with pytest.raises(InputError, match=r"mine\.yaml: settings: scorer: no scorer 'ears'"):
        _ = Study(project, {"scale": "mini", "overrides": OVERRIDES}).analyses


def cells(arm: str, metric: str, value: float, **more: str) -> dict[str, str]:
    numbers = {"mean": value, "ci_low": value - 0.1, "ci_high": value + 0.1}
    numbers |= {"delta": value, "delta_low": value - 0.1, "delta_high": value + 0.1}
    names = {"arm": arm, "metric": metric, "system": "", "eval_set": "x", "decoding": "free", "subset": "all"}
    return {**names, **{key: f"{number:.6f}" for key, number in numbers.items()}, **more}


def test_the_sensitivity_figure_ranks_fields_and_names_those_not_heard(tmp_path: Path) -> None:
    spec = SensitivitySpec(scale="mini", experiment="synth_sensitivity", question="What is heard?")
    rows = []
    for place, field in enumerate(FIELDS):
        rows += [cells(field, f"{name}_shift", 0.01 * place) for name in ("embedding", "acoustic", *MEASURES)]
        rows += [cells(field, metric, float(place > 2)) for metric in ("heard", "heard_acoustic")]
    found = {(row["arm"], row["metric"]): row for row in rows}
    assert sensitivity.ranked(found) == list(FIELDS)[::-1] and sensitivity.unheard(found) == list(FIELDS)[:3]
    assert f"(3 of 34): {', '.join(list(FIELDS)[:3])}." in sensitivity.caption(spec, found)
    files = [tmp_path / name for name in ("a.pdf", "a.png", "b.pdf", "b.png")]
    sensitivity.draw(spec, rows, *files[:2])
    sensitivity.draw(spec, rows[::-1], *files[2:])
    assert files[0].read_bytes() == files[2].read_bytes() and files[1].read_bytes() == files[3].read_bytes()
    table = wide_table(measures_spec(spec.model_dump(mode="json")), rows)
    assert table.columns[:3] == ["field", "embedding: cosine distance beyond another seed", "heard in it"]
    assert table.rows[1][1] == "+0.010 [−0.090, +0.110]"


def test_the_usage_figure_shows_every_system_and_takes_gaps(tmp_path: Path) -> None:
    spec = UsageSpec(
        scale="mini", experiment="field_usage", eval_sets=("short_prompts",), runs={"sft": ("a",), "sft_grpo": ("b",)}
    )
    rows = [
        cells(field, metric, 0.3, system=system)
        for system in ("teacher", "teacher_all_rows", "sft")
        for field in FIELDS
        for metric in ("mutual_information", "follows_vibe", "teacher_divergence")
    ]
    rows += [cells("tempo", "ablation_delta_random", 0.2, system="sft")]
    rows += [cells("all_fields", "follows_vibe", 5 / 34, system="sft")]
    field_usage.draw(spec, rows, tmp_path / "a.pdf", tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000 and (tmp_path / "a.pdf").exists()
    found = {(row["system"], row["arm"], row["metric"]): row for row in rows}
    assert "Fields that follow the vibe: sft 5." in field_usage.caption(spec, found)
    assert field_usage.systems(spec) == ["teacher_all_rows", "teacher", "sft", "sft_grpo"]


@pytest.mark.slow
@pytest.mark.xdist_group("workflow")
def test_both_run_as_a_workflow(project: Path) -> None:
    """On two random configs of one second, and three systems that need no training."""
    write_yaml(project / "config/experiments/heard.yaml", HEARD)
    write_yaml(project / "config/experiments/used.yaml", USED)
    snakemake(project, "results/all_tables.csv", "figures", "--cores", "2")
    rows = list(read_csv(project / "results/all_tables.csv"))
    assert {row["arm"] for row in rows if row["experiment"] == "heard"} == {"another_seed", "all_fields", *FIELDS}
    assert {row["system"] for row in rows if row["experiment"] == "used"} == {
        *USED["arms"],
        "teacher",
        "teacher_all_rows",
    }
    losses = [row for row in rows if row["metric"].startswith("ablation_delta")]
    assert len(losses) == 4 and np.isfinite([float(row["mean"]) for row in losses]).all()
    for name in ("heard", "used"):
        assert (project / f"results/figures/{name}.png").exists() and (project / f"results/tables/{name}.md").exists()
