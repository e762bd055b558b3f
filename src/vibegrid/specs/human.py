"""Specs of a human evaluation: the pack that raters hear, and the analysis of what they said."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from vibegrid.specs.analyses import NAME, read_spec
from vibegrid.specs.base import Spec

PAIR_METRICS = ("win_rate", "win_rate_all_prompts", "ratings_needed", "ratings_needed_observed", "raters_needed")
SYSTEM_METRICS = ("bradley_terry",)
QUALITY_METRICS = (
    "krippendorff_alpha",
    "position_bias",
    "self_consistency",
    "self_consistency_reversed",
    "raters_excluded",
)
PREFERENCE = "preference_spearman"  # of an automatic metric with what raters preferred
EVERYBODY = "raters"  # "arm" of what is said of all raters
HEADINGS = {  # columns of the table for reading
    "win_rate": "win rate",
    "win_rate_all_prompts": "win rate, all prompts",
    "ratings_needed": "ratings needed",
    "raters_needed": "raters needed",
    "bradley_terry": "Bradley–Terry strength",
    "krippendorff_alpha": "Krippendorff's alpha",
    "position_bias": "position bias (left)",
    "self_consistency": "self-consistency",
    "raters_excluded": "raters excluded",
    PREFERENCE: "Spearman with preference",
}


class PackSettings(Spec):
    """What a rater hears."""

    prompts: int | None = Field(default=None, ge=1, description="the eval set's first prompts; null for all")
    forms: int = Field(
        default=8, ge=2, le=99, description="lists of trials; the second of two mirrors the first's sides"
    )
    comparisons: int = Field(default=24, ge=1, le=400, description="trials of a form in which two systems are compared")
    checks: int = Field(default=6, ge=0, le=40, description="trials of a form with one broken sound")
    repeats: int = Field(
        default=4, ge=0, le=40, description="comparisons of a form asked twice, half with sides swapped"
    )
    seed: int = Field(default=0, ge=0, description="of forms, orders and sides")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.repeats > self.comparisons:
            raise ValueError(f"repeats: {self.repeats} of {self.comparisons} comparisons cannot be asked twice")
        return self


class HumanSettings(PackSettings):
    """`settings` of a `kind: human` experiment: what a rater hears, who counts, and what would matter."""

    pair: tuple[str, str] | None = Field(
        default=None, description="the confirmatory pair, later arm first; the last two arms where it is left out"
    )
    max_failed: int = Field(default=1, ge=0, description="a rater who fails more checks is left out")
    smallest_win_rate: float = Field(default=0.6, gt=0.5, lt=1, description="smallest win rate that would matter")
    power: float = Field(default=0.8, gt=0.5, lt=1, description="chance of finding it")
    level: float = Field(default=0.05, gt=0, lt=0.5, description="of the test, shared by the pairs of systems")
    design_effect: float = Field(
        default=1.5, ge=1, description="ratings that are worth one independent rating, until ratings say so themselves"
    )


class PackSpec(Spec):
    """Everything that a pack depends on, besides the outputs themselves."""

    experiment: str = Field(..., pattern=NAME, description="name of the experiment")
    eval_set: str = Field(..., min_length=1, description="the set whose prompts are heard")
    systems: tuple[str, ...] = Field(..., min_length=2, description="arms that are compared, each pair of them")
    seconds: float = Field(default=4.0, gt=0, le=120, description="length of a clip")
    notes: str = Field(default="", description="what a rater must know, shown on the page")
    settings: PackSettings = Field(default_factory=PackSettings, description="what a rater hears")

    @model_validator(mode="after")
    def _names(self) -> Self:
        if len(set(self.systems)) < len(self.systems):
            raise ValueError("systems: a system occurs twice")
        return self


class HumanPrimarySpec(Spec):
    """The confirmatory reading; everything else is exploratory."""

    metric: Literal["win_rate"] = Field(default="win_rate", description="the win rate of one pair")
    arm: str = Field(..., min_length=1, description='the pair: "sft_grpo over sft"')


class RatingsSpec(Spec):
    """Everything that the analysis of ratings depends on, besides pack, ratings and scores."""

    scale: str = Field(..., pattern=NAME, description="mini, small or full")
    experiment: str = Field(..., pattern=NAME, description="name of the experiment, and of its files")
    title: str = Field(default="", description="title, shown in tables and figures")
    question: str = Field(default="", description="the question, shown in captions")
    notes: str = Field(default="", description="what a reader must know, shown in captions")
    eval_set: str = Field(..., min_length=1, description="the set whose prompts were heard")
    systems: dict[str, str] = Field(..., min_length=2, description="system to its kind, in the order of the arms")
    runs: dict[str, str] = Field(..., description="system to the id of the scored run that was heard")
    primary: HumanPrimarySpec = Field(..., description="the confirmatory reading")
    settings: HumanSettings = Field(default_factory=HumanSettings, description="who counts, and what would matter")
    decoding: str = Field(default="free", description="free, or constrained to the schema")
    bootstrap: int = Field(default=2000, ge=100, description="resamples of an interval")
    permutations: int = Field(default=10000, ge=100, description="random sign vectors of a test")
    seed: int = Field(default=0, ge=0, description="seed of both")
    unit: str = Field(default="compared", description="heading of the table's rows")
    columns: dict[str, str] = Field(default_factory=lambda: dict(HEADINGS), description="columns of the table")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every pair of systems; the later arm comes first, as what is compared with the earlier one."""
        return pairs_of(list(self.systems))

    @model_validator(mode="after")
    def _names(self) -> Self:
        arms = [pair_name(*pair) for pair in self.pairs]
        if self.primary.arm not in arms:
            raise ValueError(f"primary.arm: no {self.primary.arm!r}: {', '.join(arms)}")
        if set(self.runs) != set(self.systems):
            raise ValueError(f"runs: one of each system was expected: {', '.join(self.systems)}")
        return self


def pairs_of(systems: list[str]) -> list[tuple[str, str]]:
    """Every pair of systems; the later one comes first, as what is compared with the earlier one."""
    return [(later, earlier) for earlier, later in combinations(systems, 2)]


def pair_name(first: str, second: str) -> str:
    """The arm of a pair, whose win rate is that of the first."""
    return f"{first} over {second}"


def ratings_spec(value: "RatingsSpec | Mapping[str, Any]") -> RatingsSpec:
    """The spec itself, or the spec that a JSON object describes.

    Raises:
        InputError: the first key that is wrong, and what was expected.
    """
    return read_spec(RatingsSpec, value)
