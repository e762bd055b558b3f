"""What SFT and GRPO specs share: the optimiser, the budget, how the model is loaded."""

from typing import Literal

from pydantic import Field, model_validator

from vibegrid.specs.base import Spec


class BudgetSpec(Spec):
    """How long a training runs: passes over the rows, or optimiser steps."""

    unit: Literal["epochs", "steps"] = Field(default="epochs", description="unit of `value`")
    value: float = Field(default=3, gt=0, description="epochs (may be a fraction) or steps (whole)")

    @model_validator(mode="after")
    def _whole(self) -> "BudgetSpec":
        if self.unit == "steps" and self.value != int(self.value):
            raise ValueError(f"a whole number of steps was expected, not {self.value}")
        return self


class TrainingSpec(Spec):
    """Fields of every training; whatever changes its result is one of them."""

    budget: BudgetSpec = Field(default_factory=BudgetSpec, description="length of the training")
    batch_size: int = Field(default=16, ge=1, description="sequences a device and step")
    grad_accum: int = Field(default=1, ge=1, description="steps whose gradients are summed")
    learning_rate: float = Field(default=1e-4, gt=0, description="peak learning rate")
    scheduler: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="after warm-up")
    warmup_ratio: float = Field(default=0.06, ge=0, le=1, description="share of the steps in linear warm-up")
    weight_decay: float = Field(default=0.01, ge=0, description="of AdamW")
    max_grad_norm: float = Field(default=1.0, gt=0, description="gradient clipping, L2 norm")
    optim: Literal["adamw_torch", "adamw_8bit"] = Field(default="adamw_torch", description="optimiser")
    dtype: Literal["float32", "bfloat16"] = Field(default="float32", description="weights and activations")
    engine: Literal["transformers", "unsloth"] = Field(default="transformers", description="what loads the model")
    seed: int = Field(default=42, ge=0, description="seed of data order, dropout, initial adapter and sampling")
    checkpoints: int = Field(default=2, ge=0, description="checkpoints in a training, evenly spaced")
