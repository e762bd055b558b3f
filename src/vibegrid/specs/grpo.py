"""Spec of a GRPO adapter (Shao et al. 2024, arXiv:2402.03300)."""

from typing import Literal

from pydantic import Field, model_validator

from vibegrid.specs.reward import RewardSpec
from vibegrid.specs.sft import SFTSpec
from vibegrid.specs.training import TrainingSpec


class GRPOSpec(TrainingSpec):
    """Group-relative policy optimisation of an SFT adapter; model, prompt, LoRA and rows are that adapter's."""

    sft: SFTSpec = Field(default_factory=SFTSpec, description="the SFT adapter it starts from")
    beta: float = Field(default=0.04, ge=0, description="weight of the KL term to the SFT adapter")
    num_generations: int = Field(default=4, ge=2, description="completions a prompt; batch_size is a multiple of it")
    scale_rewards: Literal["group", "batch", "none"] = Field(
        default="group", description="advantages are divided by the standard deviation of rewards in this"
    )
    temperature: float = Field(default=0.8, gt=0, le=2, description="sampling temperature")
    top_p: float = Field(default=0.95, gt=0, le=1, description="nucleus sampling")
    top_k: int = Field(default=64, ge=0, description="0 is off")
    max_completion_length: int = Field(default=2048, ge=8, description="tokens")
    reward: RewardSpec = Field(default_factory=RewardSpec, description="weights and scorer")

    @model_validator(mode="after")
    def _groups(self) -> "GRPOSpec":
        if (self.batch_size * self.grad_accum) % self.num_generations:
            raise ValueError(
                f"batch_size × grad_accum ({self.batch_size * self.grad_accum}) is no multiple of "
                f"num_generations ({self.num_generations})"
            )
        return self
