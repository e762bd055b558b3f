"""Re-runs of the real workflow on a trimmed grid: what an edit re-runs, and nothing else.

The grid is run once; each test copies the finished project, edits it, and reads the plan twice: with Snakemake's
own records (`.snakemake/`) and with them removed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from project import EXPERIMENTS, OVERRIDES, PROMPTS, planned, slugs, snakemake, write_yaml

from vibegrid.files import read_csv, read_json

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]

TABLES = {"Compare arms", "Tabulate", "Plot", "Plot training curves", "Collect all tables"}
FIGURES = {"Plot", "Plot training curves"}
CARDS = {"Plot the cards of the CLAPs", "Plot what best of N buys"}


Copy = Callable[[], Path]


@pytest.fixture(params=["with_records", "without_records"])
def copy(finished: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A finished project to edit, with and without `.snakemake/`."""
    project = tmp_path / "project"
    shutil.copytree(finished, project, symlinks=True)
    if request.param == "without_records":
        shutil.rmtree(project / ".snakemake")
    return project


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1))


def experiment(project: Path, name: str, **changes: object) -> None:
    write_yaml(project / f"config/experiments/{name}.yaml", {**EXPERIMENTS[name], **changes})


def test_finished_is_finished(copy: Path) -> None:
    assert planned(copy) == {}


def test_shared_trainings_are_one_folder(finished: Path) -> None:
    specs = [path.read_text() for path in (finished / "results/adapters").glob("*/*/spec.json")]
    assert len(specs) == len(set(specs)) == 4
    arms = (finished / "results/tables/tiny_rank.csv").read_text()
    assert "lora.r=8" in arms and "lora.r=16" in arms


def test_outputs_belong_to_the_prompts_of_their_set(finished: Path) -> None:
    for path in (finished / "results/generations").glob("*/generations.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert {row["prompt"] for row in rows if row["id"].startswith("few-")} <= {row["prompt"] for row in PROMPTS}
        assert {row["eval_set"] for row in rows if row["id"].startswith("few-")} <= {"few"}
        assert all(row["id"].startswith("test-") for row in rows if row["eval_set"] == "test")


def test_new_arm_is_its_adapter_and_evaluation(copy: Path) -> None:
    experiment(copy, "tiny_rank", sweep={"lora.r": [4, 8, 16]})
    plan = planned(copy)
    assert slugs(plan.pop("Train SFT adapter")) == ["lora-r-4"]
    assert slugs(plan.pop("Generate outputs")) == ["sft-lora-r-4"]
    assert slugs(plan.pop("Score outputs")) == ["sft-lora-r-4"]
    assert slugs(plan.pop("Compare arms")) == ["tiny_rank"]
    assert plan.pop("Tabulate") == plan.pop("Plot") == plan.pop("Plot training curves") == ["tiny_rank"]
    assert plan == {"Collect all tables": [""]}


def test_new_noise_rate_or_dedupe_threshold_calls_no_llm(finished: Path, tmp_path: Path) -> None:
    """Only its variant, adapter and evaluations are new; the variant is built without one answer of an LLM."""
    copy = tmp_path / "project"
    shutil.copytree(finished, copy, symlinks=True)
    shutil.rmtree(copy / ".snakemake")
    arms = {"noise": {"dataset.error_rate": 0.5}, "dedupe": {"dataset.dedupe_threshold": 0.7}}
    named = {name: {"set": settings} for name, settings in arms.items()}
    twins = {name: {"set": {"dataset.representation": name}} for name in ("all_levels", "both_scopes")}
    experiment(copy, "tiny_rank", sweep={}, arms={**named, **twins})
    plan = planned(copy)
    variants = ["dataset-dedupe_threshold-0.7", "dataset-error_rate-0.5"]
    assert slugs(plan["Build dataset variant"]) == [variant.removeprefix("dataset-") for variant in variants]
    assert slugs(plan["Train SFT adapter"]) == variants
    assert slugs(plan["Generate outputs"]) == slugs(plan["Score outputs"]) == [f"sft-{variant}" for variant in variants]
    assert set(plan) == TABLES | {"Build dataset variant", "Train SFT adapter", "Generate outputs", "Score outputs"}
    answers = copy / ".cache/llm"
    assert answers.is_file()
    answers.unlink()  # without it every call is made, and kept there
    cards = [f"results/datasets/{made}/card.json" for made in plan["Build dataset variant"]]
    snakemake(copy, *cards)
    assert not answers.exists()
    dedupe, noise = (read_json(copy / card) for card in cards)
    assert noise["noise"]["SFT-Train"]["rows"] > dedupe["noise"]["SFT-Train"]["rows"]
    assert dedupe["duplicates"]["removed"] > noise["duplicates"]["removed"]


def test_removed_arm_remakes_the_table_only(copy: Path) -> None:
    experiment(copy, "tiny_rank", sweep={"lora.r": [16]})
    assert set(planned(copy)) == TABLES


def test_changed_beta_trains_no_sft(copy: Path) -> None:
    experiment(copy, "tiny_beta", sweep={"beta": [0.01, 0.04]})
    plan = planned(copy)
    assert slugs(plan["Train GRPO adapter"]) == ["beta-0.01"]
    assert set(plan) == TABLES | {"Train GRPO adapter", "Generate outputs", "Score outputs"}


def test_edited_prompt_is_that_set_only(copy: Path) -> None:
    replace(copy / "config/eval_sets/few.jsonl", "hollow cave", "hollow well")
    plan = planned(copy)
    assert slugs(plan["Build eval set"]) == ["few"]
    assert slugs(plan["Generate outputs"]) == ["sft-baseline", "sft-lora-r-8"]
    assert set(plan) == TABLES | {"Build eval set", "Generate outputs", "Score outputs"}
    assert slugs(plan["Compare arms"]) == ["tiny_rank"]


def test_edited_figure_style_is_figures_only(copy: Path) -> None:
    style = copy / "src/vibegrid/figures/style.py"
    style.write_text(style.read_text() + "\nEDITED = 1\n")
    assert set(planned(copy)) == FIGURES | CARDS


def test_edited_docstring_or_comment_is_nothing(copy: Path) -> None:
    for name in ("training/sft.py", "training/grpo.py", "evals/metrics.py", "figures/style.py"):
        path = copy / "src/vibegrid" / name
        path.write_text("# a comment\n" + path.read_text().replace('"""', '"""Edited. ', 1))
    replace(copy / "scripts/train_sft.py", '"""', '"""Edited. ')
    assert planned(copy) == {}


def test_edited_grpo_statement_is_grpo_and_what_follows(copy: Path) -> None:
    path = copy / "src/vibegrid/training/grpo.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")
    plan = planned(copy)
    assert set(plan) == TABLES | {"Train GRPO adapter", "Generate outputs", "Score outputs"}
    assert slugs(plan["Generate outputs"]) == ["grpo-baseline", "grpo-beta-0.02"]
    assert slugs(plan["Compare arms"]) == ["tiny_beta"]


def test_deleted_adapter_is_trained_again_with_what_is_made_of_it(copy: Path) -> None:
    (folder,) = (copy / "results/adapters/sft").glob("lora-r-8.*")
    shutil.rmtree(folder)
    plan = planned(copy)
    assert slugs(plan["Train SFT adapter"]) == ["lora-r-8"]
    assert slugs(plan["Generate outputs"]) == slugs(plan["Score outputs"]) == ["sft-lora-r-8"]
    assert slugs(plan["Compare arms"]) == ["tiny_rank"]
    assert "Train GRPO adapter" not in plan


def test_deleted_score_is_scored_again(copy: Path) -> None:
    (folder,) = (copy / "results/scores").glob("sft-lora-r-8.*")
    (folder / "scores.csv").unlink()
    plan = planned(copy)
    assert slugs(plan["Score outputs"]) == ["sft-lora-r-8"]
    assert set(plan) == {"Score outputs", "Compare arms", *TABLES} - {"Generate outputs"}


def test_changed_and_changed_back_is_nothing(copy: Path) -> None:
    experiment(copy, "tiny_rank", sweep={"lora.r": [4, 8, 16]})
    assert planned(copy)
    experiment(copy, "tiny_rank")
    assert planned(copy) == {}


def test_touched_sources_are_nothing(copy: Path) -> None:
    for path in (copy / "config").rglob("*.*"):
        path.touch()
    for path in (copy / "scripts").glob("*.py"):
        path.touch()
    assert planned(copy) == {}


def test_changed_baseline_trains_every_adapter_and_no_dataset(copy: Path) -> None:
    overrides = {**OVERRIDES, "sft": {**OVERRIDES["sft"], "learning_rate": 1e-3}}  # type: ignore[dict-item]
    write_yaml(copy / "config/config.yaml", {"scale": "mini", "overrides": overrides})
    plan = planned(copy)
    assert len(plan["Train SFT adapter"]) == len(plan["Train GRPO adapter"]) == 2
    assert not {"Build dataset variant", "Extract vibes", "Write payloads, best of N", "Build eval set"} & set(plan)


def test_an_experiment_is_a_target(copy: Path) -> None:
    experiment(copy, "tiny_rank", sweep={"lora.r": [4, 16]})
    experiment(copy, "tiny_beta", sweep={"beta": [0.01, 0.04]})
    plan = planned(copy, "tiny_rank")
    assert "Train GRPO adapter" not in plan
    assert slugs(plan["Train SFT adapter"]) == ["lora-r-4"]


def test_edited_set_is_computed_alone_and_the_rest_kept(copy: Path) -> None:
    """The job of a system runs again, and takes over the parts of the sets that did not change."""
    replace(copy / "config/eval_sets/few.jsonl", "hollow cave", "hollow well")
    snakemake(copy, "results/all_tables.csv")
    logs = [path.read_text() for path in (copy / "logs/generate").glob("sft-lora-r-8.*.log")]
    assert any("computed ['few']; kept ['test']" in log for log in logs)
    assert planned(copy, "results/all_tables.csv") == {}
    before = yaml.safe_load((copy / "config/config.yaml").read_text())
    assert before["overrides"]["texts"] == OVERRIDES["texts"]


def test_vouched_edit_is_nothing(finished: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    project = tmp_path / "project"
    shutil.copytree(finished, project, symlinks=True)
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "0"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    path = project / "src/vibegrid/training/grpo.py"
    path.write_text(path.read_text() + "\nEDITED = 1\n")
    assert "Train GRPO adapter" in planned(project)
    command = [sys.executable, "-m", "vibegrid.cli", "vouch", "train_grpo", "--reason", "an unused name"]
    environment = {"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin"}
    subprocess.run(command, cwd=project, env=environment, check=True)
    assert planned(project) == {}


def test_results_are_pruned_into_the_trash(finished: Path, tmp_path: Path) -> None:
    from vibegrid.commands.prune import unreferenced
    from vibegrid.grid.study import Study

    project = tmp_path / "project"
    shutil.copytree(finished, project, symlinks=True)
    assert unreferenced(project, Study(project, {"scale": "mini", "overrides": OVERRIDES})) == []
    experiment(project, "tiny_rank", sweep={"lora.r": [16]})
    gone = unreferenced(project, Study(project, {"scale": "mini", "overrides": OVERRIDES}))
    kinds = sorted(str(folder.relative_to(project)).rsplit(".", 1)[0] for folder in gone)
    assert "results/adapters/sft/lora-r-8" in kinds and "results/scores/sft-lora-r-8" in kinds


def test_sound_reaches_the_scores_and_the_reward(finished: Path) -> None:
    (baseline,) = (finished / "results/scores").glob("sft-baseline.*/scores.csv")
    rows = list(read_csv(baseline))
    assert {row["scorer"] for row in rows} == {"payload", "reward", "clap_train", "clap_eval", "judge"}
    assert {row["eval_set"] for row in rows if row["scorer"] == "judge"} == {"few"}
    (curve,) = (finished / "results/adapters/grpo").glob("baseline.*/metrics.csv")
    assert {"reward_audio", "reward_format", "reward_schema", "unanswered"} <= set(next(iter(read_csv(curve))))
    scorers = [read_json(path) for path in (finished / "results/scorers").glob("*/scorer.json")]
    assert {scorer["name"] for scorer in scorers} == {"clap_train", "clap_eval", "judge"}
    assert not any(Path(scorer["model"]).is_absolute() for scorer in scorers)


def test_a_scorer_of_ones_own_scores_its_part_only(copy: Path) -> None:
    (copy / "loud.py").write_text(
        "def score(vibe, payload, audio, sample_rate):\n    return float(abs(audio).mean())\n"
    )
    mine = {"mini": {"kind": "function", "function": "loud:score", "suffix": "_mine"}}
    scorers = yaml.safe_load((copy / "config/scorers.yaml").read_text())
    write_yaml(copy / "config/scorers.yaml", {**scorers, "mine": mine})
    experiment(copy, "tiny_rank", scorers={"mine": ["few"]})
    plan = planned(copy)
    assert set(plan) == TABLES | {"Calibrate scorer", "Score outputs"}
    assert slugs(plan["Score outputs"]) == ["sft-baseline", "sft-lora-r-8"]
    snakemake(copy, "results/all_tables.csv")
    logs = [path.read_text() for path in (copy / "logs/score").glob("sft-lora-r-8.*.log")]
    assert any("computed ['few:mine']" in text for text in logs)
    table = {row["metric"] for row in read_csv(copy / "results/tables/tiny_rank.csv")}
    assert {"score_mine", "clap_score", "clap_score_train", "final"} <= table


def test_the_listening_page_is_built_once(copy: Path) -> None:
    snakemake(copy, "listen")
    assert (copy / "results/listen/index.html").is_file() and (copy / "results/listen/audio").is_dir()
    assert planned(copy, "listen") == {}
    style = copy / "src/vibegrid/figures/style.py"
    style.write_text(style.read_text() + "\nEDITED = 1\n")
    assert planned(copy, "listen") == {}
