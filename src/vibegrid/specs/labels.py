"""Spec of the labels stage: payloads by the teacher, best of N."""

from pydantic import Field

from vibegrid.specs.base import Spec


class LabelsSpec(Spec):
    """What ``write_payloads`` asks for each unique vibe."""

    teacher: str = Field(default="embedded/composer-1", description="LiteLLM model that writes the training payloads")
    prompt: str = Field(default="write_payload", description="system prompt, a file of config/prompts")
    candidates: int = Field(default=2, ge=1, le=32, description="payloads a vibe; the best valid one is kept")
    temperature: float = Field(default=0.8, ge=0, le=2, description="sampling temperature of the teacher")
    seed: int = Field(default=0, ge=0, description="seed passed to the teacher")
