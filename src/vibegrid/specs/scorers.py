"""Specs of scorers (functions of vibe, payload and audio to a number; higher is better) and of their calibration."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from vibegrid.specs.base import Spec
from vibegrid.specs.clap import ClapSpec


class ScorerBase(Spec):
    """What every scorer has."""

    suffix: str = Field(
        default="", pattern=r"^[a-z0-9_]*$", description="ending of its metrics' names, so that no two are the same"
    )


class MiniClapSpec(ScorerBase):
    """A contrastive text-audio model that the workflow trains on its own renders."""

    kind: Literal["mini_clap"] = "mini_clap"
    clap: ClapSpec = Field(default_factory=ClapSpec, description="renders, captions and training")


class LaionClapSpec(ScorerBase):
    """A LAION-CLAP checkpoint (Wu et al. 2023), in an environment of its own (envs/clap.yaml)."""

    kind: Literal["laion_clap"] = "laion_clap"
    checkpoint: str = Field(..., min_length=1, description="630k-audioset-best, or another name the scorer knows")
    path: str | None = Field(default=None, description="file of the checkpoint; downloaded where it is left out")


class JudgeSpec(ScorerBase):
    """An LLM that hears the audio and reads the vibe, through LiteLLM."""

    kind: Literal["judge"] = "judge"
    model: str = Field(..., min_length=3, description="LiteLLM model: embedded/listener-1, gemini/...")
    prompt: str = Field(default="judge", description="system prompt, a file of config/prompts")


class FunctionSpec(ScorerBase):
    """A function of yours: (vibe: str, payload: dict, audio: float32 array, sample_rate: int) -> float."""

    kind: Literal["function"] = "function"
    function: str = Field(..., description="module:function; the module lies in the project's folder")
    minimum: float = Field(default=0.0, description="lower end of its range; what an invalid output gets")
    maximum: float = Field(default=1.0, description="upper end of its range")

    @field_validator("function")
    @classmethod
    def _form(cls, value: str) -> str:
        module, _, name = value.partition(":")
        if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
            raise ValueError("module:function was expected")
        return value


ScorerSpec = Annotated[MiniClapSpec | LaionClapSpec | JudgeSpec | FunctionSpec, Field(discriminator="kind")]


class CalibrationSpec(Spec):
    """The frozen map of a scorer's raw scores to [0, 1]."""

    pairs: int = Field(default=100, ge=10, description="vibes, each with its teacher's payload and a random one")
    seed: int = Field(default=0, ge=0, description="seed of both draws")
