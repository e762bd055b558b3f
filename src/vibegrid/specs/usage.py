"""Spec of a field usage analysis: whose payloads are looked at, over which prompts, and which fields are ablated."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec

TEACHER = "teacher"  # a sample of the teacher's rows, of as many as there are prompts
TEACHER_ROWS = "teacher_all_rows"
ALL_FIELDS = "all_fields"  # the arm that counts fields
ALL_PROMPTS = "all_prompts"  # the "eval set": every prompt of the experiment's eval sets, once
FOLLOWS = "follows_vibe"
INFORMATION, ENTROPY, DIVERGENCE = "mutual_information", "normalised_entropy", "teacher_divergence"
ABLATIONS = ("ablation_delta_default", "ablation_delta_random")


TABLE = {
    INFORMATION: "mutual information with the vibe (bits)",
    FOLLOWS: "follows the vibe",
    ENTROPY: "normalised entropy",
    DIVERGENCE: "divergence from the teacher (bits)",
    ABLATIONS[0]: "loss: the default in its place",
    ABLATIONS[1]: "loss: another label in its place",
}


class AblationSpec(Spec):
    """Which fields are replaced, and where the loss is heard."""

    systems: tuple[str, ...] = Field(default=(TEACHER,), description="arms, or `teacher`; none: nothing is rendered")
    fields: int = Field(default=5, ge=1, le=34, description="fields of each, those that say most of the vibe")
    prompts: int = Field(default=12, ge=2, description="prompts of each")
    eval_set: str = Field(default="short_prompts", description="whose prompts; the teacher has its own vibes")


class UsageDesignSpec(Spec):
    """How fields and vibes are compared."""

    groups: int = Field(default=8, ge=2, le=64, description="groups of vibes, by k-means of their embeddings")
    permutations: int = Field(default=2000, ge=100, description="permuted prompts behind a mutual information")
    seed: int = Field(default=0, ge=0, description="seed of groups, samples and random labels")
    scorer: str = Field(default="clap_eval", description="the CLAP that hears what an ablation loses")
    ablation: AblationSpec = Field(default_factory=AblationSpec, description="fields replaced")


class UsageSpec(Spec):
    """Everything that a field usage analysis depends on, besides the outputs themselves."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    unit: str = Field(default="field", description="what an arm is")
    columns: dict[str, str] = Field(default_factory=lambda: dict(TABLE), description="of the table for reading")
    eval_sets: tuple[str, ...] = Field(..., min_length=1, description="sets whose prompts every system answered")
    runs: dict[str, tuple[str, ...]] = Field(
        ..., min_length=1, description="system to the ids of its generations (seeds or draws)"
    )
    seconds: float = Field(default=4.0, ge=1, le=60, description="length of a render")
    design: UsageDesignSpec = Field(default_factory=UsageDesignSpec, description="how they are compared")
    decoding: str = Field(default="free", description="free, or constrained to the schema")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random sign vectors of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in (TEACHER, TEACHER_ROWS):
            if name in self.runs:
                raise ValueError(f"runs: {name!r} is the teacher's name")
        ablation = self.design.ablation
        for name in ablation.systems:
            if name not in (*self.runs, TEACHER):
                raise ValueError(f"design.ablation.systems: no {name!r}; there are {', '.join([*self.runs, TEACHER])}")
        if ablation.systems and ablation.eval_set not in self.eval_sets:
            raise ValueError(f"design.ablation.eval_set: {ablation.eval_set!r} is none of {', '.join(self.eval_sets)}")
        return self


def usage_spec(value: "UsageSpec | Mapping[str, Any]") -> UsageSpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(UsageSpec, value)
