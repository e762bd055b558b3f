"""Real TRL trainers on a tiny model: resuming, determinism, failures, adapters that are not whole."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vibegrid.errors import InputError
from vibegrid.files import read_csv, read_json, read_jsonl, write_jsonl
from vibegrid.grid import targets
from vibegrid.models import documents
from vibegrid.models.tokenizer import END
from vibegrid.payloads import dumps, parse_output
from vibegrid.specs.grpo import GRPOSpec
from vibegrid.specs.models import LocalSpec, MiniatureSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.systems import DecodingSpec
from vibegrid.training import lifecycle

ROOT = Path(__file__).parents[1]
PROSE = ["Slow cold honey dripped from the spoon while the ferry lay still against its post in the mist."] * 2
SYSTEM = "Write a payload."
FILES = {"adapter_model.safetensors", "adapter_config.json", "spec.json"} | {
    "metrics.csv",
    "versions.json",
    "status.json",
}
COMMON = {"batch_size": 4, "learning_rate": 1e-3, "checkpoints": 2}
SFT = {**COMMON, "base_model": "tiny", "lora": {"r": 4, "alpha": 4, "dropout": 0.1}}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from vibegrid.models.miniature import pretrain

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    spec = MiniatureSpec(
        architecture="llama",
        vocab_size=1500,
        hidden_size=32,
        layers=1,
        heads=2,
        intermediate_size=32,
        steps=4,
        batch_size=4,
    )
    card = pretrain(spec, texts=PROSE, out=folder / "tiny", work=folder / "work")
    assert card["steps"] == 4 and 0 <= card["valid_payload_share"] <= 1
    return folder / "tiny"


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    rng = random.Random(0)
    words = PROSE[0].split()
    for name, count in (("SFT-Train", 24), ("SFT-Val", 5), ("GRPO", 8)):
        rows = []
        for _ in range(count):
            vibe = documents.snippet(words, (2, 12), rng)
            vibe, answer = documents.payload_chat(vibe, rng)
            payload = parse_output(answer.removesuffix(END)).payload
            rows.append({"vibe_noisy": vibe, "vibe_original": vibe, "config_payload": payload})
        write_jsonl(folder / f"{name}.jsonl", rows)
    return folder


def _sft(tiny: Path, dataset: Path, out: Path, **changes: object) -> dict:
    from vibegrid.training import sft

    budget = {"unit": "steps", "value": 6}
    spec = SFTSpec.model_validate({**SFT, "budget": budget, "max_seq_length": 400} | changes)
    return sft.train(spec, model=tiny, dataset=dataset, system_prompt=SYSTEM, out=out, work=Path(f"{out}.work"))


def _grpo(tiny: Path, dataset: Path, adapter: Path, out: Path, **changes: object) -> dict:
    from vibegrid.training import grpo

    settings = {
        **COMMON,
        "sft": SFT,
        "budget": {"unit": "steps", "value": 4},
        "num_generations": 2,
        "max_completion_length": 16,
        "reward": {"audio": 0, "format": 0.2, "schema": 0.3},
    }
    spec = GRPOSpec.model_validate(settings | changes)
    return grpo.train(
        spec,
        model=tiny,
        sft_adapter=adapter,
        dataset=dataset,
        system_prompt=SYSTEM,
        out=out,
        work=Path(f"{out}.work"),
    )


@pytest.fixture(scope="session")
def adapter(tiny: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapters") / "sft"
    status = _sft(tiny, dataset, out)
    assert status == read_json(out / "status.json")
    assert (status["status"], status["steps"], status["n_rows"], status["n_dropped"]) == ("ok", 6, 24, 0)
    return out


def _same(a: Path, b: Path) -> None:
    for name in FILES - {"versions.json"}:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def _interrupt_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The next training ends as if killed before this step; what it wrote stays as it is."""
    original = lifecycle.callback

    def with_interrupt(spec: object) -> object:
        watch = original(spec)

        def on_step_begin(args: object, state: object, control: object, **_: object) -> None:
            if state.global_step == step:
                raise KeyboardInterrupt

        watch.on_step_begin = on_step_begin
        return watch

    monkeypatch.setattr(lifecycle, "callback", with_interrupt)


def test_checkpoint_steps_are_even_and_leave_out_the_end() -> None:
    assert lifecycle.checkpoint_steps(40, 2) == [13, 27]
    assert lifecycle.checkpoint_steps(40, 0) == []
    assert lifecycle.checkpoint_steps(2, 5) == [1]


@pytest.mark.slow
def test_adapter_folder_is_whole_and_names_no_path(adapter: Path) -> None:
    assert {path.name for path in adapter.iterdir()} == FILES
    assert not Path(f"{adapter}.work").exists()
    assert read_json(adapter / "adapter_config.json")["base_model_name_or_path"] == "tiny"
    rows = read_csv(adapter / "metrics.csv")
    assert [int(row["step"]) for row in rows] == list(range(1, 7))
    assert {"loss", "val_loss", "learning_rate", "grad_norm", "tokens"} <= set(rows[0])
    assert rows[-1]["val_loss"] and not any("time" in name or "second" in name for name in rows[0])


@pytest.mark.slow
def test_sft_is_deterministic_and_resumes_to_the_same_bytes(
    tiny: Path, dataset: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sft"
    with monkeypatch.context() as patch:
        _interrupt_at(patch, step=5)
        with pytest.raises(KeyboardInterrupt):
            _sft(tiny, dataset, out)
    assert not out.exists()
    work = Path(f"{out}.work")
    assert lifecycle.last_checkpoint(work) == work / "checkpoint-4"
    broken = work / "checkpoint-4" / "optimizer.pt"
    broken.write_bytes(broken.read_bytes()[:1000])
    assert lifecycle.last_checkpoint(work) == work / "checkpoint-2"
    _sft(tiny, dataset, out)
    _same(out, adapter)


@pytest.mark.slow
def test_grpo_logs_every_component_and_resumes_to_the_same_bytes(
    tiny: Path, dataset: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    status = _grpo(tiny, dataset, adapter, whole)
    assert (status["status"], status["steps"]) == ("ok", 4)
    rows = read_csv(whole / "metrics.csv")
    assert len(rows) == 4
    assert {"reward", "reward_format", "reward_schema", "reward_duplicates", "kl", "entropy"} <= set(rows[0])
    with monkeypatch.context() as patch:
        _interrupt_at(patch, step=3)
        with pytest.raises(KeyboardInterrupt):
            _grpo(tiny, dataset, adapter, resumed)
    assert lifecycle.last_checkpoint(Path(f"{resumed}.work")) is not None
    _grpo(tiny, dataset, adapter, resumed)
    _same(whole, resumed)


@pytest.mark.slow
def test_a_killed_job_goes_on_from_its_checkpoint_to_the_same_bytes(tiny: Path, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "system.md").write_text(SYSTEM)
    spec = {**SFT, "budget": {"unit": "steps", "value": 60}, "max_seq_length": 400, "checkpoints": 1}

    def job(out: str) -> subprocess.Popen[bytes]:
        files = ["--model", tiny, "--dataset", dataset, "--system-prompt", "system.md", "--work", f"work/{out}"]
        command = [sys.executable, ROOT / "scripts/train_sft.py", "--spec", json.dumps(spec), "--out", out, *files]
        environment = {**os.environ, "VIBEGRID_PRELOAD": "0"}
        return subprocess.Popen([*command, "--log", f"{out}.log"], cwd=tmp_path, env=environment)

    killed, whole = job("killed"), job("whole")
    while killed.poll() is None and not (tmp_path / "work/killed/checkpoint-30/trainer_state.json").exists():
        time.sleep(0.005)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    assert whole.wait(300) == 0 and job("killed").wait(300) == 0
    assert "resuming from checkpoint-30" in (tmp_path / "killed.log").read_text()
    _same(tmp_path / "killed", tmp_path / "whole")


def test_slope_is_that_of_a_regression() -> None:
    from scipy.stats import linregress

    from vibegrid.training.grpo import slope

    rewards = [0.1, 0.4, 0.2, 0.5, 0.45, 0.6]
    expected = linregress(range(6), rewards)
    found = slope(rewards)
    assert found["reward_slope"] == pytest.approx(expected.slope)
    assert found["reward_slope_se"] == pytest.approx(expected.stderr)
    assert slope([0.1, 0.2]) == {}


@pytest.mark.slow
def test_long_rows_are_dropped_and_none_left_is_a_failure(tiny: Path, dataset: Path, tmp_path: Path) -> None:
    from vibegrid.systems.language_model import generate
    from vibegrid.training import chat, engine

    tokenizer = engine.load_tokenizer(tiny)

    lengths = sorted(
        len(chat.encode_prompt(tokenizer, SYSTEM, row["vibe_noisy"]))
        + len(chat.encode_completion(tokenizer, dumps(row["config_payload"])))
        for row in read_jsonl(dataset / "SFT-Train.jsonl")
    )
    limit = lengths[12]
    one_step = {"unit": "steps", "value": 1}
    status = _sft(tiny, dataset, tmp_path / "short", max_seq_length=limit, budget=one_step)
    kept = sum(length <= limit for length in lengths)
    assert (status["n_rows"], status["n_dropped"]) == (kept, 24 - kept)

    out = tmp_path / "none"
    status = _sft(tiny, dataset, out, max_seq_length=8)
    assert status["status"] == "failed" and "8 tokens" in status["reason"]
    assert {path.name for path in out.iterdir()} == FILES
    assert (out / "adapter_model.safetensors").stat().st_size == 0
    with pytest.raises(InputError, match="training failed"):
        generate(["x"], model=tiny, adapter=out, system_prompt="", decoding=DecodingSpec(max_new_tokens=8))


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_a_failed_training(
    tiny: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vibegrid.training import engine

    load = engine.load

    def poisoned(*args: object, **settings: object) -> tuple:
        model, tokenizer = load(*args, **settings)
        model.model.norm.weight.data.fill_(float("nan"))
        return model, tokenizer

    monkeypatch.setattr(engine, "load", poisoned)
    status = _sft(tiny, dataset, tmp_path / "nan")
    assert status["status"] == "failed" and "nan" in status["reason"]
    assert (tmp_path / "nan" / "adapter_model.safetensors").stat().st_size == 0


@pytest.mark.slow
def test_generate_keeps_the_order_and_refuses_broken_adapters(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    from vibegrid.systems.language_model import generate

    prompts = ["slow cold honey dripped from the spoon", "mist", "ferry post", "slow"]
    settings = {"model": tiny, "system_prompt": SYSTEM}
    together = DecodingSpec(max_new_tokens=12, batch_size=4)
    alone = DecodingSpec(max_new_tokens=12, batch_size=1)
    outputs = generate(prompts, adapter=adapter, decoding=together, **settings)
    assert outputs == generate(prompts, adapter=adapter, decoding=alone, **settings)
    assert generate([], adapter=None, decoding=together, **settings) == []
    sampled = DecodingSpec(max_new_tokens=12, temperature=0.8, seed=3)
    first = generate(prompts, adapter=adapter, decoding=sampled, **settings)
    assert first == generate(prompts, adapter=adapter, decoding=sampled, **settings)

    broken = tmp_path / "broken"
    shutil.copytree(adapter, broken)
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        generate(prompts, adapter=broken, decoding=together, **settings)
    weights.unlink()
    with pytest.raises(InputError, match="no such file"):
        generate(prompts, adapter=broken, decoding=together, **settings)


@pytest.mark.slow
def test_a_machine_that_cannot_honour_a_spec_fails(tiny: Path, dataset: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    for changes in ({"engine": "unsloth"}, {"optim": "adamw_8bit"}):
        with pytest.raises(InputError, match=r"engine|optim"):
            _sft(tiny, dataset, tmp_path / "never", **changes)
    assert not (tmp_path / "never").exists()


def test_fetch_copies_safetensors_only_and_names_what_is_missing(tiny: Path, tmp_path: Path) -> None:
    from vibegrid.models.fetch import fetch

    source = tmp_path / "source"
    shutil.copytree(tiny, source)
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    card = fetch(LocalSpec(path=str(source)), tmp_path / "copy")
    assert card["source"] == "source" and card["architecture"] == "LlamaForCausalLM"
    assert not (tmp_path / "copy" / "pytorch_model.bin").exists()
    for name, message in (
        ("model.safetensors", "no safetensors weights"),
        ("tokenizer.json", "no tokenizer"),
        ("config.json", "no config.json"),
    ):
        (source / name).unlink()
        with pytest.raises(InputError, match=message):
            fetch(LocalSpec(path=str(source)), tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_fetch_completes_what_a_repository_says_otherwise(tiny: Path, tmp_path: Path) -> None:
    """As on the hub: the chat template in the tokenizer's config, no map of special tokens, no generation config."""
    from vibegrid.models.fetch import fetch
    from vibegrid.training import chat, engine

    source = tmp_path / "source"
    shutil.copytree(tiny, source)
    config = json.loads((source / "tokenizer_config.json").read_text())
    config["chat_template"] = (source / "chat_template.jinja").read_text()
    (source / "tokenizer_config.json").write_text(json.dumps(config))
    for name in ("chat_template.jinja", "special_tokens_map.json", "generation_config.json"):
        (source / name).unlink()
    out = tmp_path / "copy"
    fetch(LocalSpec(path=str(source)), out)
    assert {path.name for path in out.iterdir()} == set(targets.FILES["models"])
    ours, theirs = engine.load_tokenizer(out), engine.load_tokenizer(tiny)
    assert chat.render(ours, "Be brief.", "rain") == chat.render(theirs, "Be brief.", "rain")
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert json.loads((out / "generation_config.json").read_text())["eos_token_id"] == ours.eos_token_id

    del config["chat_template"]
    (source / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="no chat template"):
        fetch(LocalSpec(path=str(source)), tmp_path / "never")
    (source / "model.safetensors").rename(source / "model-00001-of-00002.safetensors")
    with pytest.raises(InputError, match="weights in parts"):
        fetch(LocalSpec(path=str(source)), tmp_path / "never")
