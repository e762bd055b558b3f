"""A language model as a system: vibes in, raw outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vibegrid.errors import InputError
from vibegrid.specs.systems import DecodingSpec
from vibegrid.training import chat, engine


def generate(
    prompts: Sequence[str],
    *,
    model: Path,
    adapter: Path | None,
    system_prompt: str,
    decoding: DecodingSpec,
    dtype: str = "float32",
) -> list[str]:
    """One raw output per prompt, in the order of `prompts`.

    Prompts are batched by length and padded at the left. The order within a run is fixed, so that a sampled output
    depends on the seed and on the set of prompts, not on the machine's load.

    Args:
        prompts: vibes.
        model: folder of the base model.
        adapter: folder of an adapter, or None for the untrained model.
        system_prompt: text of the system prompt.
        decoding: temperature 0 is greedy.
        dtype: `float32` or `bfloat16`.
    """
    if not prompts:
        return []
    engine.slim_imports()
    import torch

    loaded, tokenizer = engine.load(model, engine="transformers", dtype=dtype, max_length=decoding.max_new_tokens)
    if adapter is not None:
        loaded = engine.load_adapter(loaded, adapter, trainable=False).merge_and_unload()
    loaded.eval()
    config = _decoding(decoding, tokenizer, loaded)
    torch.manual_seed(decoding.seed)
    ids = [chat.encode_prompt(tokenizer, system_prompt, prompt) for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), i))
    outputs = [""] * len(ids)
    for start in range(0, len(order), decoding.batch_size):
        chosen = order[start : start + decoding.batch_size]
        texts = _batch(loaded, tokenizer, [ids[i] for i in chosen], config)
        for i, text in zip(chosen, texts, strict=True):
            outputs[i] = text
    return outputs


def _decoding(decoding: DecodingSpec, tokenizer: Any, model: Any) -> Any:
    """The generation config; nothing is taken over from the model's own, whose defaults differ between models."""
    from transformers import GenerationConfig

    if decoding.mode != "free":
        raise InputError("decoding.mode", f"{decoding.mode!r} is not known", "free")
    sampled = {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    stops = chat.stop_ids(tokenizer, model)
    model.generation_config = GenerationConfig()
    return GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=decoding.temperature > 0,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=stops,
        **(sampled if decoding.temperature > 0 else {}),
    )


def _batch(model: Any, tokenizer: Any, rows: list[list[int]], config: Any) -> list[str]:
    """Outputs of one batch: token ids padded at the left to (batch, length)."""
    import torch

    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), tokenizer.pad_token_id)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = torch.tensor(row)
        mask[i, length - len(row) :] = 1
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids.to(model.device), attention_mask=mask.to(model.device), generation_config=config
        )
    answers = out[:, length:].cpu()
    return [tokenizer.decode(row, skip_special_tokens=True) for row in answers]
