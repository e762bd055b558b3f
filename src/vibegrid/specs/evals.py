"""Specs of eval sets."""

from typing import Literal

from pydantic import Field

from vibegrid.specs.base import Spec


class EvalSetSpec(Spec):
    """One eval set: `test` is sampled from TEST, the others are files of prompts."""

    name: str = Field(..., description="`test`, or a path in config/eval_sets without its ending")
    source: Literal["test", "file"] = Field(default="file", description="where the prompts come from")
    rows: int | None = Field(default=None, ge=1, description="rows of `test`, stratified by level and scope")
    seed: int = Field(default=0, ge=0, description="seed of the sample")
