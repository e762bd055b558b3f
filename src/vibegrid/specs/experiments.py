"""Spec of an experiment file: a question, its arms, and what they are compared on."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from vibegrid.grid.kinds import KINDS
from vibegrid.specs.base import Spec

Stage = Literal["base", "sft", "grpo", "llm", "random", "rule_based", "retrieval", "sound_retrieval"]


class PrimarySpec(Spec):
    """The confirmatory comparison; all others are exploratory."""

    metric: str = Field(..., description="a registered metric; for agreement a correlation, of the first pair")
    eval_set: str = Field(default="", description="one of the experiment's eval sets; of an analysis without, nothing")


class AxisSpec(Spec):
    """How the figure draws the arms."""

    scale: Literal["linear", "log", "category"] = Field(default="linear", description="of the horizontal axis")
    label: str | None = Field(default=None, description="axis label; the key where it is left out")
    unit: str = Field(default="", description="unit of the swept value")


class ArmSpec(Spec):
    """One named setting."""

    stage: Stage | None = Field(default=None, description="what the arm is; the experiment's stage where left out")
    set: dict[str, Any] = Field(default_factory=dict, description="dotted keys of the stage's spec, with values")
    replicates: tuple[dict[str, Any], ...] = Field(default=(), description="overrides per replicate, in place of seeds")
    decoding: Literal["free", "constrained"] | None = Field(
        default=None, description="of a language model's outputs; the scale's where left out"
    )
    expect: Literal["ok", "failed"] = Field(default="ok", description="`failed` allows a training that cannot succeed")


class GridSpec(Spec):
    """The part of an experiment that a scale may override."""

    sweep: dict[str, list[Any]] = Field(default_factory=dict, description="dotted keys with values: their product")
    arms: dict[str, ArmSpec] = Field(default_factory=dict, description="named settings, in place of a sweep")
    set: dict[str, Any] = Field(default_factory=dict, description="dotted keys set in every arm (a budget, say)")
    scorers: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="audio scorer to eval sets, beside those of every experiment"
    )
    eval_sets: tuple[str, ...] = Field(
        default=(), description="beside those of every experiment; a scale's beside the experiment's"
    )
    scores: tuple[str, ...] = Field(default=(), description="agreement: metrics, each compared with each")
    settings: dict[str, Any] = Field(default_factory=dict, description="what an analysis of its kind is told")


class ExperimentSpec(GridSpec):
    """One file of config/experiments."""

    title: str = Field(..., min_length=1, description="heading of its table and figure")
    question: str = Field(..., min_length=1, description="what the arms are to answer")
    kind: str = Field(
        default="comparison",
        description="arms compared with a reference; `agreement`: scorers compared with each other, over the arms'"
        " outputs; other analyses have kinds of their own",
        json_schema_extra={"enum": list(KINDS)},
    )
    stage: Stage = Field(default="sft", description="which spec the keys belong to")
    reference: str | None = Field(
        default=None, description="arm the others are compared with; default: the baseline's arm"
    )
    include_baseline: bool = Field(default=False, description="add the baseline as an arm where no arm equals it")
    primary: PrimarySpec = Field(..., description="the confirmatory metric and eval set")
    common_sets: bool = Field(default=True, description="false: only its own eval sets, not those of every experiment")
    pairs: tuple[tuple[str, str], ...] = Field(default=(), description="agreement: pairs of metrics, beside them")
    axis: AxisSpec = Field(default_factory=AxisSpec, description="how the figure draws the arms")
    notes: str = Field(default="", description="what a reader must know, printed in the caption")
    mini: GridSpec | None = Field(default=None, description="overrides at scale mini")
    small: GridSpec | None = Field(default=None, description="overrides at scale small")
    full: GridSpec | None = Field(default=None, description="overrides at scale full")

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"no kind {kind!r}; kinds: {', '.join(KINDS)}")
        return kind

    @model_validator(mode="after")
    def _one_grid(self) -> "ExperimentSpec":
        for name, grid in (("", self), ("mini: ", self.mini), ("small: ", self.small), ("full: ", self.full)):
            if grid is not None and grid.sweep and grid.arms:
                raise ValueError(f"{name}`sweep` and `arms` exclude each other")
            if grid is not None and any(not values for values in grid.sweep.values()):
                raise ValueError(f"{name}a sweep has no values")
        return self

    @model_validator(mode="after")
    def _of_its_kind(self) -> "ExperimentSpec":
        if KINDS[self.kind].armed and not (self.sweep or self.arms):
            raise ValueError("`sweep` or `arms` is missing")
        if KINDS[self.kind].armed and not self.primary.eval_set:
            raise ValueError("primary.eval_set is missing")
        if not KINDS[self.kind].settings and self.settings:
            raise ValueError(f"`kind: {self.kind}` has no `settings`")
        if self.kind != "agreement" and (self.scores or self.pairs):
            raise ValueError("`scores` and `pairs` belong to `kind: agreement`")
        if self.kind == "agreement" and len(self.scores) < 2 and not self.pairs:
            raise ValueError("`kind: agreement` needs two or more `scores`, or `pairs` of them")
        return self
