"""Specs of mini-CLAP: its bank of renders, its captions, its training."""

from typing import Literal

from pydantic import Field, model_validator

from vibegrid.specs.base import Spec


class BankSpec(Spec):
    """Renders of random configs; the last `held_out` are for the card and never trained on."""

    renders: int = Field(default=1500, ge=4, description="clips, held-out ones included")
    held_out: int = Field(default=200, ge=2, description="clips that only the card sees")
    seconds: float = Field(default=4.0, gt=0, le=60, description="length of a clip")
    seed: int = Field(default=0, ge=0, description="seed of the configs")

    @model_validator(mode="after")
    def _some_left(self) -> "BankSpec":
        if self.held_out > self.renders - 2:
            raise ValueError(f"held_out ({self.held_out}) leaves fewer than 2 of {self.renders} renders to train on")
        return self


class CaptionSpec(Spec):
    """How captions are put together from phrases, each of which is true of the clip."""

    variant: Literal["train", "eval"] = Field(default="train", description="phrases: clap/data/captions_<variant>.tsv")
    fewest: int = Field(default=5, ge=1, description="phrases a caption at least")
    most: int = Field(default=9, ge=1, description="phrases a caption at most, each of another attribute")
    pool: int = Field(default=1100, ge=1, description="whole captions embedded by MiniLM, about 10 ms each")

    @model_validator(mode="after")
    def _ordered(self) -> "CaptionSpec":
        if self.fewest > self.most:
            raise ValueError(f"fewest ({self.fewest}) is over most ({self.most})")
        return self


class ClapSpec(Spec):
    """A contrastive text-audio model."""

    bank: BankSpec = Field(default_factory=BankSpec, description="the renders it is trained on")
    captions: CaptionSpec = Field(default_factory=CaptionSpec, description="the texts it is trained on")
    epochs: int = Field(default=20, ge=1, description="passes of the audio tower over the bank")
    text_epochs: int = Field(default=40, ge=1, description="passes of the text tower over the bank")
    batch_size: int = Field(default=32, ge=2, description="clips a step of the audio tower")
    learning_rate: float = Field(default=3e-3, gt=0, description="peak, after a short warm-up; falls as a cosine")
    weight_decay: float = Field(default=0.3, ge=0, description="of AdamW")
    temperature: float = Field(default=0.1, gt=0, le=1, description="of the softmax at the start; it is learnt")
    seed: int = Field(default=0, ge=0, description="seed of weights, captions, batches and augmentation")
