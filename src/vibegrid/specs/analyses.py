"""Spec of an experiment's analysis: which scored systems are its arms, and what they are compared on."""

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from vibegrid.errors import InputError
from vibegrid.specs.base import Spec

S = TypeVar("S", bound=Spec)
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class PrimarySpec(Spec):
    """The confirmatory reading; everything else is exploratory."""

    metric: str = Field(default="valid_field_fraction", min_length=1, description="a metric of scores.csv")
    eval_set: str = Field(default="short_prompts", min_length=1, description="the eval set it is read on")


class ArmSpec(Spec):
    """One setting, and the scored systems that are its replicates."""

    arm: str = Field(..., min_length=1, description="name, unique in the experiment")
    system: str = Field(..., description="kind of system: sft, grpo, base, random, ...")
    value: bool | int | float | str | None = Field(default=None, description="the swept value, where there is one")
    status: str = Field(default="ok", description="ok, or failed where it is known that no run exists")
    expect: Literal["ok", "failed"] = Field(
        default="ok", description="failed: a training that cannot succeed is allowed"
    )
    decoding: str = Field(default="", description="free or constrained; the analysis's where left out")
    runs: tuple[str, ...] = Field(default=(), description="ids of the scored systems (seeds or draws)")


class AxisSpec(Spec):
    """What the figure draws along its axis of settings."""

    key: str = Field(default="arm", description="the swept key")
    scale: Literal["linear", "log", "category"] = Field(default="category", description="how values are spaced")
    label: str = Field(default="", description="name for people; the key where it is empty")
    unit: str = Field(default="", description="unit of the values, empty for none")


class AnalysisSpec(Spec):
    """Everything that the comparison of one experiment depends on, besides the scores themselves."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    eval_sets: tuple[str, ...] = Field(default=(), description="the sets it reads; all that were scored where empty")
    reference: str = Field(default="", description="arm that the others are compared with; empty for none")
    primary: PrimarySpec = Field(default_factory=PrimarySpec, description="the confirmatory reading")
    arms: tuple[ArmSpec, ...] = Field(..., min_length=1, description="in the order of tables and figures")
    decoding: str = Field(default="free", description="free, or constrained to the schema; of arms that say nothing")
    axis: AxisSpec = Field(default_factory=AxisSpec, description="axis of the figure")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random sign vectors of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")
    subsets: tuple[str, ...] = Field(default=("familiarity",), description="tags by which eval sets are split")

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [arm.arm for arm in self.arms]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"arm {twice[0]!r} occurs twice")
        if self.reference and self.reference not in names:
            raise ValueError(f"reference {self.reference!r} is no arm; arms: {', '.join(names)}")
        return self

    def compares(self, arm: ArmSpec) -> bool:
        """Whether an arm is compared with the reference: not where it is the same runs under another name."""
        return any(other.arm == self.reference and set(other.runs) != set(arm.runs) for other in self.arms)


def analysis_spec(value: "AnalysisSpec | Mapping[str, Any]") -> AnalysisSpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(AnalysisSpec, value)


def read_spec(model: type[S], value: S | Mapping[str, Any]) -> S:
    """A spec of an analysis as it is, or the one that a JSON object describes; InputError for its first problem."""
    if isinstance(value, model):
        return value
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        where = f"analysis of {value.get('experiment', '?')}" if isinstance(value, Mapping) else "analysis"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {key}" if key else where, message) from None
