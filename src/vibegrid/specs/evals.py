"""Specs of eval sets."""

from typing import Literal

from pydantic import Field, model_validator

from vibegrid.specs.base import Spec
from vibegrid.specs.stories import StorySetSpec


class EvalSetSpec(Spec):
    """One eval set: `test` is sampled from TEST, `story_pages` are pages of its texts; the others are files of prompts,
    or are derived from one."""

    name: str = Field(..., description="`test`, or a path in config/eval_sets without its ending")
    source: Literal["test", "stories", "file", "corrupted"] = Field(
        default="file", description="where the prompts come from; `corrupted`: those of a file, with typing errors"
    )
    of: str | None = Field(default=None, description="the eval set it is derived from, a file of prompts")
    rows: int | None = Field(default=None, ge=1, description="rows that are drawn; null takes all")
    seed: int = Field(default=0, ge=0, description="seed of the draw and of the typing errors")
    stories: StorySetSpec | None = Field(default=None, description="of `source: stories`: which pages of which texts")

    @model_validator(mode="after")
    def _derived(self) -> "EvalSetSpec":
        if self.source == "corrupted" and self.of is None:
            raise ValueError("`source: corrupted` needs `of`, an eval set")
        if self.source == "test" and self.of is not None:
            raise ValueError("`test` is drawn from TEST, not from another eval set (`of`)")
        return self
