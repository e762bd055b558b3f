"""Spec of what a call on Modal is given. Where a step computes is part of no identity."""

from pydantic import Field

from vibegrid.specs.base import Spec


class RemoteSpec(Spec):
    """The machine of a GPU step on Modal; `remote:` of a scale, and of a model in config/models.yaml over it."""

    gpu: str | None = Field(
        default="L4", pattern=r"^[A-Za-z0-9-]+(:[1-8])?$", description="GPU, as Modal names it; null: none"
    )
    cpu: float = Field(default=2.0, gt=0, le=64, description="processor cores")
    memory_gib: float = Field(default=16.0, gt=0, le=336, description="memory")
    timeout_hours: float = Field(default=6.0, gt=0, le=24, description="longest attempt; the next one goes on from it")
    retries: int = Field(default=2, ge=0, le=10, description="attempts after one that failed; preemptions do not count")
    max_containers: int = Field(default=20, ge=1, le=1000, description="machines of this kind at once")
    secrets: tuple[str, ...] = Field(default=(), description="names of Modal secrets, for API keys of judges")
