"""Where a step computes: what goes to Modal, that no identity knows, and what is said before anything starts."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path

import pytest
from project import OVERRIDES, copy_sources, snakemake, trim, write_yaml

from vibegrid.errors import InputError
from vibegrid.grid.compute import STEPS, Compute
from vibegrid.grid.study import Study
from vibegrid.remote import preflight
from vibegrid.specs.remote import RemoteSpec

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def local() -> Study:
    return Study(ROOT, {"scale": "mini"})


@pytest.fixture(scope="module")
def remote() -> Study:
    return Study(ROOT, {"scale": "mini", "overrides": {"compute": "modal", "remote": {"gpu": "H100"}}})


def test_no_folder_of_results_knows_where_a_step_computes(local: Study, remote: Study) -> None:
    assert {node.folder for node in local.all_nodes()} == {node.folder for node in remote.all_nodes()}


def test_no_step_reaches_the_remote_package(local: Study) -> None:
    for step in STEPS:
        assert not [name for name in local.code.modules_of(step) if name.startswith("vibegrid.remote")]


def test_gpu_steps_go_to_modal_and_baselines_stay(local: Study, remote: Study) -> None:
    here, there = Compute(local), Compute(remote)
    assert {here.command(node) for node in local.all_nodes()} == {"python"}
    gone = {node.step for node in remote.all_nodes() if there.is_remote(node)}
    assert gone == {"train_sft", "train_grpo", "generate"}  # mini-CLAP and embedded judges need no GPU
    baselines = [node for node in remote.nodes("generations").values() if "model" not in node.parents]
    assert baselines and not any(there.is_remote(node) for node in baselines)


def test_a_call_names_what_the_step_reads(remote: Study) -> None:
    compute = Compute(remote)
    for node in remote.nodes("adapters/grpo").values():
        words = shlex.split(compute.command(node))
        assert words[:4] == ["python", "-m", "vibegrid.remote.run", "--call"]
        call = json.loads(words[4])
        assert call["weights"] == [node.parents["model"].folder]
        others = [parent.folder for role, parent in node.parents.items() if role != "model"]
        assert set(call["inputs"]) == {*others, *node.sources.values()}
        assert RemoteSpec.model_validate(call["machine"]).gpu == "L40S"  # the model's own, over the scale's H100


def test_scores_of_laion_clap_go_to_modal_with_its_files() -> None:
    study = Study(ROOT, {"scale": "full", "overrides": {"compute": "modal"}})
    compute = Compute(study)
    for node in study.nodes("scores").values():
        assert compute.is_remote(node) and ".cache/laion_clap" in compute.call(node)["weights"]


def test_a_models_own_machine_stands_over_the_scales(tmp_path: Path, remote: Study) -> None:
    from vibegrid.grid.load import load_remote

    (tmp_path / "config").mkdir()
    models = tmp_path / "config/models.yaml"
    models.write_text("big: {remote: {gpu: B200, retries: 0}}\nsmall: {}\n")
    found = load_remote(tmp_path, remote.scale)
    assert (found["big"].gpu, found["big"].retries, found["big"].timeout_hours) == ("B200", 0, 6)
    assert found["small"] == remote.scale.remote
    models.write_text("big: {remote: {gpus: 2}}\n")
    with pytest.raises(InputError, match=r"config/models.yaml: big.remote: gpus: unknown key"):
        load_remote(tmp_path, remote.scale)


def test_a_missing_token_or_library_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="no token of Modal"):
        preflight.check_installed()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="modal is not installed"):
        preflight.check_installed()


@pytest.mark.slow
def test_a_run_without_a_token_ends_before_its_first_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = trim(copy_sources(tmp_path))
    write_yaml(project / "config/config.yaml", {"scale": "mini", "overrides": {**OVERRIDES, "compute": "modal"}})
    monkeypatch.setenv("MODAL_CONFIG_PATH", "/nowhere/modal.toml")
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    done = snakemake(project, "tiny_rank", check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("vibegrid: compute: modal: no token of Modal")
    assert not (project / "logs").exists() and "Traceback" not in done.stderr
