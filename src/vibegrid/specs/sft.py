"""Spec of an SFT adapter."""

from pydantic import Field

from vibegrid.specs.datasets import VariantSpec
from vibegrid.specs.lora import LoraSpec
from vibegrid.specs.training import TrainingSpec


class SFTSpec(TrainingSpec):
    """Supervised fine-tuning: loss on the payload's tokens only."""

    base_model: str = Field(default="smollm2-135m", description="a name in config/models.yaml")
    system_prompt: str = Field(default="default", description="a file of config/prompts/system")
    lora: LoraSpec = Field(default_factory=LoraSpec, description="shape of the adapter")
    dataset: VariantSpec = Field(default_factory=VariantSpec, description="the rows it reads")
    max_seq_length: int = Field(default=1024, ge=8, description="tokens; longer rows are counted and dropped")
