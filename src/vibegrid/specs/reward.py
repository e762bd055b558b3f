"""Spec of the reward: the weights of its parts and the scorer behind its audio part."""

from pydantic import Field

from vibegrid.specs.base import Spec


class RewardSpec(Spec):
    """Weights of the reward of DESIGN section 7; the formula is `vibegrid.rewards.formula`."""

    format: float = Field(default=0.2, ge=0, le=1, description="weight of json_valid")
    schema_: float = Field(default=0.3, ge=0, le=1, alias="schema", description="weight of valid_field_fraction")
    audio: float = Field(default=0.5, ge=0, le=1, description="weight of the audio score")
    duplicate_penalty: float = Field(default=0.2, ge=0, le=1, description="taken off, times duplicate_color_fraction")
    audio_scorer: str | None = Field(default=None, description="name of the scorer; needed where audio > 0")
