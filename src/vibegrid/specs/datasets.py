"""Specs of the datasets stage: splits, and variants of the training rows."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from vibegrid.specs.base import Spec

Representation = Literal["raw_text", "scene_only", "character_only", "both_scopes", "xl_only", "xs_only", "all_levels"]


class SplitSpec(Spec):
    """Shares of the source texts, drawn in this order: TEST, SFT-Val, GRPO; SFT-Train is the rest."""

    test: float = Field(default=0.15, gt=0, lt=1, description="share of texts in TEST")
    sft_val: float = Field(default=0.05, gt=0, lt=1, description="share of texts in SFT-Val")
    grpo: float = Field(default=0.25, gt=0, lt=1, description="share in GRPO, picked by farthest-point sampling")
    leakage_threshold: float = Field(
        default=0.95, gt=0, le=1, description="training rows at this cosine or more to a TEST vibe are removed"
    )
    seed: int = Field(default=0, ge=0, description="seed of the draw")

    @model_validator(mode="after")
    def _shares(self) -> "SplitSpec":
        if self.test + self.sft_val + self.grpo >= 1:
            raise ValueError("test + sft_val + grpo must leave something for SFT-Train (below 1)")
        return self


class ImportSpec(Spec):
    """What ``import_splits`` does to split files that are there."""

    leakage_threshold: float = Field(default=0.95, gt=0, le=1, description="that of the splits")


class VariantSpec(Spec):
    """A dataset variant: one function of the labelled vibes."""

    representation: Representation = Field(default="all_levels", description="what stands for a page in the prompt")
    error_rate: float = Field(
        default=0.05, ge=0, le=1, description="share of rows whose `vibe_noisy` gets character errors"
    )
    dedupe_threshold: float = Field(
        default=0.98,
        gt=0,
        le=1,
        description="training rows at this cosine or more to an earlier one go; 1.0 is exact only",
    )
    size: int | None = Field(default=None, ge=1, description="number of training rows, nested subsets; null takes all")
    draw: int = Field(default=0, ge=0, description="which draw of the subset")
    seed: int = Field(default=0, ge=0, description="seed of noise and subsets")

    @field_validator("representation")
    @classmethod
    def _one_name(cls, value: Representation) -> Representation:
        """`both_scopes`, the reference of the scopes, is `all_levels`, the reference of the levels: equal rows, one
        training."""
        return "all_levels" if value == "both_scopes" else value
