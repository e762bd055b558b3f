"""Specs of config/llms.yaml: how LLMs may be asked. Nothing of it says what is asked, so none of it is identity."""

from pydantic import Field

from vibegrid.specs.base import Spec


class PriceSpec(Spec):
    """A price that LiteLLM's table lacks, in dollars per million tokens."""

    input: float = Field(..., ge=0, description="dollars per million input tokens")
    output: float = Field(..., ge=0, description="dollars per million output tokens")


class LimitsSpec(Spec):
    """How one model may be asked; what a model leaves out is as in `default`."""

    concurrency: int = Field(default=8, ge=1, le=512, description="calls under way at one time, of one job")
    requests_per_minute: int | None = Field(default=None, ge=1, description="over all jobs of this machine")
    tokens_per_minute: int | None = Field(default=None, ge=1, description="input and output, over all jobs")
    timeout_s: float = Field(default=60.0, gt=0, le=3600, description="limit of one call, in seconds")
    attempts: int = Field(default=5, ge=1, le=20, description="calls a request, where they fail and may yet succeed")
    price: PriceSpec | None = Field(default=None, description="null: LiteLLM's local table")


class LlmsSpec(Spec):
    """config/llms.yaml."""

    default: LimitsSpec = Field(default_factory=LimitsSpec, description="of every model")
    models: dict[str, LimitsSpec] = Field(default_factory=dict, description="LiteLLM's model name to its own limits")


class BudgetSpec(Spec):
    """What a run may cost."""

    max_usd: float | None = Field(default=None, ge=0, description="dollars for LLM calls of one run; null: no limit")
