"""Spec of a LoRA adapter (Hu et al. 2021, arXiv:2106.09685)."""

from pydantic import Field

from vibegrid.specs.base import Spec

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraSpec(Spec):
    """Shape of the adapter."""

    r: int = Field(default=16, ge=1, le=1024, description="rank")
    alpha: int = Field(default=16, ge=1, description="scale of the update is alpha / r")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout on the adapter's input")
    target_modules: tuple[str, ...] = Field(default=PROJECTIONS, min_length=1, description="adapted projections")
