"""From a vibe to tokens, the same way for SFT, GRPO and generation: the model's own chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Qwen 3 would think before it answers; templates that do not know an option ignore it.
TEMPLATE_OPTIONS: dict[str, Any] = {"enable_thinking": False}
_MARK = "vibegrid-turn"


def messages(system_prompt: str, vibe: str) -> list[dict[str, str]]:
    """The conversation that asks for a payload; an empty system prompt is left out."""
    system = [{"role": "system", "content": system_prompt.strip()}] if system_prompt.strip() else []
    return [*system, {"role": "user", "content": vibe.strip()}]


def render(tokenizer: Any, system_prompt: str, vibe: str) -> str:
    """The prompt as text, up to where the model's answer begins; special tokens are spelled out in it."""
    return _prompt(tokenizer, messages(system_prompt, vibe))


def _prompt(tokenizer: Any, conversation: Sequence[Mapping[str, str]]) -> str:
    return tokenizer.apply_chat_template(
        list(conversation), tokenize=False, add_generation_prompt=True, **TEMPLATE_OPTIONS
    )


def turn_end(tokenizer: Any) -> str:
    """What the template writes after an answer (`<|im_end|>`, `<end_of_turn>`), else the eos token."""
    conversation = [{"role": "user", "content": "x"}, {"role": "assistant", "content": _MARK}]
    text = tokenizer.apply_chat_template(conversation, tokenize=False, **TEMPLATE_OPTIONS)
    return text.rpartition(_MARK)[2].strip() or tokenizer.eos_token


def encode_prompt(tokenizer: Any, system_prompt: str, vibe: str) -> list[int]:
    """Token ids of the prompt."""
    return encode_conversation(tokenizer, messages(system_prompt, vibe))


def encode_conversation(tokenizer: Any, conversation: Sequence[Mapping[str, str]]) -> list[int]:
    """Token ids up to where the answer begins; nothing is added to what the template wrote."""
    return tokenizer(_prompt(tokenizer, conversation), add_special_tokens=False)["input_ids"]


def encode_completion(tokenizer: Any, completion: str) -> list[int]:
    """Token ids of an answer and the end of its turn."""
    return tokenizer(completion + turn_end(tokenizer), add_special_tokens=False)["input_ids"]


def stop_ids(tokenizer: Any, model: Any) -> list[int]:
    """Ids that end an answer: the template's, the tokenizer's eos and those the model declares; sorted."""
    declared = model.generation_config.eos_token_id
    found = {declared} if isinstance(declared, int) else set(declared or ())
    found.add(tokenizer(turn_end(tokenizer), add_special_tokens=False)["input_ids"][-1])
    if tokenizer.eos_token_id is not None:
        found.add(tokenizer.eos_token_id)
    return sorted(found)
