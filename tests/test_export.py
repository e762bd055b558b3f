"""Exports: an adapter and its merged model load without this package and answer as in the study; the retrieval map."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project import vibegrid

from vibegrid.embeddings import encode
from vibegrid.files import read_jsonl
from vibegrid.payloads import load_object
from vibegrid.tables.escape import markdown

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]

# As a user has it: transformers and peft, and nothing of ours.
ANSWER = """
import json, sys
OURS = {"vibegrid", "trl", "latentscore", "common", "snakemake", "litellm"}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in OURS:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
folder, limit, vibes = json.load(sys.stdin)
merged = AutoModelForCausalLM.from_pretrained(folder)
adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder + "/base"), folder + "/adapter")
tokenizer = AutoTokenizer.from_pretrained(folder)
system = open(folder + "/system_prompt.md").read().strip()
stops = merged.generation_config.eos_token_id
found = []
for model in (merged, adapted):
    answers = []
    for vibe in vibes:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": vibe}]
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**ids, do_sample=False, max_new_tokens=limit, eos_token_id=stops)
        answers.append(tokenizer.decode(out[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))
    found.append(answers)
json.dump(found, sys.stdout)
"""


def front_matter(path: Path) -> dict[str, object]:
    return yaml.safe_load(path.read_text().split("---\n")[1])


@pytest.mark.parametrize("wanted", ["tiny_rank:lora.r=8", "tiny_beta:beta=0.02"])
def test_an_exported_adapter_answers_as_in_the_study(finished: Path, tmp_path: Path, wanted: str) -> None:
    out = tmp_path / "exported"
    done = vibegrid(finished, "export", wanted, "--out", str(out))
    assert done.returncode == 0, done.stderr
    identity = done.stdout.split(": ")[1].partition(",")[0]
    told = [
        row
        for folder in (finished / "results/generations").iterdir()
        if json.loads((folder / "parts.json").read_text())["system"].get("base_model") and adapter_of(folder, identity)
        for row in read_jsonl(folder / "generations.jsonl")
    ]
    assert told
    asked = json.dumps([str(out), 24, [row["prompt"] for row in told]])
    answered = subprocess.run([sys.executable, "-c", ANSWER], input=asked, capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr[-2000:]
    expected = [row["raw_output"] for row in told]
    assert json.loads(answered.stdout) == [expected, expected]
    card = (out / "README.md").read_text()
    assert front_matter(out / "README.md")["license"] == "mit" and identity in card
    name, _, arm = wanted.partition(":")
    assert f"| {markdown(name)} | {markdown(arm)} |" in card and "Dataset variant" in (out / "DATA.md").read_text()
    assert not list(out.rglob("*.bin"))


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
