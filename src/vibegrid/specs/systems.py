"""Specs of systems: whatever turns a vibe into a payload, and how it decodes."""

from typing import Literal

from pydantic import Field

from vibegrid.specs.base import Spec


class DecodingSpec(Spec):
    """How a language model writes: greedy where the temperature is 0."""

    mode: Literal["free", "constrained"] = Field(default="free", description="free, or constrained to the schema")
    temperature: float = Field(default=0.0, ge=0, le=2, description="0 is greedy")
    top_p: float = Field(default=1.0, gt=0, le=1, description="nucleus sampling")
    max_new_tokens: int = Field(default=2048, ge=8, description="tokens of an output at most")
    batch_size: int = Field(default=32, ge=1, description="prompts a batch (padding makes it part of the result)")
    seed: int = Field(default=0, ge=0, description="seed of sampling")


class SystemSpec(Spec):
    """One system as it is evaluated."""

    kind: Literal["base", "sft", "grpo", "llm", "random", "rule_based", "retrieval", "sound_retrieval"] = Field(
        ..., description="what it is"
    )
    base_model: str | None = Field(default=None, description="for base, sft and grpo: a name in config/models.yaml")
    system_prompt: str | None = Field(
        default=None, description="for base, sft and grpo: a file of config/prompts/system"
    )
    model: str | None = Field(
        default=None, description="for llm: LiteLLM's name, openai/gpt-4o-mini; embedded/ and local/ run here"
    )
    prompt: str | None = Field(default=None, description="for llm: a file of config/prompts, as the teacher has one")
    decoding: DecodingSpec | None = Field(default=None, description="for base, sft, grpo and llm")
    dtype: Literal["float32", "bfloat16"] | None = Field(default=None, description="for base, sft and grpo")
    seed: int | None = Field(default=None, description="for random")
