"""Loading: the one place where `engine` matters. A machine that cannot honour a spec fails."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from vibegrid import gpus
from vibegrid.errors import InputError
from vibegrid.preload import slim_imports as slim_imports  # the server calls it too
from vibegrid.specs.lora import LoraSpec
from vibegrid.specs.training import TrainingSpec
from vibegrid.training import attention


def check_machine(spec: TrainingSpec) -> None:
    """InputError where this machine lacks what `engine`, `optim` or `dtype` asks for."""
    gpus.take()
    import torch

    gpu = torch.cuda.is_available()
    if spec.engine == "unsloth":
        if importlib.util.find_spec("unsloth") is None:
            raise InputError("engine", "unsloth is not installed", "engine: transformers")
        if not gpu:
            raise InputError("engine", "unsloth needs a GPU and torch sees none", "engine: transformers")
    if spec.optim == "adamw_8bit":
        if importlib.util.find_spec("bitsandbytes") is None:
            raise InputError("optim", "adamw_8bit needs bitsandbytes, not installed", "optim: adamw_torch")
        if not gpu:
            raise InputError("optim", "adamw_8bit needs a GPU and torch sees none", "optim: adamw_torch")
    if spec.dtype == "bfloat16" and gpu and not torch.cuda.is_bf16_supported():
        raise InputError("dtype", "this GPU has no bfloat16", "dtype: float32")


def load_tokenizer(model: Path) -> Any:
    """The tokenizer of a model folder; padding has a token of its own or shares that of the end."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        raise InputError(str(model), "the tokenizer has no chat template", "use an instruction-tuned model")
    return tokenizer


def load(model: Path, *, engine: str, dtype: str, max_length: int) -> tuple[Any, Any]:
    """Model and tokenizer of a folder (config.json, safetensors), on the GPU where there is one.

    Args:
        model: the folder; nothing is fetched.
        engine: `transformers` or `unsloth`.
        dtype: `float32` or `bfloat16`, of the weights.
        max_length: tokens of the longest sequence (Unsloth sizes its caches by it).
    """
    gpus.take()
    import torch

    if not (model / "config.json").is_file():
        raise InputError(str(model), "no config.json: not a model's folder")
    kind = getattr(torch, dtype)
    if engine == "unsloth":
        from unsloth import FastLanguageModel

        loaded, _ = FastLanguageModel.from_pretrained(
            model_name=str(model), max_seq_length=max_length, dtype=kind, load_in_4bit=False
        )
        return loaded, load_tokenizer(model)
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(
        model,
        dtype=kind,
        attn_implementation=attention.register(),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
    )
    if torch.cuda.is_available():
        loaded = loaded.to("cuda")  # type: ignore[arg-type]
    return loaded, load_tokenizer(model)


def add_lora(model: Any, lora: LoraSpec, *, engine: str, seed: int) -> Any:
    """A new adapter on the model; `seed` determines its initial weights."""
    from transformers import set_seed

    set_seed(seed)
    settings: dict[str, Any] = {
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": list(lora.target_modules),
        "bias": "none",
    }
    if engine == "unsloth":
        from unsloth import FastLanguageModel

        return FastLanguageModel.get_peft_model(model, random_state=seed, **settings)
    from peft import LoraConfig, get_peft_model

    return get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **settings))


def load_adapter(model: Any, adapter: Path, *, trainable: bool) -> Any:
    """The model with an adapter of ours on it.

    Raises:
        InputError: a file is missing or truncated, or the adapter's training failed (its file has 0 bytes).
    """
    from peft import PeftModel

    check_adapter(adapter)
    try:
        return PeftModel.from_pretrained(model, adapter, is_trainable=trainable)
    except RuntimeError as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(str(adapter), f"the adapter does not fit the model: {line}") from error


def check_adapter(adapter: Path) -> None:
    """InputError where the adapter's folder is not whole."""
    from safetensors import SafetensorError, safe_open

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (adapter / name).is_file():
            raise InputError(str(adapter / name), "no such file", "the adapter's training did not finish")
    weights = adapter / "adapter_model.safetensors"
    if weights.stat().st_size == 0:
        raise InputError(str(weights), "empty: this adapter's training failed", "see status.json beside it")
    try:
        with safe_open(weights, framework="pt") as file:
            file.keys()
    except SafetensorError as error:
        raise InputError(str(weights), f"not a whole safetensors file: {error}", "train it again") from None
