"""A language model as a system: vibes in, raw outputs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vibegrid.decoding.batches import Asked, Writer
from vibegrid.decoding.schema import payload_schema
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

    Prompts are batched by length and padded at the left. What is drawn for a prompt depends on it and the seed alone.

    Args:
        prompts: vibes.
        model: folder of the base model.
        adapter: folder of an adapter, or None for the untrained model.
        system_prompt: text of the system prompt.
        decoding: temperature 0 is greedy; constrained outputs that end are valid by the payload's schema.
        dtype: `float32` or `bfloat16`.
    """
    if not prompts:
        return []
    engine.slim_imports()
    loaded, tokenizer = engine.load(model, engine="transformers", dtype=dtype, max_length=decoding.max_new_tokens)
    if adapter is not None:
        loaded = engine.load_adapter(loaded, adapter, trainable=False).merge_and_unload()
    loaded.eval()
    schema = payload_schema() if decoding.mode == "constrained" else None
    asked = [
        Asked(
            ids=chat.encode_prompt(tokenizer, system_prompt, prompt),
            max_new_tokens=decoding.max_new_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=decoding.seed,
            schema=schema,
        )
        for prompt in prompts
    ]
    writer = Writer(loaded, tokenizer, chat.stop_ids(tokenizer, loaded))
    answers = writer.write(asked, decoding.batch_size)
    return [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
