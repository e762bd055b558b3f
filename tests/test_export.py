"""Exports: an adapter and its merged model load without this package and answer as in the study; the retrieval map."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hub_server import serving
from project import OVERRIDES, snakemake, vibegrid, write_yaml

from vibegrid.decoding.batches import Writer
from vibegrid.embeddings import encode
from vibegrid.export.adapter import find
from vibegrid.files import read_json, read_jsonl
from vibegrid.grid.identity import Node
from vibegrid.grid.load import read_yaml
from vibegrid.grid.study import Study
from vibegrid.payloads import load_object
from vibegrid.specs.systems import DecodingSpec
from vibegrid.systems.language_model import generate
from vibegrid.tables.escape import markdown

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]

ROOT = Path(__file__).resolve().parents[1]
OURS = {"vibegrid", "trl", "datasets", "latentscore", "snakemake", "litellm"}  # what no user of an export has
WANTED = ["tiny_rank:lora.r=8", "tiny_beta:beta=0.02"]

BLOCKED = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OURS - {"datasets"}}:  # transformers looks whether that one is there
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""
# As a user has it: transformers and peft, and nothing of ours. Ids and texts, of the merged model and of the adapter.
ANSWER = """
import json, os, sys
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
folder, limit, vibes = json.load(sys.stdin)
adapter, base = folder + "/adapter", folder + "/base"
merged = AutoModelForCausalLM.from_pretrained(folder)
if os.path.isdir(base):
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
else:  # the hub's, which the adapter names
    adapted = AutoPeftModelForCausalLM.from_pretrained(adapter)
tokenizer = AutoTokenizer.from_pretrained(folder)
system = open(folder + "/system_prompt.md").read().strip()
stops = merged.generation_config.eos_token_id
found = []
for model in (merged, adapted):
    for vibe in vibes:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": vibe}]
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**ids, do_sample=False, max_new_tokens=limit, eos_token_id=stops)
        answer = out[0, ids["input_ids"].shape[1] :].tolist()
        answer = answer[:-1] if answer[-1] in stops else answer
        found.append([answer, tokenizer.decode(answer, skip_special_tokens=True)])
json.dump(found, sys.stdout)
"""
LIMIT = OVERRIDES["decoding"]["max_new_tokens"]


def front_matter(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text().split("---\n")[1])


def exported(project: Path, wanted: str, out: Path) -> str:
    """Export to `out`; returns the adapter's identity."""
    done = vibegrid(project, "export", wanted, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return done.stdout.split(": ")[1].partition(",")[0]


def answers(python: Path | str, program: str, folder: Path, vibes: list[str]) -> list[list[Any]]:
    """Ids and texts: of the merged model for each vibe, then of the adapter on its base."""
    asked = json.dumps([str(folder), LIMIT, vibes])
    done = subprocess.run([python, "-I", "-c", program], input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def told_in_the_study(project: Path, identity: str) -> list[dict[str, Any]]:
    """Rows of generations.jsonl that an adapter wrote."""
    told = [
        row
        for folder in (project / "results/generations").iterdir()
        if json.loads((folder / "parts.json").read_text())["system"].get("base_model") and adapter_of(folder, identity)
        for row in read_jsonl(folder / "generations.jsonl")
    ]
    assert told
    return told


def node_of(project: Path, wanted: str) -> Node:
    return find(Study(project, read_yaml(project / "config/config.yaml")), wanted)


def written_in_the_study(project: Path, node: Node, vibes: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Ids and texts of the workflow's own code, which keeps the texts alone."""
    kept: list[list[int]] = []
    write = Writer.write

    def keep(self: Writer, *given: Any) -> list[list[int]]:
        kept.extend(write(self, *given))
        return kept

    monkeypatch.setattr(Writer, "write", keep)
    texts = generate(
        vibes,
        model=project / node.parents["model"].folder,
        adapter=project / node.folder,
        system_prompt=(project / node.sources["system_prompt"]).read_text(),
        decoding=DecodingSpec(max_new_tokens=LIMIT),
    )
    return [[ids, text] for ids, text in zip(kept, texts, strict=True)]


@pytest.mark.parametrize("wanted", WANTED)
def test_an_exported_adapter_answers_as_in_the_study(finished: Path, tmp_path: Path, wanted: str) -> None:
    out = tmp_path / "exported"
    identity = exported(finished, wanted, out)
    told = told_in_the_study(finished, identity)
    found = answers(sys.executable, BLOCKED + ANSWER, out, [row["prompt"] for row in told])
    assert [text for _, text in found] == 2 * [row["raw_output"] for row in told]
    card = (out / "README.md").read_text()
    assert front_matter(out / "README.md")["license"] == "mit" and identity in card
    name, _, arm = wanted.partition(":")
    assert f"| {markdown(name)} | {markdown(arm)} |" in card and "Dataset variant" in (out / "DATA.md").read_text()
    assert not list(out.rglob("*.bin"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of a new environment: transformers and peft at the study's versions, and what pip brings with them."""
    folder = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    pins = ["--constraint", ROOT / "constraints.txt"]
    done = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", *pins, "transformers", "peft"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    listed = subprocess.run([*pip, "list", "--format", "json"], capture_output=True, text=True, check=True)
    found = {entry["name"].lower(): entry["version"] for entry in json.loads(listed.stdout)}
    assert {"transformers", "peft", "torch"} <= found.keys() and not OURS & found.keys()
    yield python
    shutil.rmtree(folder)  # a gigabyte, of which pytest would keep three


@pytest.mark.engines
@pytest.mark.parametrize("wanted", WANTED)
def test_transformers_and_peft_alone_write_the_same_tokens(
    finished: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    out = tmp_path / "exported"
    identity = exported(finished, wanted, out)
    told = told_in_the_study(finished, identity)
    vibes = [row["prompt"] for row in told]
    expected = written_in_the_study(finished, node_of(finished, wanted), vibes, monkeypatch)
    assert [text for _, text in expected] == [row["raw_output"] for row in told]
    assert any(len(ids) > 1 for ids, _ in expected)
    assert answers(fresh, ANSWER, out, vibes) == [*expected, *expected]


def test_an_adapter_of_a_hub_model_names_the_commit_that_it_was_trained_on(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch has moved when a user loads the adapter: peft takes the commit that was there when it was fetched."""
    repo, then, now = "tests/tiny", "1" * 40, "2" * 40
    project = Path(shutil.copytree(finished, tmp_path / "project", symlinks=True))
    (base,) = (finished / "results/models").iterdir()
    model = {"mini": {"kind": "hub", "repo": repo, "revision": "main"}, "license": "apache-2.0"}
    write_yaml(project / "config/models.yaml", {"smollm2-135m": model})
    with serving(repo, tmp_path / "cache", monkeypatch) as hub:
        hub.commits, hub.branches = {then: base}, {"main": then}
        node = node_of(project, WANTED[0])
        snakemake(project, f"{node.folder}/status.json")
        fetched = read_json(project / node.parents["model"].folder / "model_card.json")
        assert (fetched["source"], fetched["revision"], fetched["commit"]) == (repo, "main", then)
        assert {revision for revision, _ in hub.asked} == {then}
        (tmp_path / "no_weights").mkdir()
        hub.asked, hub.commits[now], hub.branches = [], tmp_path / "no_weights", {"main": now}
        out = tmp_path / "exported"
        assert exported(project, WANTED[0], out) == node.id
        config = read_json(out / "adapter/adapter_config.json")
        assert (config["base_model_name_or_path"], config["revision"]) == (repo, then)
        assert not (out / "base").exists() and front_matter(out / "README.md")["base_model"] == repo
        card = (out / "README.md").read_text()
        assert f"its base `{repo}` at `{then}`" in card and f'from_pretrained("{repo}", revision="{then}")' in card
        vibes = ["slow grey rain", "bright noon market"]
        expected = written_in_the_study(project, node, vibes, monkeypatch)
        assert answers(sys.executable, BLOCKED + ANSWER, out, vibes) == [*expected, *expected]
        assert {revision for revision, _ in hub.asked} == {then}


def adapter_of(folder: Path, identity: str) -> bool:
    """Whether outputs are those of an adapter: slugs tell, `sft-lora-r-8` of `lora-r-8.0123`."""
    return folder.name.partition("-")[2].rpartition(".")[0] == identity.rpartition(".")[0]


def test_what_cannot_be_exported_is_one_line(finished: Path, tmp_path: Path) -> None:
    for wanted, problem in {
        "nothing:r=8": "no experiment 'nothing'",
        "tiny_rank:lora.r=9": "no trained arm 'lora.r=9' in tiny_rank (hint: lora.r=8, lora.r=16",
        "results/adapters/sft/gone.0123": "no adapter of this study",
    }.items():
        done = vibegrid(finished, "export", wanted, "--out", str(tmp_path / "out"))
        assert done.returncode == 2 and problem in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("x")
    done = vibegrid(finished, "export", "tiny_rank:lora.r=8", "--out", str(tmp_path / "mine"))
    assert done.returncode == 2 and "it is there already" in done.stderr
    assert (tmp_path / "mine/thesis.txt").exists()


def test_the_retrieval_map_is_the_training_rows(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "map"
    done = vibegrid(finished, "export-map", "--out", str(out))
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(out / "retrieval_map.parquet")
    rows = read_jsonl(next((finished / "results/datasets").glob("baseline.*")) / "SFT-Train.jsonl")
    assert table["vibe"].tolist() == [row["vibe_original"] for row in rows]
    assert [load_object(text) for text in table["payload"]] == [row["config_payload"] for row in rows]
    found = encode(table["vibe"].tolist()[:3])
    assert abs(found - table["embedding"].tolist()[:3]).max() < 1e-6
    assert front_matter(out / "README.md")["configs"]
