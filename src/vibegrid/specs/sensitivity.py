"""Spec of a sensitivity analysis: how many configs are moved, a field at a time, and how what is heard is measured."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec

ANOTHER_SEED = "another_seed"  # the arm that all fields are compared with: the same config, rendered again
ALL_FIELDS = "all_fields"  # the arm that counts fields
EMBEDDING, ACOUSTIC = "embedding", "acoustic"  # what is heard: by the CLAP, and by all measures together
SHIFT = "_shift"  # a metric is the name of what is heard with this ending
HEARD = {EMBEDDING: "heard", ACOUSTIC: "heard_acoustic"}
CONFIGS = "random_configs"  # the "eval set"


TABLE = {
    "embedding_shift.delta": "embedding: cosine distance beyond another seed",
    "heard": "heard in it",
    "acoustic_shift.delta": "measures: |change| beyond another seed (SD)",
    "heard_acoustic": "heard in them",
    "morris_mu_star": "embedding: Morris's mu* (SD)",
    "sobol_total": "embedding: Sobol's total index",
}


class SensitivityDesignSpec(Spec):
    """What is rendered."""

    bases: int = Field(default=30, ge=2, le=1000, description="random configs; each is rendered 36 times")
    seed: int = Field(default=0, ge=0, description="seed of the configs and of their renders")
    scorer: str = Field(default="clap_eval", description="the CLAP whose embedding is looked at")


class SensitivitySpec(Spec):
    """Everything that a sensitivity analysis depends on, besides the CLAP and the bank of renders."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    unit: str = Field(default="field", description="what an arm is")
    columns: dict[str, str] = Field(default_factory=lambda: dict(TABLE), description="of the table for reading")
    seconds: float = Field(default=4.0, ge=1, le=60, description="length of a render")
    design: SensitivityDesignSpec = Field(default_factory=SensitivityDesignSpec, description="what is rendered")
    decoding: str = Field(default="free", description="of the study; nothing is decoded here")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random sign vectors of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")


def sensitivity_spec(value: "SensitivitySpec | Mapping[str, Any]") -> SensitivitySpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(SensitivitySpec, value)
